"""The power transform by which a skewed column becomes more like a normal one.

Yeo & Johnson 2000, eq. 2.1 (https://doi.org/10.1093/biomet/87.4.954), for powers in [0, 2]: there
what is far out stays far out.
"""

import numpy as np
from keras import ops

LEAST, NONE, MOST = 0.0, 1.0, 2.0
# The fit looks at so many values, evenly taken.
_SAMPLE = 20_000
# A power must be worth twice what chance gives it, the 95 % quantile of chi-squared with 1 degree.
_CHANCE = 3.84
# In float32 a narrow band of large numbers has no digits left to bend.
_LEAST_SPREAD = 0.01
# The square of what is larger is none in float32.
_LARGEST = 1e15
# exp of more overflows.
_MOST_EXPONENT = 80.0


def transform(x, power):
    """Return the transform of x, floats, by a power in [0, 2]; by 1 it is x."""
    if power == NONE:
        return x
    return ops.where(x >= 0, _bend(x, power), -_bend(-x, MOST - power))


def inverse(y, power):
    """Return the x whose `transform` is y."""
    if power == NONE:
        return y
    return ops.where(y >= 0, _unbend(y, power), -_unbend(-y, MOST - power))


def log_slope(x, power):
    """Return the logarithm of the derivative of `transform` at x."""
    return (power - 1.0) * ops.sign(x) * ops.log(1.0 + ops.abs(x))


def fit(values):
    """Return the power that makes values most like normal ones, or 1 if none is needed.

    The one of the greatest likelihood (eq. 3.1), where a likelihood-ratio test finds it better
    than 1.

    Args:
        values: (N,) float64 array, all finite.
    """
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    is_narrow = high - low < _LEAST_SPREAD * abs(middle)
    if is_narrow or np.abs(values).max() > _LARGEST or len(np.unique(values)) < 3:
        return NONE
    from sklearn.preprocessing import PowerTransformer

    some = values[:: -(-len(values) // _SAMPLE)]
    with np.errstate(all="ignore"):
        fitted = PowerTransformer("yeo-johnson", standardize=False).fit(some[:, None])
    # In float32 there is nothing between a power of 0.01 and the logarithm.
    power = round(float(np.clip(fitted.lambdas_[0], LEAST, MOST)), 2)
    if not np.isfinite(power):
        return NONE
    gain = 2.0 * (_log_likelihood(some, power) - _log_likelihood(some, NONE))
    return power if gain > _CHANCE else NONE


def as_numpy(function, values, power):
    """Return `transform` or `inverse` of a float64 array in its own precision."""
    values = ops.convert_to_tensor(values, "float64")
    return ops.convert_to_numpy(function(values, power))


def _bend(u, power):
    """Return the branch for u >= 0; elsewhere a number of no meaning."""
    u = ops.maximum(u, 0.0)
    if power == 0.0:
        return ops.log(1.0 + u)
    return ((1.0 + u) ** power - 1.0) / power


def _unbend(y, power):
    y = ops.maximum(y, 0.0)
    if power == 0.0:
        return ops.exp(ops.minimum(y, _MOST_EXPONENT)) - 1.0
    exponent = ops.log(1.0 + power * y) / power
    return ops.exp(ops.minimum(exponent, _MOST_EXPONENT)) - 1.0


def _log_likelihood(values, power):
    spread = as_numpy(transform, values, power).var()
    slopes = (power - 1.0) * np.sign(values) * np.log1p(np.abs(values))
    return slopes.sum() - 0.5 * len(values) * np.log(spread)
