"""Callbacks for `VAE.fit`, besides those of Keras."""

from keras_vae.callbacks.progress import Progress
from keras_vae.callbacks.tensor_board import TensorBoard
from keras_vae.training.checkpoint import Checkpoint
from keras_vae.training.stop_on_nan import NAN_CAUSES, StopOnNaN

__all__ = [
    "NAN_CAUSES",
    "Checkpoint",
    "Progress",
    "StopOnNaN",
    "TensorBoard",
]
