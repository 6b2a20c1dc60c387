"""The row seeds of a seed, with NumPy alone: those of `keras_vae.random.row_seeds`.

Threefry-2x32 with 20 rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3",
https://doi.org/10.1145/2063384.2063405).
"""

import numbers
import secrets

import numpy as np

from export.errors import message

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)
_WORD = 0xFFFFFFFF
# The second counter word that sets row seeds apart from every other draw.
_ROWS_STREAM = 4


def threefry2x32(key, counter):
    """Encrypt two 32-bit counter words with two 32-bit key words by Threefry-2x32-20.

    Args:
        key, counter: pairs of uint32 arrays of one shape.

    Returns:
        A pair of uint32 arrays.

    Reference:
        Salmon et al. 2011, section 4.3.
    """
    schedule = (*key, key[0] ^ key[1] ^ _PARITY)
    x0, x1 = counter[0] + key[0], counter[1] + key[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = (x1 << np.uint32(rotation) | x1 >> np.uint32(32 - rotation)) ^ x0
        x0 = x0 + schedule[(group + 1) % 3]
        x1 = x1 + schedule[(group + 2) % 3] + np.uint32(group + 1)
    return x0, x1


def row_seeds(seed, num_rows):
    """Return the int32 row seeds of a seed: row i is a function of (seed, i) alone.

    Args:
        seed: int of up to 64 bits.
        num_rows: int >= 0.

    Output shape:
        `(num_rows,)`, int32.

    Example:

    >>> bool(row_seeds(7, 3)[0] == row_seeds(7, 1)[0])
    True
    """
    key = [np.array([word], np.uint32) for word in (seed & _WORD, (seed >> 32) & _WORD)]
    counter = [np.array([word], np.uint32) for word in (0, _ROWS_STREAM)]
    offset, stride = threefry2x32(key, counter)
    rows = np.arange(num_rows, dtype=np.uint64).astype(np.uint32)
    return (offset + (stride | np.uint32(1)) * rows).view(np.int32)


def as_row_seeds(seed=None, n=None):
    """Return row seeds from what a user gives as `seed`.

    Args:
        seed: None (a fresh seed), an int, or a list or array of int32 row seeds.
        n: None or int >= 1, the number of rows; None for one row, or one for each row seed.

    Output shape:
        `(n,)`, int32.

    Raises:
        ValueError: if `n` is below 1 or is not the number of row seeds, or the seeds are not
            integers of 32 bits.
    """
    if n is not None and (not isinstance(n, numbers.Integral) or isinstance(n, bool) or n < 1):
        raise ValueError(message("`n` must be an integer >= 1", f"n={n!r}"))
    if seed is None:
        seed = secrets.randbits(63)
    if isinstance(seed, numbers.Integral) and not isinstance(seed, bool):
        return row_seeds(int(seed), 1 if n is None else int(n))
    seeds = np.asarray(seed)
    limits = np.iinfo(np.int32)
    if (
        seeds.ndim != 1
        or not np.issubdtype(seeds.dtype, np.integer)
        or len(seeds) != (n or len(seeds) or 1)
        or np.any((seeds < limits.min) | (seeds > limits.max))
    ):
        expected = "one int32 for each row" if n is None else f"{n} int32, one for each row"
        expectation = f"`seed` must be an integer, or {expected}"
        raise ValueError(message(expectation, f"seed={seed!r}"))
    return seeds.astype(np.int32)
