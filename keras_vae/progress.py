"""The progress bar of work that Keras's own does not show."""

import sys

from tqdm import tqdm


def bar(iterable, progress, description, unit, total=None):
    """Return `iterable` with a bar on stderr, shown on a terminal after a second of work.

    Args:
        iterable: what is worked through.
        progress: bool, whether to show the bar at all.
        description: str, what is done.
        unit: str, what is counted.
        total: int or None, how many there are.
    """
    shown = progress and sys.stderr is not None and sys.stderr.isatty()
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
