"""Checkpoints of a training under way."""

import math
import pathlib
import time
import warnings

import keras

from keras_vae import checkpoints
from keras_vae.checkpoints import Place
from keras_vae.checks import integer, message, number
from keras_vae.workers import Asking

# A training that is killed early has something to go on from.
_FIRST_SECONDS = 30.0
_NEVER = 2**31


class Checkpoint(keras.callbacks.Callback):
    """Save the state of a training from time to time; `fit` goes on from the last one.

    A checkpoint holds weights, optimiser, schedules, random states, the history, and the place in
    the data. Data of `keras_vae.data.load` go on in the midst of an epoch, with the same order and
    binarisation; of other data checkpoints are taken between epochs alone. The first one is taken
    after the first epoch or 30 seconds, the last one at the end of the training. In an epoch that
    goes on in its midst, callbacks of batches are called for those that were done before, too. What
    other callbacks remember is theirs: `ReduceLROnPlateau` begins its count anew.

    Args:
        folder: str or path, where the checkpoints are, and of no other training.
        every_steps: int >= 1 or None, training steps from one to the next.
        every_minutes: float > 0 or None, minutes from one to the next.
        keep: int >= 1, how many are kept; older ones are removed once a new one is whole.

    Attributes:
        history: dict from name to a list of one number an epoch, of all epochs so far.

    Raises:
        ValueError: if an argument is out of its range; from `fit`, if the checkpoint is one of
            another model or version.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> from keras_vae import VAE, networks
    >>> vae = VAE(networks.mlp_encoder((4,), 2), networks.mlp_decoder((4,), 2), seed=0)
    >>> vae.compile(optimizer="adam")
    >>> x = np.zeros((8, 4), "float32")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     history = vae.fit(x, epochs=2, verbose=0, callbacks=[Checkpoint(folder)])
    ...     checkpoint = Checkpoint(folder)
    ...     history = vae.fit(x, epochs=3, verbose=0, callbacks=[checkpoint])
    >>> len(history.history["loss"]), len(checkpoint.history["loss"])
    (1, 3)
    """

    # Several steps may be made between two calls.
    hears_executions = True

    def __init__(self, folder, every_steps=None, every_minutes=5.0, keep=2):
        super().__init__()
        self.folder = pathlib.Path(folder)
        if every_steps is not None:
            integer("every_steps", every_steps, 1)
        if every_minutes is not None:
            number("every_minutes", every_minutes, above=0)
        self.every_steps, self.every_minutes = every_steps, every_minutes
        self.keep = integer("keep", keep, 1)
        self.history = {}
        self._place, self._pending, self._trackers = Place(), {}, None
        self._positions = False

    def restore(self, model, data, first):
        """Give a model the state of the last whole checkpoint; return the `Place` to go on from.

        Args:
            model: `VAE`, built and compiled.
            data: what `fit` trains with.
            first: `Place` to begin with if there is no checkpoint.
        """
        self._positions = hasattr(data, "set_epoch")
        meta = checkpoints.restore(model, self.folder)
        if meta is None:
            self._place = first
            return first
        self.history, self._pending = meta["history"], meta["pending"]
        self._trackers = [
            (variable, keras.ops.convert_to_numpy(variable)) for variable in model.metrics_variables
        ]
        self._place = Place(*meta["place"])
        if self._place.batch and not self._positions:
            raise ValueError(
                message(
                    f"The checkpoint in {self.folder} goes on with data of `keras_vae.data.load`",
                    f"{type(data).__name__}, and it was taken after batch {self._place.batch} of "
                    f"epoch {self._place.epoch + 1}",
                    "Give fit the data set that the training began with, such as data.train.",
                )
            )
        if not meta["stopped"]:
            return self._place
        warnings.warn(
            f"The training of {self.folder} was stopped early, after {self._place.epoch} epochs: "
            "nothing is left to do. To train on, give another folder.",
            stacklevel=2,
        )
        return Place(_NEVER)

    def save(self):
        """Save a checkpoint now; a failing disk is warned of and costs no more than this one."""
        if self.model is None:
            return
        meta = {
            "history": self.history,
            "pending": self._pending,
            "stopped": bool(self.model.stop_training),
        }
        try:
            checkpoints.write(self.folder, self._place, self.model, meta, self.keep)
        except OSError as error:
            warnings.warn(
                f"A checkpoint could not be written to {self.folder}: {error.strerror or error}. "
                "Training goes on, and the earlier ones are kept.",
                RuntimeWarning,
                stacklevel=2,
            )
        self._saved_at, self._saved_step = time.monotonic(), self._step()
        self._first = False

    def on_train_begin(self, logs=None):
        self._saved_at, self._saved_step = time.monotonic(), self._step()
        self._first = self._trackers is None
        self._asking = Asking(self.model.workers)

    def on_epoch_begin(self, epoch, logs=None):
        self._done = self._place.batch if epoch == self._place.epoch else 0
        self._place, self._epoch_start = Place(epoch, self._done), self._step() - self._done
        if self._done:
            for variable, value in self._trackers:
                variable.assign(value)

    def on_train_batch_end(self, batch, logs=None):
        done = self._step() - self._epoch_start
        # Before an epoch goes on in its midst, nothing is done.
        if not self._positions or done == self._place.batch:
            return
        self._place = self._place._replace(batch=done)
        self._pending = {}
        if self._place.batch == self.params.get("steps"):
            # The epoch goes on with its validation.
            self._pending = {name: float(value) for name, value in (logs or {}).items()}
        elif self._asking.highest(self._is_due()):
            self.save()

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            values = {**self._pending, **logs}
            if self._place.batch == self._done:
                # Its steps, and their logs, are those of an earlier training.
                values.update(self._pending)
            logs.clear()
            logs.update(values)
        self._pending = {}
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        self._place = Place(epoch + 1, 0)
        if self._first or self._asking.highest(self._is_due()):
            self.save()

    def on_train_end(self, logs=None):
        # A callback after this one may have stopped it since.
        if self._step() > self._saved_step or self.model.stop_training:
            self.save()

    def _step(self):
        return int(self.model.step.numpy())

    def _is_due(self):
        seconds, steps = time.monotonic() - self._saved_at, self._step() - self._saved_step
        limits = [_FIRST_SECONDS] if self._first else []
        limits += [60.0 * self.every_minutes] if self.every_minutes else []
        return seconds >= min(limits, default=math.inf) or (
            self.every_steps is not None and steps >= self.every_steps
        )
