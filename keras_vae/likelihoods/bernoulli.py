"""Likelihoods of pixels in [0, 1]: binary and continuous."""

import math

import numpy as np
from keras import ops

from keras_vae import random
from keras_vae.distributions import bernoulli_log_prob
from keras_vae.likelihoods.base import Likelihood, event_noise
from keras_vae.registry import register


@register
class Bernoulli(Likelihood):
    """Binary pixels: p(x|z) = prod_i p_i^x_i (1 - p_i)^(1 - x_i), p = sigmoid(decoder(z)).

    For x of 0 and 1 the log-likelihood is a log-probability in nats. Grey pixels in [0, 1] give
    the cross-entropy that many texts train with; that is no likelihood (Loaiza-Ganem &
    Cunningham 2019, https://arxiv.org/abs/1907.06845).

    Example:

    >>> import numpy as np
    >>> x, logits = np.ones((1, 1), "float32"), np.zeros((1, 1), "float32")
    >>> round(float(Bernoulli().log_prob(x, logits)[0]), 4)
    -0.6931
    """

    is_discrete = True
    is_binary = True
    levels = 2
    mean_range = (0.0, 1.0)

    def check(self, x):
        _check_unit_interval(self, x)

    def element_log_prob(self, x, params, training=False):
        return bernoulli_log_prob(x, params)

    def mean(self, params):
        return ops.sigmoid(params)

    def sample(self, params, seed):
        uniforms = event_noise(random.uniforms, params, seed)
        return ops.cast(uniforms < ops.sigmoid(params), "float32")

    def bias(self, mean):
        mean = ops.clip(ops.convert_to_tensor(mean, "float32"), 0.01, 0.99)
        return ops.convert_to_numpy(ops.log(mean) - ops.log1p(-mean))


@register
class ContinuousBernoulli(Likelihood):
    """Grey pixels: p(x|z) = prod_i C(p_i) p_i^x_i (1 - p_i)^(1 - x_i) for x in [0, 1].

    With the normalising constant C that the cross-entropy of grey pixels lacks it is a density in
    differential nats (Loaiza-Ganem & Cunningham 2019, eq. 5, https://arxiv.org/abs/1907.06845).

    Example:

    >>> import numpy as np
    >>> x, logits = np.ones((1, 1), "float32"), np.zeros((1, 1), "float32")
    >>> round(float(ContinuousBernoulli().log_prob(x, logits)[0]), 4)
    0.0
    """

    mean_range = (0.0, 1.0)

    # Below it the series of log C and of the mean are exact in float32, above it the formulas are.
    _SMALL = 0.25
    # Below it a draw is uniform but for rounding.
    _UNIFORM = 1e-5

    def check(self, x):
        _check_unit_interval(self, x)

    def element_log_prob(self, x, params, training=False):
        # C = l / tanh(l / 2) of the logit l.
        large, logits = self._away_from_zero(params)
        square = ops.square(ops.where(large, 0.0, params))
        series = square / 12.0 - 7.0 * ops.square(square) / 1440.0
        formula = ops.log(ops.abs(logits)) - ops.log(ops.tanh(0.5 * ops.abs(logits)))
        log_constant = ops.where(large, formula, math.log(2.0) + series)
        return bernoulli_log_prob(x, params) + log_constant

    def mean(self, params):
        large, logits = self._away_from_zero(params)
        small = ops.where(large, 0.0, params)
        series = 0.5 + small / 12.0 - small**3 / 720.0
        return ops.where(large, ops.sigmoid(logits) / ops.tanh(0.5 * logits) - 1.0 / logits, series)

    def sample(self, params, seed):
        # The inverse of the distribution function, log(1 + u (exp(l) - 1)) / l, for l <= 0; the
        # other half is its mirror image.
        uniforms = event_noise(random.uniforms, params, seed)
        tilted, logits = self._away_from_zero(params, self._UNIFORM)
        mirrored = -ops.abs(logits)
        drawn = ops.log1p(uniforms * ops.expm1(mirrored)) / mirrored
        # Where u and exp(l) are at float32's limits, the logarithm is of what rounding left.
        drawn = ops.clip(drawn, 0.0, 1.0)
        drawn = ops.where(logits > 0, 1.0 - drawn, drawn)
        return ops.where(tilted, drawn, uniforms)

    def bias(self, mean):
        return logits_of_means(np.clip(mean, 0.01, 0.99), lambda logits: self.mean(logits))

    def _away_from_zero(self, logits, limit=_SMALL):
        """Return where the logits are large enough for the formulas, and others in their place."""
        large = ops.abs(logits) > limit
        return large, ops.where(large, logits, 1.0)


def logits_of_means(means, mean_of):
    """Return the logits whose means are given, by bisection, for an increasing function."""
    low, high = (np.full(np.shape(means), limit, "float32") for limit in (-500.0, 500.0))
    for _ in range(50):
        middle = 0.5 * (low + high)
        below = ops.convert_to_numpy(mean_of(middle)) < means
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)


def _check_unit_interval(likelihood, x):
    if x.min() < 0 or x.max() > 1:
        likelihood._refuse(
            "values in [0, 1]",
            x,
            "Divide 8-bit pixels by 255, or let keras_vae.data.load(x) do it.",
        )
