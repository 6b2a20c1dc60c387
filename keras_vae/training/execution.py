"""How a step is run: how many in one execution, by XLA or not, and with data of its own."""

import time

import keras
import numpy as np
import tensorflow as tf

from keras_vae import random
from keras_vae.priors import StandardNormal
from keras_vae.training import loops, replicas

# Between two executions callbacks and signals are heard, and the bar moves.
_EXECUTION_SECONDS = 0.25
_MOST_STEPS = 64
# The data of an execution may be in memory at once.
_MOST_BYTES = 1 << 25
# A shorter training is over before this would pay.
_MANY_STEPS = 100
# XLA takes seconds to compile, and saves a millisecond or two a step.
_XLA_STEPS = 2000
_DENSE = (
    keras.layers.InputLayer,
    keras.layers.Dense,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Activation,
    keras.layers.Multiply,
    keras.layers.Dropout,
)
_BATCH_HOOKS = (
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_batch_begin",
    "on_batch_end",
)


def choose(model, asked, x, batch_size, epochs, callbacks, steps_per_epoch=None):
    """Give a compiled model what `compile` left open, for a training that is about to begin.

    Args:
        model: `VAE`, built.
        asked: dict of `jit_compile` and `steps_per_execution`, as `compile` got them.
        x, batch_size, epochs, steps_per_epoch: as `fit` takes them.
        callbacks: list of the user's callbacks.
    """
    rows = getattr(x, "num_rows", len(x) if isinstance(x, np.ndarray) else 0)
    batch_size = getattr(x, "batch_size", batch_size) or 32
    steps = epochs * -(-rows // batch_size)
    chosen = {}
    if asked["jit_compile"] == "auto":
        # Once compiled, it stays so.
        worth = not replicas.are_several(model)
        chosen["jit_compile"] = worth and (model.jit_compile or _wants_xla(model, steps))
    if asked["steps_per_execution"] == "auto":
        # Keras would go on after an epoch of so many steps until the execution ends.
        worth = steps >= _MANY_STEPS and is_on_one_device(model) and not steps_per_epoch
        chosen["steps_per_execution"] = (
            _steps_per_execution(model, batch_size, callbacks) if worth else 1
        )
    for name, value in chosen.items():
        if value != getattr(model, name):
            setattr(model, name, value)
            model.train_function = model.test_function = model.predict_function = None


def is_on_one_device(model):
    """Return whether a step is traced as a graph for one device."""
    return not replicas.are_several(model) and not model.run_eagerly


class StepData:
    """Where the steps of a model take their data from: small sets live where they are computed.

    Attributes:
        make_loop: function from a model to what Keras calls for each execution, of the data that
            it was made with; None for data that come as batches.
        steps: dict from batch size to the steps in an execution, as measured: another number
            would mean another tracing.
    """

    def __init__(self):
        self.make_loop = self._made_for = None
        self.steps = {}

    def prepare(self, model, x, first, options):
        """Return the data that a training iterates over, and the options of `fit` for Keras.

        Args:
            model: `VAE`, for which `choose` has chosen.
            x: as `fit` takes it.
            first: `Place` that the training begins with.
            options: dict of further arguments of `fit`.
        """
        if replicas.are_several(model):
            return replicas.distribute(model, x, whole_epochs=not first.batch), options
        in_step = getattr(x, "in_memory", False) and _may_fetch(model, options)
        steps = min(model.steps_per_execution, len(x)) if in_step else None
        made_for = (x, model.jit_compile, steps) if in_step else None
        if made_for != self._made_for:
            # It holds the images that it was traced with.
            self.make_loop = model.train_function = None
            self._made_for = made_for
            if in_step:
                make, fetch = loops.compiled if model.jit_compile else loops.plain, x.fetch()
                self.make_loop = lambda model: make(model, fetch, x.batch_size, steps)
        if in_step:
            return x.executions(steps), {**options, "steps_per_epoch": len(x)}
        return x.variant(whole_epochs=False) if first.batch else x, options


def _may_fetch(model, options):
    """Return whether steps may take their data themselves, in place of batches from Keras."""
    return (
        is_on_one_device(model)
        and model.has_own_train_step
        # There each step is to be run by the strategy.
        and not (tf.distribute.has_strategy() and tf.distribute.in_cross_replica_context())
        # What Keras does with batches.
        and not options.get("steps_per_epoch")
        and options.get("class_weight") is None
    )


def _wants_xla(model, steps):
    """Return whether XLA makes a training faster, by what was measured.

    It does on accelerators, and on a CPU for dense networks where there are steps enough to make
    up for its compilation; it slows convolutions down there.

    Args:
        model: `VAE`, built.
        steps: int, of the whole training.
    """
    if tf.config.list_physical_devices("GPU"):
        return True
    plain = isinstance(model.prior, StandardNormal) and model.posterior.is_gaussian
    plain &= not model.objective.wants_prior_draws
    return steps >= _XLA_STEPS and plain and _is_dense(model.encoder) and _is_dense(model.decoder)


def _steps_per_execution(model, batch_size, callbacks):
    """Return how many steps to run in one execution, by the time that one may take.

    Args:
        model: `VAE`, built.
        batch_size: int.
        callbacks: list of the user's callbacks.
    """
    if any(_hears_batches(callback) for callback in callbacks):
        return 1
    known = model._step_data.steps
    if batch_size not in known:
        x = np.zeros((batch_size, *model.event_shape), "float32")
        # The first one loads and allocates.
        seconds = min(_forward_seconds(model, x) for _ in range(2))
        most = min(_MOST_STEPS, _MOST_BYTES / x.nbytes)
        known[batch_size] = int(np.clip(_EXECUTION_SECONDS / seconds, 1, max(1, most)))
    return known[batch_size]


def _forward_seconds(model, x):
    noise = random.normals(random.row_seeds(0, len(x)), model.latent_dim)[None]
    start = time.perf_counter()
    model.terms(x, noise, **model.blank(len(x))).log_px.numpy()
    return time.perf_counter() - start


def _hears_batches(callback):
    """Return whether a callback wants to be called after every single step."""
    if getattr(callback, "hears_executions", False):
        return False
    if isinstance(callback, (keras.callbacks.ModelCheckpoint, keras.callbacks.BackupAndRestore)):
        return callback.save_freq != "epoch"
    if isinstance(callback, keras.callbacks.TerminateOnNaN):
        return False
    return any(
        name in vars(callback)
        or getattr(type(callback), name) is not getattr(keras.callbacks.Callback, name)
        for name in _BATCH_HOOKS
    )


def _is_dense(network):
    # A functional model, unlike a subclassed one, does no more than its layers.
    if isinstance(network, keras.Sequential) or hasattr(network, "operations"):
        return all(_is_dense(layer) for layer in network.layers)
    return isinstance(network, _DENSE)
