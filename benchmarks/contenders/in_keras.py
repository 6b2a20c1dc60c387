"""What the two contenders in Keras share."""

import keras


class AskedFor(keras.callbacks.Callback):
    """Let each epoch of a `fit` begin when it is asked for.

    Args:
        rounds: `protocol.Rounds`, whose first epoch has begun.
        validate: function of nothing that gives the validation -ELBO.
    """

    def __init__(self, rounds, validate):
        super().__init__()
        self._rounds, self._validate = rounds, validate

    def on_epoch_begin(self, epoch, logs=None):
        if epoch:
            self._rounds.begin()

    def on_epoch_end(self, epoch, logs=None):
        self._rounds.end(logs["loss"], self._validate)


class FirstStep(keras.callbacks.Callback):
    """Tell when the first step is done."""

    # Neither here nor in Keras itself does it slow the steps down.
    hears_executions = async_safe = True

    def __init__(self, rounds):
        super().__init__()
        self._rounds = rounds

    def on_train_batch_end(self, batch, logs=None):
        self._rounds.step_is_done()
