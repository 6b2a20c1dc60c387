"""Measure the page of `keras-vae export web` in Chromium: the time of a frame of MNIST.

    python benchmarks/web.py [--run RUN] [--out FILE.json]

It wants Chromium with its driver, selenium and npm (`make test-browser` installs the first two),
and without --run the MNIST of TensorFlow Datasets: it trains a convolutional decoder, D=16.

A frame is the time from the movement of a slider to the painted picture: decoding, painting, and
all that the page says of it.
"""

import argparse
import json
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import threading

import numpy as np

_FRAMES, _WARM_UP = 600, 60
# Moves sliders by turns, one a frame of the screen, and waits for the picture of each.
_MOVE = """
const [frames, done] = arguments;
const sliders = [...document.querySelectorAll('#sliders input')];
const time = document.querySelector('#time');
const painted = () => new Promise((resolve) => {
  const observer = new MutationObserver(() => { observer.disconnect(); resolve(); });
  observer.observe(time, { childList: true });
});
(async () => {
  const frame = [], run = [];
  for (let i = 0; i < frames; i++) {
    await new Promise(requestAnimationFrame);
    const slider = sliders[i % sliders.length];
    slider.value = Number(slider.min) + Math.random() * (slider.max - slider.min);
    const start = performance.now();
    const wait = painted();
    slider.dispatchEvent(new Event('input'));
    await wait;
    frame.push(performance.now() - start);
    run.push(parseFloat(time.textContent));
  }
  done({ frame, run });
})();
"""


def train(folder):
    """Train the decoder by the command line; return its run folder."""
    run = folder / "run"
    options = ("--recipe", "textbook", "--binarize", "dynamic", "--latent-dim", "16")
    command = [sys.executable, "-m", "keras_vae_cli", "train", "mnist", "--out", run, *options]
    subprocess.run([*command, "--epochs", "2", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return run


def measure(site):
    """Return the milliseconds of frames, and of the decodings in them, in Chromium."""
    from selenium import webdriver

    from export import serve

    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    with serve.serving(site, 0) as server, webdriver.Chrome(options, service) as driver:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        driver.set_script_timeout(300)
        driver.get(serve.address(server))
        state = "return document.documentElement.dataset.state"
        while driver.execute_script(state) == "loading":
            pass
        driver.execute_async_script(_MOVE, _WARM_UP)
        found = driver.execute_async_script(_MOVE, _FRAMES)
        version = driver.capabilities["browserVersion"]
        server.shutdown()
    return found, version


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=pathlib.Path)
    default = pathlib.Path(__file__).parent / "results/web.json"
    parser.add_argument("--out", type=pathlib.Path, default=default)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        run, site = arguments.run or train(folder), folder / "site"
        command = [sys.executable, "-m", "keras_vae_cli", "export", "web", run, "--out", site]
        subprocess.run([*command, "--runtime", "vendored"], check=True)
        found, browser = measure(site)
        about = json.loads((site / "site.json").read_text())
    results = {
        "machine": f"{platform.machine()}, Chromium {browser}, {about['runtime']}",
        "model": f"{about['shape']}, D={len(about['centre'])}, {about['size']}",
        "frames": _FRAMES,
    }
    for name, values in found.items():
        middle, late = np.percentile(values, [50, 95])
        results[f"{name}_ms"] = {"median": round(middle, 2), "p95": round(late, 2)}
    arguments.out.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
