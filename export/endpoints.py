"""What every exported file can do: plain functions over a VAE, by name."""

import numpy as np
import tensorflow as tf
from keras import ops

from export.formats import ENDPOINTS, LABEL
from export.labels import Labels
from keras_vae import random
from keras_vae.semi_supervised import SemiSupervisedVAE

# The draws behind a score are those of the first row of this seed, for every row.
SCORE_SEED = 0


def functions(vae, plan):
    """Return the endpoints of a VAE as functions of tensors that give a dict of tensors.

    The image is the mean of p(x|z), never its parameters. Each row of a batch depends on its own
    inputs alone. A `label` is for a VAE that takes labels, and may be left out of eager calls.

    Args:
        vae: `keras_vae.VAE`, built.
        plan: `export.plan.Plan`, which tells the endpoints, and whether images are integers.

    Returns:
        dict from name to function, with the names of inputs and outputs of `ENDPOINTS`.
    """

    noise = _score_noise(vae.latent_dim, plan.num_samples)

    def pixels(image):
        return _as_uint8(image) if plan.uint8 else image

    def decode(z, label=None):
        return {"image": pixels(vae.decode(z, label))}

    def encode(image, label=None):
        posterior = vae.encode(image, label=label)
        return {"z_mean": posterior.z_mean, "z_log_var": posterior.z_log_var}

    def reconstruct(image, label=None):
        return {"image": pixels(vae.reconstruct(image, label))}

    def generate(seed, temperature, label=None):
        z = vae.prior.sample_rows(seed, temperature)
        return {"image": pixels(vae.decode(z, vae.drawn_labels(label, seed))), "z": z}

    def score(image, label=None):
        terms = vae.terms(image, noise, label=label)
        parts = {"reconstruction_loss": terms.reconstruction_loss, "kl_loss": terms.kl_estimate}
        outputs = {"negative_elbo": parts["reconstruction_loss"] + parts["kl_loss"], **parts}
        return outputs if plan.detector is None else {**outputs, **_decision(plan, outputs)}

    def decode_png(z, label=None):
        image = _as_uint8(vae.decode(z, label))
        return {"image_bytes": tf.map_fn(tf.io.encode_png, image, fn_output_signature=tf.string)}

    found = {
        function.__name__: function
        for function in (decode, encode, reconstruct, generate, score, decode_png)
    }
    return {name: found[name] for name in plan.endpoints}


def input_types(vae):
    """Return the shape of one row and the dtype of each input, by its name.

    Args:
        vae: `keras_vae.VAE`, built.
    """
    labels = labels_of(vae)
    return {
        "z": ((vae.latent_dim,), "float32"),
        "image": (tuple(vae.event_shape), "float32"),
        "seed": ((), "int32"),
        "temperature": ((), "float32"),
        **({LABEL: (labels.row_shape, labels.dtype)} if labels else {}),
    }


def labels_of(vae):
    """Return the `Labels` that a VAE takes, or None if it takes none."""
    if not vae.takes_labels:
        return None
    if not vae.num_classes:
        # No vector stands for none.
        return Labels(None, vae.condition_dim, tuple(ENDPOINTS))
    # Its decoder has never seen an example without a class: one is drawn, or read off the image,
    # where there is what to do it with.
    is_drawn = isinstance(vae, SemiSupervisedVAE)
    needed_by = [
        name
        for name, row in ENDPOINTS.items()
        if not vae.label_drop and not (is_drawn and row.inputs != ("z",))
    ]
    return Labels(vae.num_classes, None, tuple(needed_by))


def signature(vae, endpoint, batch_size):
    """Return the `tf.TensorSpec`s of an endpoint's inputs; a batch size of None leaves it open."""
    types = input_types(vae)
    return [
        tf.TensorSpec((batch_size, *types[key][0]), types[key][1], name=key)
        for key in ENDPOINTS[endpoint].takes(LABEL in types)
    ]


def _decision(plan, outputs):
    """Return the score of a detector, its threshold, and 1 where the score lies above it."""
    value = plan.detector.score_.from_graph(outputs)
    threshold = ops.zeros_like(value) - plan.detector.threshold_
    decided = ops.cast(value > threshold, "float32")
    return {"anomaly_score": value, "threshold": threshold, "is_anomaly": decided}


def _as_uint8(image):
    # Rounded by hand: runtimes do not agree on the rounding of halves.
    return ops.cast(ops.floor(ops.clip(image, 0.0, 1.0) * 255.0 + 0.5), "uint8")


def _score_noise(latent_dim, num_samples):
    """Return the constant draws `(K, 1, D)`, which every row shares."""
    seeds = random.row_seeds(SCORE_SEED, 1)
    samples = np.arange(num_samples, dtype=np.int32)
    return ops.convert_to_numpy(random.normals(seeds, latent_dim, samples))
