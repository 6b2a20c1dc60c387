"""Training on several devices, of one machine or of several: who takes which rows."""

import warnings

import keras
import tensorflow as tf

from keras_vae.checks import message
from keras_vae.data.forms import Sharing


def are_several(model):
    """Return whether a model trains on several replicas."""
    return model.distribute_strategy.num_replicas_in_sync > 1


def distribute(model, x, **form):
    """Return data of `keras_vae.data.load` so that each replica takes its rows of a batch.

    Other data are returned as they are: Keras divides them.

    Args:
        model: `VAE`.
        x: as `fit` and `evaluate` take it.
        **form: see `keras_vae.data.pipeline.build`.
    """
    if not are_several(model) or not hasattr(x, "variant"):
        return x
    strategy = model.distribute_strategy

    def shares(context):
        local = context.num_replicas_in_sync // context.num_input_pipelines
        first = context.input_pipeline_id * local
        sharing = Sharing(
            list(range(first, first + local)),
            context.num_replicas_in_sync,
            context.input_pipeline_id,
            context.num_input_pipelines,
        )
        return x.variant(form=sharing, **form)

    return strategy.distribute_datasets_from_function(shares)


def check_scope(model):
    """Raise `ValueError` unless all parts of a model belong to its distribution strategy."""
    extended = model.distribute_strategy.extended
    for variable in model.variables:
        if not extended.variable_created_in_scope(variable.value):
            raise ValueError(
                message(
                    "All parts of a VAE must be made within the scope of one strategy",
                    f"{variable.path}, which was made outside of it",
                    "Write `with strategy.scope():` around networks, likelihood, prior, objective "
                    "and VAE.",
                )
            )


def check_options(model):
    """Raise `ValueError` where `compile` was given what works on one replica alone."""
    # Keras looks for overflow in the gradients of one replica: others would go on alone.
    if isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
        raise ValueError(
            message(
                "Several replicas train in float32 or mixed_bfloat16",
                "an optimiser that scales the loss, as mixed_float16 needs it",
                "Choose mixed_bfloat16, or one device.",
            )
        )
    for name in ("steps_per_execution", "jit_compile"):
        if int(getattr(model, name)) > (name == "steps_per_execution"):
            raise ValueError(
                message(
                    "Several replicas take one step in an execution, without jit_compile",
                    f"{name}={getattr(model, name)}",
                    f'Leave {name} out of `compile`, which means "auto".',
                )
            )


def check_batch(model, x, batch_size):
    """Refuse batches that are too small for the replicas, and say where they do not divide evenly.

    Args:
        model: `VAE`, of several replicas.
        x: the training data.
        batch_size: int or None, as `fit` takes it.

    Raises:
        ValueError: if there are fewer rows than replicas.
    """
    count = model.distribute_strategy.num_replicas_in_sync
    size = getattr(x, "batch_size", None)
    if size is None and not isinstance(x, tf.data.Dataset):
        size = batch_size or 32
    if size is None:
        return
    if size < count:
        raise ValueError(
            message(
                f"`batch_size` must be at least the number of replicas, {count}: it is that of "
                "all of them together",
                f"batch_size={size}",
                f"Load the data with batch_size={32 * count} or so, or use fewer devices.",
            )
        )
    if size % count:
        warnings.warn(
            f"A batch of {size} examples is not divided evenly by {count} replicas: they take "
            f"{size // count} or {size // count + 1} each. Evenly divided batches are faster.",
            stacklevel=3,
        )


def step_function(model, step, keras_function):
    """Return what Keras calls with the iterator of an epoch for each step.

    Keras's own averages what each replica logs, which is no scalar of several workers. Here it is
    what the first one here logs; at the end of an epoch the model's trackers tell the means of all.

    Args:
        model: `VAE`, of several replicas.
        step: function of a replica's data that returns its logs.
        keras_function: Keras's own, for data that are not distributed.
    """
    strategy = model.distribute_strategy

    def one_step(iterator):
        logs = strategy.run(step, args=(iterator.get_next(),))
        return keras.tree.map_structure(
            lambda values: strategy.experimental_local_results(values)[0], logs
        )

    if not model.run_eagerly:
        one_step = tf.function(one_step, reduce_retracing=True, autograph=False)

    def function(iterator):
        is_distributed = isinstance(iterator, tf.distribute.DistributedIterator)
        return one_step(iterator) if is_distributed else keras_function(iterator)

    return function
