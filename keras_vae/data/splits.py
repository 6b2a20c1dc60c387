"""Which images train, validate and test."""

import numpy as np

from keras_vae import checks

# The split has a seed of its own: runs with different shuffle seeds see the same test images.
_SPLIT_SEED = 20_131_220


def count(total, fraction, part):
    """Return how many of `total` images a part gets, or raise if it or the rest is empty.

    Args:
        total: int, images to divide.
        fraction: float in [0, 1).
        part: "validation" or "test".
    """
    taken = round(total * fraction)
    if fraction and not 0 < taken < total:
        raise ValueError(
            checks.message(
                f"Too few examples: `{part}_fraction` must leave at least one for "
                f"{part} and one for training",
                f"{part}_fraction={fraction:g} of {total} examples",
                f"Give more of them or another fraction; {part}_fraction=0 makes no {part} part.",
            )
        )
    return taken


def divide(indices, fraction, part):
    """Return `indices` in two: what remains for training, and the part.

    The choice is random, but the same for the same number of images.

    Args:
        indices: (N,) int64 array.
        fraction: float in [0, 1), the part's share.
        part: "validation" or "test".
    """
    taken = count(len(indices), fraction, part)
    # Only the raw stream of a bit generator is promised not to change between NumPy versions.
    order = np.argsort(np.random.PCG64(_SPLIT_SEED).random_raw(len(indices)), kind="stable")
    return np.sort(indices[order[taken:]]), np.sort(indices[order[:taken]])
