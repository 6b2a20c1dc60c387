"""What an export says of the model that it was made from."""

import contextlib
import hashlib
import importlib.metadata

import keras
import numpy as np

from export import endpoints
from keras_vae.columns import config

FORMAT = "keras_vae export"
FORMAT_VERSION = 1
_PACKAGES = (
    "keras-vae",
    "keras",
    "tensorflow",
    "numpy",
    "ai-edge-litert",
    "litert-quantizer",
    "tf2onnx",
    "onnx",
    "onnxruntime",
)
_PARTS = ("encoder", "decoder", "classifier", "likelihood", "prior", "posterior")


def describe(vae, plan, about=None):
    """Return the metadata that every file of an export carries.

    Args:
        vae: `keras_vae.VAE`, built.
        plan: `export.plan.Plan`.
        about: None, or a dict of what the VAE does not know: `name`, `data_set`, `labels`.

    Raises:
        ValueError: if `about` has other keys.
    """
    if not isinstance(about or {}, dict):
        raise ValueError(f"`about` must be a dict or None. Received: about={about!r}.")
    about = dict(about or {})
    unknown = about.keys() - {"name", "data_set", "labels"}
    if unknown:
        raise ValueError(
            "`about` must hold name, data_set and labels alone. "
            f"Received: {', '.join(sorted(unknown))}."
        )
    texts = (about.get("name"), about.get("data_set"), *(about.get("labels") or ()))
    if not all(isinstance(text, str | None) for text in texts):
        raise ValueError(f"`about` must hold texts. Received: about={about!r}.")
    columns, labels = vae.likelihood.columns, endpoints.labels_of(vae)
    _check_names(about.get("labels"), labels)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "name": about.get("name"),
        "latent_dim": vae.latent_dim,
        "image_shape": list(vae.event_shape),
        "num_classes": labels and labels.num_classes,
        "condition_dim": labels and labels.condition_dim,
        "label_needed_by": labels and list(labels.needed_by),
        "image_range": None if columns else [0, 1],
        "columns": columns and config(columns),
        "output_range": _output_range(vae, plan),
        "likelihood": _part(vae.likelihood),
        "prior": _part(vae.prior),
        "posterior": _part(vae.posterior),
        "score": {"num_samples": plan.num_samples, "seed": endpoints.SCORE_SEED},
        "detector": plan.detector
        and {
            "criterion": plan.detector.criterion,
            "threshold": -plan.detector.threshold_,
        },
        "data_set": about.get("data_set"),
        "labels": list(about["labels"]) if about.get("labels") else None,
        "weights_sha256": weights_sha256(vae),
        "versions": _versions(),
    }


def _check_names(names, labels):
    """Refuse names of classes that are more or fewer than the classes of labels."""
    wanted = labels and labels.num_classes
    if names and wanted and len(names) != wanted:
        raise ValueError(
            f"`about` must name {wanted} labels, those of the classes 0 to {wanted - 1}. "
            f"Received: {len(names)} names."
        )


def _output_range(vae, plan):
    """Return the limits of the images that come out, or None where the mean has none."""
    if plan.uint8:
        return [0, 255]
    limits = vae.likelihood.mean_range
    return None if limits is None else list(limits)


def _versions():
    """Return the versions of the packages that had a hand in it, as far as they are installed."""
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def weights_sha256(vae):
    """Return the SHA-256 of all that the endpoints compute with, in a fixed order."""
    total = hashlib.sha256()
    for part in _PARTS:
        # Most have no classifier.
        for weight in getattr(getattr(vae, part, None), "weights", ()):
            value = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
            total.update(f"{part} {value.dtype} {value.shape}\n".encode())
            total.update(value.tobytes())
    return total.hexdigest()


def _part(part):
    """Return the class and the arguments of a likelihood, a prior or a posterior."""
    ignored = ("name", "trainable", "dtype")
    config = {key: value for key, value in part.get_config().items() if key not in ignored}
    return {"class": type(part).__name__, **config}
