"""The draws of `keras_vae.random` with NumPy alone: row seeds, and z of a standard normal prior.

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
# The word that sets draws apart by their purpose.
_PRIOR_STREAM, _ROWS_STREAM = 1, 4


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


def standard_normal(seeds, dim, temperature=1.0):
    """Return the z of a standard normal prior that every exported `generate` draws.

    Numbers 2i and 2i + 1 of a row come, by Box and Muller's transform, from the two words of
    `threefry2x32(key=(seed, 1), counter=(i, 0))`.

    Args:
        seeds: int32 array `(B,)`, the row seeds.
        dim: int >= 1, the numbers of a row.
        temperature: float >= 0, or an array `(B,)` of them.

    Output shape:
        `(B, dim)`, float32.

    Example:

    >>> standard_normal(row_seeds(7, 2), 3).shape
    (2, 3)
    """
    shape = (len(seeds), (dim + 1) // 2)
    rows = np.broadcast_to(np.asarray(seeds, np.int32).view(np.uint32)[:, None], shape)
    pairs = np.broadcast_to(np.arange(shape[1], dtype=np.uint32), shape)
    key = (rows, np.full(shape, _PRIOR_STREAM, np.uint32))
    first, second = (
        ((word >> np.uint32(9)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-23)
        for word in threefry2x32(key, (pairs, np.zeros(shape, np.uint32)))
    )
    radius = np.sqrt(np.float32(-2.0) * np.log(first))
    angle = np.float32(2.0 * np.pi) * second
    z = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    z = z.reshape(len(seeds), -1)[:, :dim]
    return z * np.broadcast_to(np.asarray(temperature, np.float32), (len(seeds),))[:, None]


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
    try:
        seeds = np.asarray(seed)
    except ValueError:  # Rows of several lengths.
        seeds = np.empty((0, 0))
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
