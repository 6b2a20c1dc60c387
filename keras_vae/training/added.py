"""What `VAE.fit` adds to the user's callbacks."""

import keras

from keras_vae.checkpoints import Place
from keras_vae.checks import message
from keras_vae.training.checkpoint import Checkpoint
from keras_vae.training.stop_on_nan import StopOnNaN


class SetEpoch(keras.callbacks.Callback):
    """Tell a data set which epoch begins, so that peeking at it changes no order.

    Args:
        dataset: what `keras_vae.data.load` gives as `train`, which has a `set_epoch`.
        first: `Place` that the training begins with.
    """

    def __init__(self, dataset, first):
        super().__init__()
        self._dataset, self._first = dataset, first

    def on_epoch_begin(self, epoch, logs=None):
        self._dataset.set_epoch(epoch, self._first.batch if epoch == self._first.epoch else 0)

    def on_epoch_end(self, epoch, logs=None):
        # One iterator may give all epochs.
        self._dataset.set_epoch(epoch + 1)


class Schedules(keras.callbacks.Callback):
    """Tell the objective's schedules how long the training is, and log the learning rate.

    Args:
        first: `Place` that the training begins with.
    """

    def __init__(self, first):
        super().__init__()
        self._first = first

    def on_train_begin(self, logs=None):
        steps = self.params.get("steps")
        epochs = self.params["epochs"] - self._first.epoch
        self.model.objective.plan(None if steps is None else steps * epochs - self._first.batch)

    def on_epoch_end(self, epoch, logs=None):
        rate = getattr(self.model.optimizer, "learning_rate", None)
        if logs is not None and rate is not None:
            logs.setdefault("learning_rate", float(keras.ops.convert_to_numpy(rate)))


def complete(callbacks, x, first):
    """Return the callbacks of `VAE.fit`: the user's, and those that it adds by itself.

    Args:
        callbacks: as `fit` takes them.
        x: the training data.
        first: `Place` that the training begins with.
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    added = [Schedules(first)]
    if hasattr(x, "set_epoch"):
        added.append(SetEpoch(x, first))
    callbacks = as_list(callbacks)
    if not any(isinstance(callback, StopOnNaN) for callback in callbacks):
        added.append(StopOnNaN())
    # Before the user's, so that no checkpoint is taken of weights that are not finite.
    return [*added, *callbacks]


def as_list(callbacks):
    """Return a list of the callbacks that `fit` was given.

    Args:
        callbacks: None, a callback, or a list of them.
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return list(callbacks.callbacks)
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


def first_place(model, callbacks, x, initial_epoch, steps_per_epoch=None):
    """Return the `Place` to begin with: that of the last checkpoint, where there is one.

    Args:
        model: the VAE that is trained.
        callbacks: what `fit` was given.
        x: the training data.
        initial_epoch: int >= 0, where there is no checkpoint.
        steps_per_epoch: int or None, what `fit` was given.
    """
    first = Place(initial_epoch)
    for callback in as_list(callbacks):
        if isinstance(callback, Checkpoint):
            if steps_per_epoch and hasattr(x, "set_epoch"):
                raise ValueError(
                    message(
                        "A training with a `Checkpoint` takes whole epochs of its data",
                        f"steps_per_epoch={steps_per_epoch}, with which Keras goes on with the "
                        "order of an earlier epoch",
                        "Leave steps_per_epoch out.",
                    )
                )
            first = callback.restore(model, x, first)
    return first
