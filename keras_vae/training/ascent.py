"""Climb a function of z by its gradient."""

import keras
import tensorflow as tf


def climb(function, z, steps, learning_rate):
    """Return the z to which Adam comes from one, each row for itself.

    Args:
        function: function of z `(B, D)` to what each row should make large, `(B,)`.
        z: array `(B, D)`.
        steps: int >= 0.
        learning_rate: float > 0, at first; it falls to zero by a cosine.

    Output shape:
        `(B, D)`.
    """
    variable = keras.Variable(z, dtype="float32")
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, max(1, steps))
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build([variable])

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_sum(function(variable.value))
        optimizer.apply([tape.gradient(loss, variable.value)], [variable])

    for _ in range(steps):
        step()
    return keras.ops.convert_to_tensor(variable)
