"""The training step of a VAE, and what `compile`, `fit` and `evaluate` do around it."""

from keras_vae.training.model import TrainableModel

__all__ = ["TrainableModel"]
