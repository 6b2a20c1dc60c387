"""The examples that an export is calibrated and compared with."""

from typing import NamedTuple

import numpy as np

from export import endpoints, rows
from export.errors import message
from export.formats import ENDPOINTS

_SEED = 11
# What is kept apart for the comparison with the Keras model, at most.
_HELD_OUT = 64
# Enough that the ranges of a decoder no longer widen; a few seconds of work.
_EXAMPLES = 500


class Calibration(NamedTuple):
    """Inputs of every kind, `(N, ...)` each.

    `image` is None where no images were given, and `label` where the VAE takes none.
    """

    z: np.ndarray
    seed: np.ndarray
    temperature: np.ndarray
    image: np.ndarray | None
    label: np.ndarray | None = None

    def batches(self, endpoint, batch_size):
        """Return inputs of an endpoint, a list of dicts of arrays of `batch_size` rows."""
        names = ENDPOINTS[endpoint].takes(self.label is not None)
        arrays = {name: getattr(self, name) for name in names}
        count = max(1, min(map(len, arrays.values())) // batch_size)
        return [
            {
                name: np.resize(value, (count * batch_size, *value.shape[1:]))[start:][:batch_size]
                for name, value in arrays.items()
            }
            for start in range(0, count * batch_size, batch_size)
        ]


def collect(vae, images, label=None):
    """Return the examples for a VAE: z of the prior and, given images, of their posteriors.

    Args:
        vae: `keras_vae.VAE`, built.
        images: None, or a float array `(N, *event)`.
        label: None, or the labels of the images.
    """
    seeds = rows.row_seeds(_SEED, _EXAMPLES)
    ones = np.ones(_EXAMPLES, np.float32)
    z = np.asarray(vae.prior.sample_rows(seeds, ones))
    if images is not None:
        z = np.concatenate([z, posterior_draws(vae, images, label)])
    # As of `decode`, which takes no label that its network has not seen.
    return Calibration(z, seeds, ones, images, labels_to_try(vae, label, len(z), "decode"))


def posterior_draws(vae, images, label=None):
    """Return a draw of z from q(z|x) of each image, or q(z|x, label), by a fixed seed."""
    if label is None:
        label = labels_to_try(vae, None, len(images), "encode")
    noise = np.random.default_rng(_SEED).standard_normal((1, len(images), vae.latent_dim))
    z, _ = vae.posterior.sample(vae.encode(images, label=label), noise.astype(np.float32))
    return np.asarray(z)[0]


def labels_to_try(vae, given, count, endpoint):
    """Return `count` labels for an endpoint, or None for a VAE that takes none.

    Every class has its turn; of vectors those that were given do, whose scale nobody knows.
    """
    labels = endpoints.labels_of(vae)
    if labels is None:
        return None
    if given is None or labels.num_classes:
        return labels.examples(count, endpoint)
    return np.resize(given, (count, *labels.row_shape))


def split(images):
    """Return the images, or their labels, to calibrate with, and those to compare on."""
    if images is None:
        return None, None
    held_out = max(1, min(_HELD_OUT, len(images) // 4))
    return (images[:-held_out] if len(images) > 1 else images), images[-held_out:]


def examples_of(data, vae, count=_EXAMPLES + _HELD_OUT):
    """Return up to `count` images of what a user gives as `data`, and their labels.

    Args:
        data: None; an array `(N, *event)`; batches of x, or of tuples that begin with x; or
            what `keras_vae.data.load` gives, of which the training images are taken.
        vae: `keras_vae.VAE`, built.
        count: int >= 1.

    Returns:
        An array `(N, *event)` or None; and N labels, or None where there are none or the VAE takes
        none.

    Raises:
        ValueError: if images or labels do not fit the model, or there are no images.
    """
    if data is None:
        return None, None
    data, has_labels = getattr(data, "train", data), endpoints.labels_of(vae) is not None
    try:
        batches = [(data[:count], None)] if getattr(data, "shape", ()) else _firsts(data, count)
        arrays, labels = [], []
        for x, y in batches:
            arrays.append(np.asarray(x, np.float32))
            labels += [np.atleast_1d(y)] if has_labels and y is not None else []
    except (TypeError, ValueError) as error:
        expected = "`data` must be an array of images, batches of them, or what load gives"
        raise ValueError(message(expected, f"{type(data).__name__} ({error})")) from error
    images = _check_images(arrays if all(array.ndim for array in arrays) else [], vae, count)
    if not has_labels or len(labels) < len(arrays):
        return images, None
    return images, vae.labels(np.concatenate(labels)[:count], len(images))


def _check_images(arrays, vae, count):
    """Return batches of images as one array of up to `count`, or raise `ValueError`."""
    event_shape = vae.event_shape
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
    """Yield x, and y or None, of the first batches of a data set, until there are `count`."""
    for batch in dataset:
        x, y, *_ = (*batch, None) if isinstance(batch, (tuple, list)) else (batch, None)
        yield x, y
        count -= len(x)
        if count <= 0:
            return
