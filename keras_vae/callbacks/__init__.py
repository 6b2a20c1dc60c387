"""What `VAE.fit` does around the epochs."""

from keras_vae.callbacks.checkpoint import Checkpoint
from keras_vae.callbacks.own import as_list, complete, first_place
from keras_vae.callbacks.progress import Progress
from keras_vae.callbacks.stop_on_nan import NAN_CAUSES, StopOnNaN
from keras_vae.callbacks.tensor_board import TensorBoard

__all__ = [
    "NAN_CAUSES",
    "Checkpoint",
    "Progress",
    "StopOnNaN",
    "TensorBoard",
    "as_list",
    "complete",
    "first_place",
]
