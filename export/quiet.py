"""Keep native libraries from chattering on the standard error stream."""

import contextlib
import os
import re
import sys
import tempfile

_STDERR = 2
_CHATTER = re.compile(rb"[IW]\d{4} |INFO: |WARNING: All log messages before absl")


@contextlib.contextmanager
def native_stderr():
    """Hold back the information and warnings that native code logs; let all else through.

    Native code writes to the file descriptor, where `contextlib.redirect_stderr` has no say.
    """
    try:
        original = os.dup(_STDERR)
    except OSError:
        yield  # There is no stream to keep quiet.
        return
    with tempfile.TemporaryFile() as sink:
        _flush()
        os.dup2(sink.fileno(), _STDERR)
        try:
            yield
        finally:
            _flush()
            os.dup2(original, _STDERR)
            os.close(original)
            sink.seek(0)
            rest = b"".join(line for line in sink if not _CHATTER.match(line))
            if rest:
                os.write(_STDERR, rest)


def _flush():
    if sys.stderr is not None:
        sys.stderr.flush()
