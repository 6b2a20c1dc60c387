"""Larger images from small ones, by what a VAE has learnt."""

import numpy as np
from keras import ops

from keras_vae import random
from keras_vae.bounds import draws_that_fit
from keras_vae.checks import integer, message, number
from keras_vae.training.ascent import climb

_LEARNING_RATE = 0.1
_TURNS = 30


def upscale(vae, small, steps=200, deviation=0.05, starts=4, seed=None):
    """Return images of the model's size whose blocks have the pixels of small ones as means.

    It looks for the z of the highest posterior density given the small image, whose pixels are
    the means of blocks of the large one and normal noise, and spreads evenly over a block what
    its mean lacks then.

    Args:
        vae: `VAE` of images in [0, 1].
        small: array `(N, h, w, C)`, of which the model's size is a multiple.
        steps: int >= 1, of Adam on z.
        deviation: float > 0, the standard deviation of the noise.
        starts: int >= 1, draws of the prior to start from; the best result counts.
        seed: None, int, or N row seeds (int32).

    Output shape:
        `(N, H, W, C)`, a NumPy array of float32.

    Raises:
        ValueError: if the sizes do not fit, or an argument is out of its range.
    """
    integer("steps", steps, 1)
    integer("starts", starts, 1)
    number("deviation", deviation, above=0)
    small = np.asarray(small, "float32")
    factor = factor_of(vae.event_shape, small.shape[1:])
    if not len(small) or not (np.isfinite(small).all() and 0 <= small.min() <= small.max() <= 1):
        received = f"values from {small.min():g} to {small.max():g}" if len(small) else "none"
        raise ValueError(message("`small` must hold images in [0, 1]", received))
    seeds = random.as_row_seeds(seed, len(small))
    rows = max(1, draws_that_fit(vae) // starts)
    found = [
        _upscale(vae, small[i : i + rows], factor, seeds[i : i + rows], steps, deviation, starts)
        for i in range(0, len(small), rows)
    ]
    return np.concatenate(found)


def factor_of(event_shape, small_shape):
    """Return how many pixels of the model's images make one of a small image, down and across.

    Raises:
        ValueError: if it is not the same whole number.
    """
    event_shape, small_shape = tuple(event_shape), tuple(small_shape)
    sizes = list(zip(event_shape[:2], small_shape[:2], strict=False))
    fits = len(event_shape) == len(small_shape) == 3 and event_shape[2] == small_shape[2]
    if fits and all(large % side == 0 for large, side in sizes if side):
        factors = {large // side for large, side in sizes if side}
        if len(factors) == 1 and min(factors) > 1:
            return factors.pop()
    raise ValueError(
        message(
            f"Small images must be a whole part of the model's size {event_shape}, the same down "
            "and across, with as many channels",
            f"images of shape {small_shape}",
            "Give images of half, a third or a quarter of its sides.",
        )
    )


def shrink(images, factor):
    """Return the means of square blocks of images, `(N, H / factor, W / factor, C)`.

    Args:
        images: array `(N, H, W, C)`.
        factor: int >= 2, which divides both sides.
    """
    _, height, width, channels = images.shape
    blocks = (-1, height // factor, factor, width // factor, factor, channels)
    return ops.mean(ops.reshape(images, blocks), axis=(2, 4))


def _log_density(vae, z, data):
    """Return log p(z) and that of small images given z, but for a constant, `(B,)`."""
    wanted, deviation = data
    images = vae.decode(z)
    factor = images.shape[1] // wanted.shape[1]
    missed = (shrink(images, factor) - wanted) / deviation
    return vae.prior.log_prob(z[None])[0] - 0.5 * ops.sum(ops.square(missed), axis=(1, 2, 3))


def _upscale(vae, small, factor, seeds, steps, deviation, starts):
    each = np.stack([np.asarray(random.derived(seeds, i)) for i in range(starts)])
    z = vae.prior.sample_rows(each.reshape(-1), np.ones(each.size, "float32"))
    wanted = ops.convert_to_tensor(np.tile(small, (starts, 1, 1, 1)))
    data = wanted, ops.array(deviation, "float32")
    z = climb(_log_density, vae, z, data, ops.array(steps), _LEARNING_RATE)
    densities = ops.convert_to_numpy(_log_density(vae, z, data)).reshape(starts, -1)
    best = densities.argmax(axis=0)
    z = ops.convert_to_numpy(z).reshape(starts, len(small), -1)[best, np.arange(len(small))]
    images = ops.convert_to_numpy(vae.decode(z))
    # In turns, since what is cut off at 0 and 1 is lacking again.
    for _ in range(_TURNS):
        lacking = small - ops.convert_to_numpy(shrink(images, factor))
        images = np.clip(images + lacking.repeat(factor, axis=1).repeat(factor, axis=2), 0.0, 1.0)
    return images
