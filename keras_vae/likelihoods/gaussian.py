"""The normal likelihood of continuous data."""

import math

import keras
from keras import ops

from keras_vae import checks, random
from keras_vae.distributions import normal_log_prob
from keras_vae.likelihoods.base import Likelihood, event_noise
from keras_vae.registry import register


@register
class Gaussian(Likelihood):
    """Continuous data: p(x|z) = N(decoder(z), scale^2), a density in differential nats.

    Args:
        scale: float >= 1e-4 for a fixed standard deviation; "learned" for one that is trained and
            shared by all elements; "optimal" for the one that fits the batch best, the root of
            its mean squared error (Rybkin et al. 2021, eq. 5, https://arxiv.org/abs/2006.13202),
            of which test and export use a moving average; "per_element" for one that the
            decoder gives for each element: its last axis then holds, for each channel, a mean
            and a log-variance.

    Raises:
        ValueError: if `scale` is none of these.

    Example:

    >>> import numpy as np
    >>> x = np.zeros((1, 1), "float32")
    >>> round(float(Gaussian(scale=0.5).log_prob(x, x)[0]), 4)
    -0.2258
    """

    # Standard deviations from 1/400 to 150: far beyond any of pixels, far from float32's limits.
    _MIN_LOG_VAR, _MAX_LOG_VAR = -12.0, 10.0
    _MOMENTUM = 0.99

    def __init__(self, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        if isinstance(scale, str):
            checks.choice("scale", scale, ("learned", "optimal", "per_element"))
        else:
            scale = checks.number("scale", scale, minimum=1e-4)
        self.scale = scale
        self.params_per_channel = 2 if scale == "per_element" else 1
        self.log_var = None
        if scale == "learned":
            # Near the spread of pixels; from 1 on, it takes thousands of steps to shrink.
            start = keras.initializers.Constant(2.0 * math.log(0.25))
            self.log_var = self.add_weight(name="log_var", shape=(), initializer=start)

        elif scale == "optimal":
            self.log_var = self.add_weight(
                name="log_var", shape=(), initializer="zeros", trainable=False, aggregation="mean"
            )
            self.steps = self.add_weight(
                name="steps", shape=(), initializer="zeros", trainable=False, aggregation="mean"
            )

    def element_log_prob(self, x, params, training=False):
        mean, log_var = self._mean_and_log_var(params)
        if training and self.scale == "optimal":
            log_var = self._fit(ops.square(x - mean))
        return normal_log_prob(x, mean, log_var)

    def mean(self, params):
        return self._mean_and_log_var(params)[0]

    def sample(self, params, seed):
        mean, log_var = self._mean_and_log_var(params)
        return mean + ops.exp(0.5 * log_var) * event_noise(random.normals, mean, seed)

    def bias(self, mean):
        mean = ops.convert_to_tensor(mean, "float32")
        parts = [mean, ops.zeros_like(mean)][: self.params_per_channel]
        shape = (*mean.shape[:-1], mean.shape[-1] * self.params_per_channel)
        return ops.convert_to_numpy(ops.reshape(ops.stack(parts, axis=-1), shape))

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}

    def _fit(self, squares):
        """Return the log-variance that fits the batch best, and move the average towards it."""
        count = ops.cast(ops.size(squares), "float32")
        variance = ops.sum(squares) / ops.maximum(count, 1.0)
        # Before the logarithm, whose gradient at zero would make NaN of what clipping leaves.
        limits = (math.exp(limit) for limit in (self._MIN_LOG_VAR, self._MAX_LOG_VAR))
        log_var = ops.log(ops.clip(variance, *limits))
        # The plain mean of the first steps, so that where it starts has no part in it.
        rate = ops.maximum(1.0 / (self.steps + 1.0), 1.0 - self._MOMENTUM)
        # One of several replicas may have no row of a small batch.
        rate *= ops.minimum(count, 1.0)
        self.log_var.assign_add(rate * (ops.stop_gradient(log_var) - self.log_var))
        self.steps.assign_add(1.0)
        return log_var

    def _mean_and_log_var(self, params):
        if self.scale == "per_element":
            mean, log_var = self._split(params)
            return mean, ops.clip(log_var, self._MIN_LOG_VAR, self._MAX_LOG_VAR)
        if self.scale in ("learned", "optimal"):
            log_var = ops.convert_to_tensor(self.log_var)
            return params, ops.clip(log_var, self._MIN_LOG_VAR, self._MAX_LOG_VAR)
        return params, ops.convert_to_tensor(2.0 * math.log(self.scale), "float32")
