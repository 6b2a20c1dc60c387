"""What the training step and `fit` are made of, apart from the model."""

import keras
import tensorflow as tf
from keras import ops

from keras_vae.shapes import check_sample_weight


class Gate:
    """An identity whose gradient is multiplied by `weight`.

    The weight is a function of what comes after the identity, so that it is given later, before
    the gradient is asked for.
    """

    weight = None

    def __call__(self, z):
        @tf.custom_gradient
        def identity(value):
            return tf.identity(value), lambda upstream: upstream * self.weight[..., None]

        return identity(z)


def place_in_global_batch(rows):
    """Return where a replica's rows begin in the global batch, and how many rows that has."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 0, rows
    sizes = context.all_gather(tf.reshape(rows, (1,)), axis=0)
    return tf.reduce_sum(sizes[: context.replica_id_in_sync_group]), tf.reduce_sum(sizes)


def first_row(rows, seen):
    """Return the number, among all that are evaluated, of a replica's first row.

    Args:
        rows: int, those of the replica in this batch.
        seen: float tensor, those of the replica in the batches before.
    """
    seen = ops.convert_to_tensor(seen)
    context = tf.distribute.get_replica_context()
    if context is not None and context.num_replicas_in_sync > 1:
        seen = context.all_reduce(tf.distribute.ReduceOp.SUM, seen)
    first, _ = place_in_global_batch(rows)
    return first + ops.cast(seen, "int32")


def arrange(x, y, sample_weight):
    """Return x, y and weights from what `fit` takes, so that Keras drops none of them."""
    if isinstance(x, tuple) and y is None:
        x, y, weight = keras.utils.unpack_x_y_sample_weight(x)
        sample_weight = weight if sample_weight is None else sample_weight
    if y is None:
        # Keras forgets the weights of data without y, which is ignored here.
        y = sample_weight
    return x, y, sample_weight


def weigh(per_example, sample_weight, losses):
    """Return the loss of each example: weighted, with what regularises the networks.

    Args:
        per_example: float32 tensor `(B,)`.
        sample_weight: tensor of B weights, or None.
        losses: list of tensors, the `losses` of the model.
    """
    if sample_weight is not None:
        check_sample_weight(sample_weight.shape)
        weight = ops.cast(ops.reshape(sample_weight, (-1,)), per_example.dtype)
        per_example = per_example * weight
    return per_example + sum(ops.sum(ops.cast(loss, "float32")) for loss in losses)
