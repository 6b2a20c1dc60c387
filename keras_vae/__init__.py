"""Variational autoencoders for Keras 3: from `model.fit` to the phone.

Importing the package registers its classes, so that `keras.models.load_model` finds them.
"""

import keras

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "keras_vae runs on TensorFlow. Received: the Keras backend "
        f"{keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow before Keras is imported."
    )

from keras_vae import (
    annealing,
    bounds,
    callbacks,
    columns,
    data,
    diagnosis,
    distributions,
    evaluation,
    fitting,
    flows,
    generation,
    latent,
    layers,
    likelihoods,
    networks,
    objectives,
    optimizers,
    plotting,
    posteriors,
    priors,
    random,
    runs,
    sample_quality,
    schedules,
    shards,
    strategies,
)
from keras_vae.layers import Sampling
from keras_vae.model import VAE

__all__ = [
    "VAE",
    "Sampling",
    "annealing",
    "bounds",
    "callbacks",
    "columns",
    "data",
    "diagnosis",
    "distributions",
    "evaluation",
    "fitting",
    "flows",
    "generation",
    "latent",
    "layers",
    "likelihoods",
    "networks",
    "objectives",
    "optimizers",
    "plotting",
    "posteriors",
    "priors",
    "random",
    "runs",
    "sample_quality",
    "schedules",
    "shards",
    "strategies",
]
