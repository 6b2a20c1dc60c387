"""The end of a training whose loss is no longer a number."""

import math
import warnings

import keras
import numpy as np

NAN_CAUSES = (
    "Likely causes: a learning rate that is too high (try a tenth of it), NaN or unscaled values "
    "in the data (pixels belong in [0, 1]), a Gaussian likelihood whose variance shrinks to "
    "nothing (fix `scale`), or float16 overflow (use mixed_bfloat16)."
)


class StopOnNaN(keras.callbacks.Callback):
    """Stop training when the loss is no longer finite, and keep the last good weights.

    Weights and optimiser go back to where they were at the end of the last epoch with a finite
    loss, or at the beginning. `VAE.fit` adds this callback by itself.

    Attributes:
        stopped_epoch: int or None, the epoch (from 0) whose loss was not finite.
    """

    def __init__(self):
        super().__init__()
        self.stopped_epoch = None
        self._good = None

    def on_train_begin(self, logs=None):
        self.stopped_epoch = None
        self._good = self._values()

    def on_epoch_end(self, epoch, logs=None):
        values = self._values()
        losses = [(logs or {}).get(name, 0.0) for name in ("loss", "val_loss")]
        if all(map(math.isfinite, losses)) and all(np.isfinite(value).all() for _, value in values):
            self._good = values
            return
        self.stopped_epoch = epoch
        for variable, value in self._good:
            variable.assign(value)
        self.model.stop_training = True
        warnings.warn(
            f"Training stopped: the loss was not finite in epoch {epoch + 1}. The weights are "
            f"those from before that epoch. {NAN_CAUSES}",
            RuntimeWarning,
            stacklevel=2,
        )

    def on_train_end(self, logs=None):
        self._good = None

    def _values(self):
        variables = [*self.model.variables, *self.model.optimizer.variables]
        return [(variable, keras.ops.convert_to_numpy(variable)) for variable in variables]
