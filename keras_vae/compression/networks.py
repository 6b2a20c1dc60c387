"""What a coder asks a VAE: distributions as tables of whole numbers, the same ones each time.

The last bits of a matrix product depend on the number of rows, so that all batches have as many.
"""

import hashlib
import json
import math

import keras
import numpy as np
from keras import ops

from keras_vae.checks import message

_MOST_ROWS, _TABLE_NUMBERS = 64, 1 << 24
_MOST_LEVELS = 1 << 16
# The distance of two values of z, and how far from 0 they reach. Each of them has a probability of
# at least 2^-24 to be drawn, whatever q(z|x): of 2^13 values that cost 2 % of a rate.
STEP, FARTHEST = 2.0**-6, 6.0


class Networks:
    """The networks of a VAE of images, for a coder.

    Args:
        vae: `VAE`.
        rows: int >= 1, the rows of each batch; None for as many as memory allows.

    Raises:
        ValueError: if it is of something else than images.
    """

    def __init__(self, vae, rows=None):
        if vae.likelihood.columns is not None or len(vae.event_shape) != 3:
            raise ValueError(message("A model of images can compress", "one of other examples"))
        self.vae = vae
        self.event_shape = tuple(vae.event_shape)
        numbers = math.prod(self.event_shape) * (vae.likelihood.levels or 1)
        self.rows = rows or max(1, min(_MOST_ROWS, _TABLE_NUMBERS // numbers))

    def posterior(self, x):
        """Return centre and deviation of z for x `(B, *event)`, in steps, B at most `rows`."""
        q = self.vae.encode(self._filled(x))
        mean = _finite(q.z_mean)[: len(x)].astype("float64")
        deviation = np.exp(0.5 * _finite(q.z_log_var)[: len(x)].astype("float64"))
        return np.clip(mean, -FARTHEST, FARTHEST) / STEP, deviation / STEP

    def params(self, z):
        """Return the decoder's output for z `(B, D)`, B at most `rows`, float32."""
        return self.vae.params(self._filled(z))[: len(z)]

    def level_probs(self, z):
        """Return the probability of each value of each pixel, `(B * pixels, levels)` float32."""
        probs = self.vae.likelihood.level_probs(self.params(z))
        return _finite(probs).reshape(-1, self.vae.likelihood.levels)

    def _filled(self, rows):
        """Return rows `(B, ...)` and as many of zeros as there must be."""
        filled = np.zeros((self.rows, *rows.shape[1:]), "float32")
        filled[: len(rows)] = rows
        return filled


def check_levels(likelihood):
    """Raise `ValueError` if pixels have no levels, or too many."""
    if not likelihood.levels or likelihood.levels > _MOST_LEVELS:
        raise ValueError(
            message(
                f"`likelihood` must be one of pixels of at most {_MOST_LEVELS:,} levels, to "
                "compress without loss",
                f"{type(likelihood).__name__} of {likelihood.levels or 'no'} levels",
                "Train with --likelihood discretized_logistic, or bernoulli for binary pixels; or "
                "compress with loss, with --bits-per-pixel.",
            )
        )


def symbols_of(likelihood, x):
    """Return the places of pixels among the values that they can have, int32.

    Raises:
        ValueError: if a pixel has none of them.
    """
    likelihood.check_values(x)
    top, highest = likelihood.levels - 1, likelihood.level_values()[-1]
    symbols = np.rint(x / highest * top)
    odd = np.abs(symbols / top * highest - x) > 1e-4 / top
    if odd.any():
        fix = "Compress with --binarize what the model sees, without its greys."
        raise ValueError(
            message(
                f"A pixel must have one of the {likelihood.levels} values that the model codes",
                f"{x[odd][0]:g}",
                fix if likelihood.is_binary else "Give images as they are, not smoothed ones.",
            )
        )
    return symbols.astype("int32")


def model_hash(vae):
    """Return the SHA-256 of a model: its networks and parts, whatever they are called, and its
    weights.
    """
    parts = (vae.encoder, vae.decoder, vae.likelihood, vae.prior, vae.posterior)
    config = [keras.saving.serialize_keras_object(part) for part in parts]
    names = {}
    _collect_names(config, names)
    text = json.dumps(_renamed(config, names), sort_keys=True, default=lambda one: str(type(one)))
    digest = hashlib.sha256(text.encode())
    for weight in vae.get_weights():
        digest.update(f"{weight.dtype} {weight.shape}".encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def _collect_names(config, names):
    """Number the names of layers, which count what a process has built before."""
    if isinstance(config, dict):
        if isinstance(config.get("name"), str):
            names.setdefault(config["name"], f"name {len(names)}")
        config = list(config.values())
    if isinstance(config, (list, tuple)):
        for one in config:
            _collect_names(one, names)


def _renamed(config, names):
    if isinstance(config, dict):
        return {key: _renamed(value, names) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [_renamed(value, names) for value in config]
    return names.get(config, config) if isinstance(config, str) else config


def _finite(values):
    """Return values as an array, or raise `ValueError` if one is no number."""
    values = ops.convert_to_numpy(values)
    if not np.isfinite(values).all():
        raise ValueError(
            message(
                "The model must give numbers",
                "NaN or infinity",
                "Its weights are not finite, or too large: train it again, with a lower learning "
                "rate.",
            )
        )
    return values
