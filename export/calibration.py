"""The examples that an export is calibrated and compared with."""

from typing import NamedTuple

import numpy as np

from export import rows
from export.errors import message
from export.formats import ENDPOINTS

_SEED = 11
# What is kept apart for the comparison with the Keras model, at most.
_HELD_OUT = 64
# Enough that the ranges of a decoder no longer widen; a few seconds of work.
_EXAMPLES = 500


class Calibration(NamedTuple):
    """Inputs of every kind, `(N, ...)` each; `image` is None where no images were given."""

    z: np.ndarray
    seed: np.ndarray
    temperature: np.ndarray
    image: np.ndarray | None

    def batches(self, endpoint, batch_size):
        """Return inputs of an endpoint, a list of dicts of arrays of `batch_size` rows."""
        arrays = {name: getattr(self, name) for name in ENDPOINTS[endpoint].inputs}
        count = max(1, min(map(len, arrays.values())) // batch_size)
        return [
            {
                name: np.resize(value, (count * batch_size, *value.shape[1:]))[start:][:batch_size]
                for name, value in arrays.items()
            }
            for start in range(0, count * batch_size, batch_size)
        ]


def collect(vae, images):
    """Return the examples for a VAE: z of the prior and, given images, of their posteriors.

    Args:
        vae: `keras_vae.VAE`, built.
        images: None, or a float array `(N, *event)`.
    """
    seeds = rows.row_seeds(_SEED, _EXAMPLES)
    ones = np.ones(_EXAMPLES, np.float32)
    z = np.asarray(vae.prior.sample_rows(seeds, ones))
    if images is not None:
        z = np.concatenate([z, posterior_draws(vae, images)])
    return Calibration(z, seeds, ones, images)


def posterior_draws(vae, images):
    """Return a draw of z from q(z|x) of each image, by a fixed seed."""
    noise = np.random.default_rng(_SEED).standard_normal((1, len(images), vae.latent_dim))
    z, _ = vae.posterior.sample(vae.encode(images), noise.astype(np.float32))
    return np.asarray(z)[0]


def split(images):
    """Return the images to calibrate with, and those to compare on."""
    if images is None:
        return None, None
    held_out = max(1, min(_HELD_OUT, len(images) // 4))
    return (images[:-held_out] if len(images) > 1 else images), images[-held_out:]


def images_of(data, vae, count=_EXAMPLES + _HELD_OUT):
    """Return up to `count` images of what a user gives as `data`, or None.

    Args:
        data: None; an array `(N, *event)`; batches of x, or of tuples that begin with x; or
            what `keras_vae.data.load` gives, of which the training images are taken.
        vae: `keras_vae.VAE`, built.
        count: int >= 1.

    Raises:
        ValueError: if the images do not fit the model, or there are none.
    """
    if data is None:
        return None
    event_shape = vae.event_shape
    data = getattr(data, "train", data)
    try:
        batches = [data[:count]] if getattr(data, "shape", ()) else _firsts(data, count)
        arrays = [np.asarray(batch, np.float32) for batch in batches]
        arrays = arrays if all(array.ndim for array in arrays) else []
    except (TypeError, ValueError) as error:
        expected = "`data` must be an array of images, batches of them, or what load gives"
        raise ValueError(message(expected, f"{type(data).__name__} ({error})")) from error
    images = np.concatenate(arrays)[:count] if arrays else np.empty((0, *event_shape), np.float32)
    legal = np.isfinite(images)
    if vae.likelihood.columns is not None:
        # Of a row of a table NaN is what is missing.
        legal |= np.isnan(images)
    if images.shape[1:] != tuple(event_shape) or not len(images) or not legal.all():
        received = f"shape {images.shape}"
        if not legal.all():
            received = "NaN or infinity"
        expected = ", ".join(("N", *map(str, event_shape)))
        raise ValueError(message(f"`data` must hold finite images ({expected})", received))
    vae.likelihood.check(images)
    return images


def _firsts(dataset, count):
    """Yield x of the first batches of a data set, until there are `count` examples."""
    for batch in dataset:
        x = batch[0] if isinstance(batch, (tuple, list)) else batch
        yield x
        count -= len(x)
        if count <= 0:
            return
