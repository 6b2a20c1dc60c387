"""What a coder asks a VAE: distributions as tables of whole numbers, the same ones each time.

The last bits of a matrix product depend on the number of rows, so that all batches have as many.
"""

import hashlib
import json

import keras
import numpy as np
from keras import ops

from keras_vae.checks import message

ROWS = 64
# The distance of two values of z, and how far from 0 they reach: 2^13 of them.
STEP, FARTHEST = 2.0**-9, 8.0


class Networks:
    """The networks of a VAE, for a coder.

    Args:
        vae: `VAE` of discrete pixels, with a normal q(z|x).

    Raises:
        ValueError: if x can have more than 2^16 values, or q(z|x) is not normal.
    """

    def __init__(self, vae):
        likelihood = vae.likelihood
        if likelihood.columns is not None or len(vae.event_shape) != 3:
            raise ValueError(message("A model of images can compress", "one of other examples"))
        if not vae.posterior.is_gaussian:
            raise ValueError(
                message(
                    "`posterior` must be a normal distribution to be coded with",
                    type(vae.posterior).__name__,
                    "Train with --posterior diagonal_gaussian.",
                )
            )
        self.vae = vae
        self.event_shape = tuple(vae.event_shape)

    def posterior(self, x):
        """Return centre and deviation of z for x `(B, *event)`, in steps, B at most `ROWS`."""
        q = self.vae.encode(_filled(x))
        mean = ops.convert_to_numpy(q.z_mean)[: len(x)].astype("float64")
        deviation = np.exp(0.5 * ops.convert_to_numpy(q.z_log_var)[: len(x)].astype("float64"))
        return np.clip(mean, -FARTHEST, FARTHEST) / STEP, deviation / STEP

    def params(self, z):
        """Return the decoder's output for z `(B, D)`, B at most `ROWS`, float32."""
        params = self.vae.decoder(_filled(z), training=False)
        return ops.cast(params, "float32")[: len(z)]

    def level_probs(self, z):
        """Return the probability of each value of each pixel, `(B * pixels, levels)` float32."""
        probs = self.vae.likelihood.level_probs(self.params(z))
        return ops.convert_to_numpy(probs).reshape(-1, self.vae.likelihood.levels)


def symbols_of(likelihood, x):
    """Return the places of pixels among the values that they can have, int32.

    Raises:
        ValueError: if a pixel has none of them.
    """
    values = likelihood.level_values()
    top = likelihood.levels - 1
    symbols = np.rint(x / values[-1] * top)
    if not np.isfinite(x).all() or np.abs(symbols / top * values[-1] - x).max() > 1e-4 / top:
        odd = x.reshape(-1)[np.abs(symbols / top * values[-1] - x).reshape(-1).argmax()]
        fix = "Compress with --binarize what the model sees, without its greys."
        raise ValueError(
            message(
                f"A pixel must have one of the {likelihood.levels} values that the model codes",
                f"{odd:g}",
                fix if likelihood.is_binary else "Give images as they are, not smoothed ones.",
            )
        )
    return symbols.astype("int32")


def model_hash(vae):
    """Return the SHA-256 of a model: its parts and its weights."""
    digest = hashlib.sha256()
    parts = (vae.likelihood, vae.prior, vae.posterior)
    config = [keras.saving.serialize_keras_object(part) for part in parts]
    digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    for weight in vae.get_weights():
        digest.update(f"{weight.dtype} {weight.shape}".encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def _filled(rows):
    """Return rows `(B, ...)` and as many of zeros as there must be."""
    filled = np.zeros((ROWS, *rows.shape[1:]), "float32")
    filled[: len(rows)] = rows
    return filled
