"""What an export says of the model that it was made from."""

import hashlib
import importlib.metadata

import keras
import numpy as np

from export import endpoints

FORMAT = "keras_vae export"
FORMAT_VERSION = 1
_PACKAGES = ("keras-vae", "keras", "tensorflow", "numpy", "ai-edge-litert")
_PARTS = ("encoder", "decoder", "likelihood", "prior", "posterior")


def describe(vae, plan, about=None):
    """Return the metadata that every file of an export carries.

    Args:
        vae: `keras_vae.VAE`, built.
        plan: `export.plan.Plan`.
        about: None, or a dict of what the VAE does not know: `name`, `data_set`, `labels`.

    Raises:
        ValueError: if `about` has other keys.
    """
    about = dict(about or {})
    unknown = about.keys() - {"name", "data_set", "labels"}
    if unknown:
        raise ValueError(
            "`about` must hold name, data_set and labels alone. "
            f"Received: {', '.join(sorted(unknown))}."
        )
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": about.get("name"),
        "latent_dim": vae.latent_dim,
        "image_shape": list(vae.event_shape),
        "image_range": [0, 255] if plan.uint8 else [0, 1],
        "image_dtype": "uint8" if plan.uint8 else "float32",
        "likelihood": _part(vae.likelihood),
        "prior": _part(vae.prior),
        "posterior": _part(vae.posterior),
        "score": {"num_samples": plan.num_samples, "seed": endpoints.SCORE_SEED},
        "data_set": about.get("data_set"),
        "labels": about.get("labels"),
        "weights_sha256": weights_sha256(vae),
        "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def weights_sha256(vae):
    """Return the SHA-256 of all that the endpoints compute with, in a fixed order."""
    total = hashlib.sha256()
    for part in _PARTS:
        for weight in getattr(vae, part).weights:
            value = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
            total.update(f"{part} {value.dtype} {value.shape}\n".encode())
            total.update(value.tobytes())
    return total.hexdigest()


def _part(part):
    """Return the class and the arguments of a likelihood, a prior or a posterior."""
    ignored = ("name", "trainable", "dtype")
    config = {key: value for key, value in part.get_config().items() if key not in ignored}
    return {"class": type(part).__name__, **config}
