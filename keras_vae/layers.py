"""Layers that encoders and decoders are made of."""

import keras
from keras import ops

from keras_vae.registry import register


@register
class Sampling(keras.layers.Layer):
    """Draw z from q(z|x) = N(z_mean, exp(z_log_var)) by the reparameterisation trick.

    z = z_mean + exp(z_log_var / 2) * noise, through which gradients reach the mean and the
    variance (Kingma & Welling 2014, section 2.4, https://arxiv.org/abs/1312.6114).
    It computes in float32 whatever the policy.

    Args:
        seed: int or None, the seed of the noise that the layer draws when it is given none.

    Input shape:
        pair `(z_mean, z_log_var)`, each `(B, D)`.

    Output shape:
        `(B, D)`, or `(K, B, D)` with noise of that shape. Without noise it draws only with
        `training=True` and returns `z_mean` otherwise.

    Example:

    >>> import numpy as np
    >>> z = Sampling()([np.zeros((1, 2)), np.zeros((1, 2))], noise=np.ones((1, 2)))
    >>> np.asarray(z).tolist()
    [[1.0, 1.0]]
    """

    def __init__(self, seed=None, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, noise=None, training=None):
        z_mean, z_log_var = inputs
        if noise is None:
            if not training:
                return z_mean
            noise = keras.random.normal(ops.shape(z_mean), seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * noise

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}
