"""Counter-based random numbers: each draw is a function of (seed, row, sample) and nothing else.

Threefry-2x32 with 20 rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3",
https://doi.org/10.1145/2063384.2063405), in operators that every export format has, so that a
seed gives the same numbers in Keras, SavedModel, TFLite and ONNX, whatever the batch size.
"""

import math
import secrets

import numpy as np
from keras import ops

from keras_vae import checks

__all__ = ["bits", "derived", "fresh_seed", "normals", "row_seeds", "threefry2x32", "uniforms"]

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_WORD = 0xFFFFFFFF

# The second key word: draws for different purposes never share numbers.
LATENT, PRIOR, PRIOR_UNIFORM, PIXELS, ROWS, DERIVED = range(6)
MOMENTA, ACCEPTED, PILOT_MOMENTA, PILOT_ACCEPTED, CLASSES = range(6, 11)


def threefry2x32(key, counter):
    """Encrypt two 32-bit counter words with two 32-bit key words by Threefry-2x32-20.

    Args:
        key: pair of uint32 tensors or NumPy arrays, of shapes that broadcast with `counter`.
        counter: pair of the same kind.

    Returns:
        A pair of the same kind and the broadcast shape.

    Reference:
        Salmon et al. 2011, section 4.3.
    """
    # Operators rather than `ops.add`, which turns some sums into a bias op that TFLite lacks for
    # unsigned integers.
    schedule = (*key, key[0] ^ key[1] ^ np.uint32(_PARITY))
    x0, x1 = counter[0] + key[0], counter[1] + key[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = _rotate_left(x1, rotation) ^ x0
        x0 = x0 + schedule[(group + 1) % 3]
        x1 = x1 + schedule[(group + 2) % 3] + np.uint32(group + 1)
    return x0, x1


def row_seeds(seed, num_rows, first_row=0):
    """Return the int32 row seeds of a seed: row i is a function of (seed, i) alone.

    The rows of one seed are all different, up to 2**32 of them.

    Args:
        seed: int of up to 64 bits.
        num_rows: int >= 0.
        first_row: int >= 0, the index of the first row.

    Output shape:
        `(num_rows,)`, a NumPy array of int32.

    Example:

    >>> bool(row_seeds(7, 3)[1] == row_seeds(7, 1, first_row=1)[0])
    True
    """
    offset, stride = _spread(check_seed(seed))
    rows = np.arange(first_row, first_row + num_rows, dtype=np.uint64).astype(np.uint32)
    return (offset + stride * rows).view(np.int32)


def row_seeds_at(seed, rows):
    """Return the row seeds of `row_seeds` for an int32 tensor of row indices, in the graph.

    Args:
        seed: int of up to 64 bits.
        rows: int32 tensor of any shape, the indices of rows.
    """
    offset, stride = _spread(seed)
    return ops.cast(offset + stride * ops.cast(rows, "uint32"), "int32")


def as_row_seeds(seed, num_rows):
    """Return row seeds from what a user gives as `seed`.

    Args:
        seed: None (a fresh seed), an int, or a list or array of `num_rows` int32 row seeds.
        num_rows: int, the number of rows.

    Output shape:
        `(num_rows,)`, int32.

    Raises:
        ValueError: if it is none of these.
    """
    if seed is None:
        seed = fresh_seed()
    if np.ndim(seed) == 0:
        return row_seeds(seed, num_rows)
    seeds = np.asarray(seed)
    fits = seeds.shape == (num_rows,) and seeds.dtype.kind in "iu"
    if not fits or not np.array_equal(seeds, seeds.astype(np.int32)):
        raise ValueError(
            checks.message(
                f"`seed` must be an integer, or {num_rows} int32 row seeds",
                f"an array of shape {seeds.shape} and type {seeds.dtype}",
            )
        )
    return seeds.astype(np.int32)


def derived(seeds, index):
    """Return other row seeds, a function of each of `seeds` and of `index`.

    Args:
        seeds: int32 array `(B,)`, row seeds.
        index: int >= 0.

    Output shape:
        `(B,)`, a NumPy array of int32.
    """
    words = np.asarray(seeds, np.int32).view(np.uint32)
    streams, indices = np.full_like(words, DERIVED), np.full_like(words, index)
    first, _ = threefry2x32((words, streams), (indices, np.zeros_like(words)))
    return first.view(np.int32)


def check_seed(seed):
    """Return `seed` as an int, or raise `ValueError` if it is no integer of 64 bits.

    Args:
        seed: what a user gives as a seed.
    """
    expectation = "`seed` must be an integer of 64 bits"
    if isinstance(seed, np.generic | np.ndarray):
        seed = seed.item()
    if not isinstance(seed, int) or isinstance(seed, bool) or not -(2**63) <= seed < 2**64:
        raise ValueError(checks.message(expectation, f"seed={seed!r}"))
    return seed


def fresh_seed():
    """Return a seed from the operating system's entropy."""
    return secrets.randbits(63)


def uniforms(seeds, dim, samples=0, stream=PIXELS):
    """Draw float32 numbers from the open interval (0, 1).

    Args:
        seeds: int32 tensor `(B,)`, the row seeds.
        dim: int >= 1, the numbers per row and sample.
        samples: int or int32 tensor `(K,)`, the indices of the samples to draw.
        stream: int, the purpose of the draw.

    Output shape:
        `(B, dim)` for an int, `(K, B, dim)` for a tensor of indices.
    """
    return _interleave(_uniform_pairs(seeds, dim, samples, stream), dim)


def normals(seeds, dim, samples=0, stream=LATENT):
    """Draw float32 numbers from the standard normal distribution, by Box and Muller's transform.

    Args:
        seeds: int32 tensor `(B,)`, the row seeds.
        dim: int >= 1, the numbers per row and sample.
        samples: int or int32 tensor `(K,)`, the indices of the samples to draw.
        stream: int, the purpose of the draw.

    Output shape:
        `(B, dim)` for an int, `(K, B, dim)` for a tensor of indices.

    Example:

    >>> normals(row_seeds(7, 4), dim=3).shape
    TensorShape([4, 3])
    """
    first, second = _uniform_pairs(seeds, dim, samples, stream)
    radius = ops.sqrt(-2.0 * ops.log(first))
    angle = 2.0 * math.pi * second
    return _interleave([radius * ops.cos(angle), radius * ops.sin(angle)], dim)


def bits(seeds, dim, samples=0, stream=PIXELS):
    """Return the pairs of uint32 words behind `uniforms` and `normals`.

    Dimension d of row b and sample k comes from word d % 2 of
    `threefry2x32(key=(seeds[b], stream), counter=(d // 2, k))`.

    Args:
        seeds: int32 tensor `(B,)`, row seeds.
        dim: int >= 1, the numbers of a row.
        samples: int, or int32 tensor `(K,)` of indices of draws.
        stream: int, what the draws are for.

    Output shape:
        two tensors of `(B, ceil(dim / 2))` or `(K, B, ceil(dim / 2))`.
    """
    pairs = ops.cast(np.arange((dim + 1) // 2, dtype=np.uint32)[None, :], "uint32")
    rows = ops.cast(seeds, "uint32")[:, None]
    sample = ops.cast(samples, "uint32")
    if len(sample.shape):
        sample = sample[:, None, None]
    # Zeros of the whole shape, since some runtimes cannot broadcast unsigned integers.
    zeros = ops.zeros_like(rows + pairs + sample)
    key = (zeros + rows, zeros + np.uint32(stream))
    return threefry2x32(key, (zeros + pairs, zeros + sample))


def _uniform_pairs(seeds, dim, samples, stream):
    # 23 bits and a half: exact in float32, never 0 and never 1.
    def to_uniform(words):
        high = ops.cast(ops.cast(_shift_right(words, 9), "int32"), "float32")
        return (high + 0.5) * 2.0**-23

    return [to_uniform(words) for words in bits(seeds, dim, samples, stream)]


def _interleave(pair, dim):
    """Return the numbers of two tensors by turns along the last axis, the first `dim` of them."""
    *batch, _ = ops.shape(pair[0])
    return ops.reshape(ops.stack(pair, axis=-1), (*batch, 2 * ((dim + 1) // 2)))[..., :dim]


def _rotate_left(x, distance):
    # TFLite has no left shift of unsigned words; a product wraps around in the same way.
    return x * np.uint32(1 << distance) + _shift_right(x, 32 - distance)


def _shift_right(x, distance):
    if isinstance(x, np.ndarray):
        return x >> np.uint32(distance)
    return ops.right_shift(x, ops.convert_to_tensor(np.uint32(distance)))


def _spread(seed):
    """Return the offset and the odd stride by which a seed spreads its rows over the words."""
    key = [np.array([word], np.uint32) for word in (seed & _WORD, (seed >> 32) & _WORD)]
    counter = [np.array([word], np.uint32) for word in (0, ROWS)]
    offset, stride = threefry2x32(key, counter)
    return offset[0], stride[0] | np.uint32(1)
