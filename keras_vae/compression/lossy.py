"""Coding with loss: z in steps, whose size sets the rate, and its decoded image."""

import math

import constriction
import numpy as np
from keras import ops

from keras_vae.checks import message, number
from keras_vae.compression.networks import Networks
from keras_vae.parts import in_parts

# How far symbols reach.
_FARTHEST = 4096
_HALVINGS = 40
_ROWS = 64
_LEAST_SPREAD = 1e-3


class Steps:
    """Code blocks of images by their z, each number of it in steps.

    Args:
        vae: `VAE`.
        step: float > 0, the distance of two values of z.
        center, spread: `(D,)` arrays, mean and standard deviation of z, which the coder assumes
            to be normal.
    """

    def __init__(self, vae, step, center, spread):
        self._networks, self._vae = Networks(vae, _ROWS), vae
        self._step = number("step", step, above=0)
        self._center, self._spread = (np.asarray(part, "float64") for part in (center, spread))
        self._stack = constriction.stream.stack.AnsCoder
        self._normal = constriction.stream.model.QuantizedGaussian(-_FARTHEST, _FARTHEST)

    def encode(self, x):
        """Return the bytes of a block.

        Args:
            x: array `(N, *event)`.
        """
        self._vae.likelihood.check_values(x)
        z = in_parts(self._vae.embed, x, _ROWS).astype("float64")
        symbols = _symbols(z, self._step, self._center)
        stack = self._stack()
        stack.encode_reverse(symbols.reshape(-1), self._normal, *self._model(len(x)))
        return np.uint32(len(x)).tobytes() + stack.get_compressed().astype("<u4").tobytes()

    def decode(self, payload):
        """Return the images that are in the place of those of a block, `(N, *event)` float32."""
        count = int(np.frombuffer(payload, "<u4", 1)[0])
        stack = self._stack(np.frombuffer(payload, "<u4", offset=4).copy())
        symbols = stack.decode(self._normal, *self._model(count)).reshape(count, -1)
        z = (symbols * self._step + self._center).astype("float32")
        return in_parts(self._mean, z, _ROWS)

    def _mean(self, z):
        return self._vae.likelihood.mean(self._networks.params(z))

    def _model(self, count):
        spread = np.tile(self._spread / self._step, count)
        return np.zeros(len(spread)), spread


def fit(vae, x, bits_per_pixel):
    """Return step, center and spread for a rate.

    Args:
        vae: `VAE`.
        x: array `(N, *event)`, images by which they are chosen.
        bits_per_pixel: float > 0.

    Raises:
        ValueError: if z has no steps so fine or so coarse.
    """
    bits_per_pixel = number("bits_per_pixel", bits_per_pixel, above=0)
    vae.likelihood.check_values(x)
    z = in_parts(vae.embed, x, _ROWS).astype("float64")
    center, spread = z.mean(axis=0), np.maximum(z.std(axis=0), _LEAST_SPREAD)
    pixels = float(np.prod(vae.event_shape))

    def rate(step):
        symbols = _symbols(z, step, center)
        scale = spread / step
        chances = _below((symbols + 0.5) / scale) - _below((symbols - 0.5) / scale)
        return -np.log2(np.maximum(chances, 2.0**-24)).sum() / len(z) / pixels

    fine, coarse = (np.log(limit) for limit in (10 * spread.max() / _FARTHEST, 20 * spread.max()))
    most, least = rate(np.exp(fine)), rate(np.exp(coarse))
    if not least < bits_per_pixel < most:
        raise ValueError(
            message(
                f"`bits_per_pixel` must lie between {max(least, 0.0):.4f} and {most:.4f}, what "
                f"{len(center)} numbers of z can take",
                f"bits_per_pixel={bits_per_pixel:g}",
            )
        )
    for _ in range(_HALVINGS):
        middle = 0.5 * (fine + coarse)
        fine, coarse = (middle, coarse) if rate(np.exp(middle)) > bits_per_pixel else (fine, middle)
    return float(np.exp(coarse)), center, spread


def _below(x):
    """Return the distribution function of the standard normal distribution."""
    return 0.5 + 0.5 * ops.convert_to_numpy(ops.erf(ops.convert_to_tensor(x / math.sqrt(2.0))))


def _symbols(z, step, center):
    return np.clip(np.rint((z - center) / step), -_FARTHEST, _FARTHEST).astype("int32")
