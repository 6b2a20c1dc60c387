// A classic script, which runs where modules do not: in old browsers, and on a page opened as a file.
(function () {
  function say(text) {
    document.documentElement.setAttribute('data-state', 'failed');
    function show() {
      var notice = document.getElementById('notice');
      notice.hidden = false;
      notice.className = 'notice';
      notice.setAttribute('role', 'alert');
      notice.textContent = text;
    }
    if (document.getElementById('notice')) show();
    else document.addEventListener('DOMContentLoaded', show);
  }
  window.failed = say;
  if (location.protocol === 'file:') {
    say(
      'A browser loads no model from a file. Show this folder with "keras-vae export serve", ' +
        'or put it on any web server, and open its address.'
    );
  } else if (typeof WebAssembly !== 'object') {
    say(
      'This browser has no WebAssembly, which the model runs on. Open the page in a current ' +
        'version of Firefox, Chrome, Edge or Safari, or allow WebAssembly in its settings.'
    );
  } else if (!('noModule' in document.createElement('script'))) {
    say('This browser is too old for this page. Open it in a current one.');
  }
  // Of scripts that do not load, which is seen on the way down alone.
  window.addEventListener(
    'error',
    function (event) {
      if (document.documentElement.getAttribute('data-state') !== 'loading') return;
      var source = event.target && event.target.src;
      var what = source ? source + ' did not load' : event.message;
      say('The page did not start: ' + what + '. Load it again, or export the site again.');
    },
    true
  );
})();
