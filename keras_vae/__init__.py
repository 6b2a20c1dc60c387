"""Variational autoencoders for Keras 3: from `model.fit` to the phone.

Importing the package registers its classes, so that `keras.models.load_model` finds them.
"""

from keras_vae import (
    bounds,
    callbacks,
    data,
    distributions,
    evaluation,
    latent,
    layers,
    likelihoods,
    networks,
    objectives,
    plotting,
    posteriors,
    priors,
    random,
    runs,
    schedules,
)
from keras_vae.layers import Sampling
from keras_vae.model import VAE

__all__ = [
    "VAE",
    "Sampling",
    "bounds",
    "callbacks",
    "data",
    "distributions",
    "evaluation",
    "latent",
    "layers",
    "likelihoods",
    "networks",
    "objectives",
    "plotting",
    "posteriors",
    "priors",
    "random",
    "runs",
    "schedules",
]
