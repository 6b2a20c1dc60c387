"""The progress bar of work that Keras's own does not show."""

import os
import sys

from tqdm import tqdm


def is_terminal(stream):
    """Return whether a bar can be drawn on a stream: a terminal that can go back in a line."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


def bar(iterable, progress, description, unit, total=None):
    """Return `iterable` with a bar on stderr, shown on a terminal after a second of work.

    Args:
        iterable: what is worked through.
        progress: bool, whether to show the bar at all.
        description: str, what is done.
        unit: str, what is counted.
        total: int or None, how many there are.
    """
    shown = progress and is_terminal(sys.stderr)
    return tqdm(
        iterable,
        desc=description,
        unit=unit,
        total=total,
        delay=1.0,
        leave=False,
        file=sys.stderr,
        disable=not shown,
    )
