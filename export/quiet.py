"""Keep native libraries from chattering on the standard error stream."""

import contextlib
import logging
import os
import re
import sys
import tempfile

_STDERR = 2
_CHATTER = re.compile(rb"[IW]\d{4} |INFO: |WARNING: All log messages before absl")


@contextlib.contextmanager
def native_stderr():
    """Hold back the information and warnings that native code logs; let all else through.

    TensorFlow's own log holds its information back too, which in a notebook is no native stream.
    If an exception is raised, it tells what went wrong, and what native code wrote about it goes to
    the log of this module, at level DEBUG. Native code writes to the file descriptor, where
    `contextlib.redirect_stderr` has no say.
    """
    try:
        original = os.dup(_STDERR)
    except OSError:
        yield  # There is no stream to keep quiet.
        return
    with _at_least(logging.WARNING), tempfile.TemporaryFile() as sink:
        _flush()
        os.dup2(sink.fileno(), _STDERR)
        failed = True
        try:
            yield
            failed = False
        finally:
            _flush()
            os.dup2(original, _STDERR)
            os.close(original)
            sink.seek(0)
            text = sink.read()
            if failed:
                logging.getLogger(__name__).debug("%s", text.decode(errors="replace"))
            else:
                lines = text.splitlines(keepends=True)
                os.write(_STDERR, b"".join(line for line in lines if not _CHATTER.match(line)))


@contextlib.contextmanager
def _at_least(level):
    logger = logging.getLogger("tensorflow")
    before = logger.level
    logger.setLevel(max(before, level))
    try:
        yield
    finally:
        logger.setLevel(before)


def _flush():
    if sys.stderr is not None:
        sys.stderr.flush()
