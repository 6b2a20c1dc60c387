"""Work on many rows a part at a time, which bounds the memory."""

import numpy as np
from keras import ops

_ROWS = 512


def in_parts(function, rows, size=_ROWS):
    """Return what a function of some rows gives for all of them, as one NumPy array.

    Args:
        function: function of rows `(B, ...)` that gives as many, `(B, ...)`.
        rows: array `(N, ...)`, N >= 1.
        size: int >= 1, rows at a time.
    """
    parts = range(0, len(rows), size)
    found = [ops.convert_to_numpy(function(rows[start : start + size])) for start in parts]
    return np.concatenate(found)
