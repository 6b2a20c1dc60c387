"""Variational autoencoders for Keras 3: from `model.fit` to the phone.

Importing the package registers its classes, so that `keras.models.load_model` finds them.
"""

import importlib

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
    compression,
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
    restore,
    runs,
    sample_quality,
    schedules,
    shards,
    strategies,
    uses,
)
from keras_vae.conditional import ConditionalVAE
from keras_vae.layers import Sampling
from keras_vae.model import VAE
from keras_vae.semi_supervised import SemiSupervisedVAE

__all__ = [
    "VAE",
    "ConditionalVAE",
    "Sampling",
    "SemiSupervisedVAE",
    "annealing",
    "anomaly",
    "bounds",
    "callbacks",
    "columns",
    "compression",
    "data",
    "diagnosis",
    "distributions",
    "estimators",
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
    "restore",
    "runs",
    "sample_quality",
    "schedules",
    "shards",
    "strategies",
    "uses",
]

_LAZY = ("anomaly", "estimators")


def __getattr__(name):
    # They bring scikit-learn, which takes as long to import as all else here.
    if name in _LAZY:
        return importlib.import_module(f"keras_vae.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
