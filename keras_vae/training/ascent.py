"""Climb a function of z by its gradient."""

import math

import tensorflow as tf

_DECAYS, _EPSILON = (0.9, 0.999), 1e-7


@tf.function(reduce_retracing=True, autograph=False)
def climb(function, vae, z, data, steps, learning_rate):
    """Return the z to which Adam comes from one, each row for itself.

    It is traced once for a function and a VAE, whatever the number of rows.

    Args:
        function: function of `vae`, z `(B, D)` and `data` to what each row should make large,
            `(B,)`; one of a module, since each one is traced for itself.
        vae: `VAE`.
        z: tensor `(B, D)`.
        data: tuple of tensors.
        steps: int tensor, >= 1.
        learning_rate: float > 0, at first; it falls to zero by a cosine.

    Output shape:
        `(B, D)`.

    Reference:
        Kingma & Ba 2015, algorithm 1, https://arxiv.org/abs/1412.6980.
    """
    total = tf.cast(steps, "float32")

    def body(step, z, mean, square):
        with tf.GradientTape() as tape:
            tape.watch(z)
            value = tf.reduce_sum(function(vae, z, data))
        gradient = tape.gradient(value, z)
        mean = _DECAYS[0] * mean + (1.0 - _DECAYS[0]) * gradient
        square = _DECAYS[1] * square + (1.0 - _DECAYS[1]) * tf.square(gradient)
        done = tf.cast(step, "float32")
        rate = learning_rate * 0.5 * (1.0 + tf.cos(math.pi * done / total))
        straight = mean / (1.0 - _DECAYS[0] ** (done + 1.0))
        spread = tf.sqrt(square / (1.0 - _DECAYS[1] ** (done + 1.0)))
        return step + 1, z + rate * straight / (spread + _EPSILON), mean, square

    state = (tf.constant(0), z, tf.zeros_like(z), tf.zeros_like(z))
    return tf.while_loop(lambda step, *_: step < steps, body, state)[1]
