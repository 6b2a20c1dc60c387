"""Draws from a VAE: images to look at, and examples of the distribution that it is."""

import numpy as np
from keras import ops

from keras_vae import random
from keras_vae.checks import integer, message, number

_CHUNK = 512


def generate(vae, n=None, temperature=1.0, seed=None, label=None):
    """Generate images: means of p(x|z) for draws of z from the prior.

    Args:
        vae: `VAE`.
        n: None or int >= 1, how many; None for one, or one for each row seed.
        temperature: float >= 0, or n of them, which scales the spread of the prior; 0 gives
            its centre.
        seed: None, int, or n row seeds (int32). One seed gives the same images here and in
            every exported file.
        label: None, or of a `ConditionalVAE` one label for all, or n of them.

    Output shape:
        `(n, *event)`.

    Raises:
        ValueError: if an argument is out of its range.
    """
    _check_built(vae)
    if n is None:
        n = len(seed) if np.ndim(seed) else 1
    seeds = random.as_row_seeds(seed, integer("n", n, 1))
    for value in np.ravel(temperature):
        number("temperature", value.item(), minimum=0)
    temperature = np.broadcast_to(np.asarray(temperature, "float32"), (n,))
    labels, images = vae.drawn_labels(vae.labels(label, n), seeds), []
    for start in range(0, n, _CHUNK):
        chunk = slice(start, start + _CHUNK)
        z = vae.prior.sample_rows(seeds[chunk], temperature[chunk])
        images.append(vae.decode(z, None if labels is None else labels[chunk]))
    return ops.concatenate(images) if len(images) > 1 else images[0]


def simulate(vae, n, seed=None, label=None):
    """Draw examples from the model: z from the prior, x from p(x|z).

    Args:
        vae: `VAE`.
        n: int >= 1, how many.
        seed: None, int, or n row seeds (int32).
        label: None, or of a `ConditionalVAE` one label for all, or n of them.

    Returns:
        x `(n, *event)` and z `(n, D)`, NumPy arrays.
    """
    _check_built(vae)
    seeds = random.as_row_seeds(seed, integer("n", n, 1))
    labels, drawn = vae.drawn_labels(vae.labels(label, n), seeds), []
    for start in range(0, n, _CHUNK):
        rows = slice(start, start + _CHUNK)
        chunk = seeds[rows]
        z = vae.prior.sample_rows(chunk, np.ones(len(chunk), "float32"))
        params = vae.params(z, None if labels is None else labels[rows])
        drawn.append([vae.likelihood.sample(params, chunk), z])
    return tuple(
        np.concatenate([ops.convert_to_numpy(part) for part in parts])
        for parts in zip(*drawn, strict=True)
    )


def _check_built(vae):
    if not vae.built:
        raise ValueError(
            message(
                "The VAE must know the shape of its data",
                "networks without one",
                "Train it first, or call vae.build((None, *shape_of_an_example)).",
            )
        )
