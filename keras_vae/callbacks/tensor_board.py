"""A training as TensorBoard shows it."""

import keras
import numpy as np
from keras import ops

from keras_vae import latent, plotting
from keras_vae.checks import integer, message
from keras_vae.distributions import unit_kl

_SAMPLES, _PAIRS, _POINTS = 64, 10, 2000


class TensorBoard(keras.callbacks.Callback):
    """Write what TensorBoard shows: scalars, image grids, z of the data, and the KL of each unit.

    It needs the package `tensorboard`: pip install 'keras-vae[tensorboard]'.

    Args:
        folder: str or path, of this training.
        x: array `(N, *event)` of examples, of which the first 2,000 are used; images where the
            event is `(H, W, C)`, of which there are pictures too.
        every_epochs: int >= 1, how often pictures and histograms are made.
        seed: int, of the samples.

    Raises:
        ImportError: without the package.

    Example:

    >>> TensorBoard("logs", np.zeros((8, 4, 4, 1), "float32"), every_epochs=0)
    Traceback (most recent call last):
    ...
    ValueError: `every_epochs` must be an integer >= 1. Received: every_epochs=0.
    """

    # Several steps may be made between two calls.
    hears_executions = True

    def __init__(self, folder, x, every_epochs=1, seed=0):
        super().__init__()
        self._every = integer("every_epochs", every_epochs, 1)
        self._folder, self._seed = str(folder), seed
        self._x = np.asarray(x[:_POINTS], "float32")
        self._writer = None
        try:
            import tensorboard  # noqa: F401
        except ImportError as error:
            raise ImportError(
                message(
                    "kv.callbacks.TensorBoard needs the package tensorboard",
                    "an environment without it",
                    "Install it with: pip install 'keras-vae[tensorboard]'",
                )
            ) from error

    def on_train_begin(self, logs=None):
        from keras_vae.training import summaries

        self._writer = summaries.Writer(self._folder) if self.model.workers.is_chief else None

    def on_epoch_end(self, epoch, logs=None):
        if self._writer is None:
            return
        self._writer.scalars(logs or {}, epoch)
        if (epoch + 1) % self._every == 0:
            self._show(epoch)
        self._writer.flush()

    def _show(self, epoch):
        """Write pictures and histograms."""
        posterior = self.model.encode(self._x)
        if self.model.posterior.is_gaussian:
            # Of each unit, over the examples: those near zero are not used.
            self._writer.histogram(
                "kl_of_units", ops.convert_to_numpy(unit_kl(*posterior[:2])).mean(axis=0), epoch
            )
        centres = ops.convert_to_numpy(self.model.posterior.embed(posterior))
        if len(centres) > 2:
            self._writer.image("z", plotting.latents.scatter(latent.project(centres)), epoch)
        if len(self.model.event_shape) == 3 and self.model.event_shape[-1] in (1, 3):
            samples = self.model.generate(_SAMPLES, seed=self._seed)
            self._writer.image("samples", plotting.image_grid(samples), epoch)
            first = self._x[:_PAIRS]
            pairs = np.concatenate([first, ops.convert_to_numpy(self.model.reconstruct(first))])
            grid = plotting.image_grid(pairs, columns=len(first))
            self._writer.image("reconstructions", grid, epoch)

    def on_train_end(self, logs=None):
        if self._writer is not None:
            self._writer.close()
