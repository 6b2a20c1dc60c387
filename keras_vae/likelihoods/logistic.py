"""The likelihood of 8-bit pixels by logistic distributions cut into levels."""

import numpy as np
from keras import ops

from keras_vae import checks, random
from keras_vae.likelihoods.base import Likelihood, event_noise
from keras_vae.likelihoods.bernoulli import logits_of_means
from keras_vae.registry import register


@register
class DiscretizedLogistic(Likelihood):
    """Pixels of L levels, such as 256: the probability that a mixture of logistics gives each.

    P(x = k/(L-1)) = sum_i w_i [S((x + h - m_i)/s_i) - S((x - h - m_i)/s_i)], S the sigmoid and h
    half the distance of two levels; the lowest and the highest level take the tails
    (Salimans et al. 2017, eq. 2, https://arxiv.org/abs/1701.05517). It sums to one over the
    levels, so that bits per dimension are exact.

    Args:
        num_components: int >= 1, the logistics that each channel of a pixel is a mixture of.
        levels: int >= 2, L.

    Input shape:
        x: `(B, *event)` of k/(L-1), k = 0 ... L-1. Parameters of a channel: locations,
        log-scales, and, for a mixture, logits of the weights.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> import numpy as np
    >>> x = (np.arange(256, dtype="float32") / 255)[:, None]
    >>> params = np.tile(np.float32([0.3, -2.0]), (256, 1))
    >>> likelihood = DiscretizedLogistic()
    >>> round(float(np.exp(likelihood.log_prob(x, params)).sum()), 4)
    1.0
    """

    is_discrete = True
    mean_range = (0.0, 1.0)

    # Scales of a tenth of 1/255 and of 150 images: float32 holds the differences between.
    _MIN_LOG_SCALE, _MAX_LOG_SCALE = -8.0, 5.0
    # An untrained decoder spreads over some tenth of the range.
    _FIRST_LOG_SCALE = -2.0

    def __init__(self, num_components=1, levels=256, **kwargs):
        super().__init__(**kwargs)
        self.num_components = checks.integer("num_components", num_components, 1)
        self.levels = checks.integer("levels", levels, 2)
        self.params_per_channel = 2 if num_components == 1 else 3 * self.num_components

    def check(self, x):
        steps = np.multiply(x, self.levels - 1, dtype="float32")
        if x.min() < 0 or x.max() > 1 or np.abs(steps - np.round(steps)).max() > 1e-2:
            self._refuse(
                f"multiples of 1/{self.levels - 1} in [0, 1], pixels of {self.levels} levels,",
                x,
                "Divide 8-bit pixels by 255, and neither smooth nor resize them afterwards; for "
                "pixels of another depth give `levels`, as many as there are.",
            )

    def element_log_prob(self, x, params, training=False):
        locations, log_scales, log_weights = self._mixture(params)
        x = x[..., None]
        half = 0.5 / (self.levels - 1)
        precisions = ops.exp(-log_scales)
        upper = (x + half - locations) * precisions
        lower = (x - half - locations) * precisions
        # log(S(b) - S(a)) = log S(b) + log S(-a) + log(1 - exp(a - b)), each without cancellation.
        # 1 - exp(-w) = 2 t / (1 + t) of t = tanh(w / 2), which every format has.
        tanh = ops.tanh(half * precisions)
        log_width = ops.log(2.0 * tanh) - ops.log(1.0 + tanh)
        inside = _log_sigmoid(upper) + _log_sigmoid(-lower) + log_width
        each = ops.where(x < half, _log_sigmoid(upper), inside)
        each = ops.where(x > 1.0 - half, _log_sigmoid(-lower), each)
        return ops.logsumexp(log_weights + each, axis=-1)

    def level_probs(self, params):
        # By the distribution function between the levels, a sigmoid for each of them.
        locations, log_scales, log_weights = self._mixture(params)
        edges = (np.arange(self.levels - 1, dtype="float32") + 0.5) / (self.levels - 1)
        below, above = 0.0, 0.0
        for index in range(self.num_components):
            location, log_scale, log_weight = (
                part[..., index, None] for part in (locations, log_scales, log_weights)
            )
            place = (edges - location) * ops.exp(-log_scale)
            below = below + ops.exp(log_weight) * ops.sigmoid(place)
            # Not 1 less the rest, which rounding may leave below 0.
            above = above + ops.exp(log_weight) * ops.sigmoid(-place[..., -1:])
        inside = below[..., 1:] - below[..., :-1]
        return ops.concatenate([below[..., :1], inside, above], axis=-1)

    def mean(self, params):
        """Return the mean of the logistics, cut at 0 and 1.

        It differs from the mean of the levels by less than half a level, and by no more than
        0.011 of one where a scale is a level or more.

        Args:
            params: float tensor `(..., *params_shape)`.
        """
        locations, log_scales, log_weights = self._mixture(params)
        scales = ops.exp(log_scales)
        each = ops.softplus(locations / scales) - ops.softplus((locations - 1.0) / scales)
        return ops.sum(ops.exp(log_weights) * scales * each, axis=-1)

    def sample(self, params, seed):
        locations, log_scales, log_weights = self._mixture(params)
        pair = ops.concatenate([locations[..., :1]] * 2, axis=-1)
        uniforms = event_noise(random.uniforms, pair, seed)
        above = uniforms[..., :1] > ops.cumsum(ops.exp(log_weights), axis=-1)[..., :-1]
        index = ops.sum(ops.cast(above, "int32"), axis=-1)
        chosen = ops.one_hot(index, self.num_components)
        location = ops.sum(chosen * locations, axis=-1)
        scale = ops.sum(chosen * ops.exp(log_scales), axis=-1)
        place = uniforms[..., 1]
        x = location + scale * (ops.log(place) - ops.log1p(-place))
        top = self.levels - 1
        return ops.clip(ops.floor(x * top + 0.5), 0.0, top) / top

    def bias(self, mean):
        mean = np.asarray(mean, "float32")
        count = self.num_components
        # Components side by side, so that they can part.
        spread = np.linspace(-0.2, 0.2, count) if count > 1 else np.zeros(1)
        shape = (*mean.shape[:-1], mean.shape[-1] * self.params_per_channel)

        def params_of(centre):
            parts = [centre + offset for offset in spread]
            parts += [np.full_like(centre, self._FIRST_LOG_SCALE)] * count
            parts += [np.zeros_like(centre)] * (self.params_per_channel - 2 * count)
            return np.stack(parts, axis=-1).reshape(shape).astype("float32")

        # What is cut at 0 and 1 moves the mean away from the centre.
        centre = logits_of_means(np.clip(mean, 0.01, 0.99), lambda c: self.mean(params_of(c)))
        return params_of(centre)

    def _mixture(self, params):
        """Return locations, log-scales and log-weights, each `(..., *event, num_components)`."""
        grouped = self._grouped(params)
        count = self.num_components
        # Cut as a matrix: TFLite cuts tensors of no more than five axes.
        flat = ops.reshape(grouped, (-1, self.params_per_channel))
        locations, log_scales, *log_weights = (
            ops.reshape(flat[:, start : start + count], (*ops.shape(grouped)[:-1], count))
            for start in range(0, self.params_per_channel, count)
        )
        log_scales = ops.clip(log_scales, self._MIN_LOG_SCALE, self._MAX_LOG_SCALE)
        if count == 1:
            return locations, log_scales, ops.zeros_like(locations)
        return locations, log_scales, ops.log_softmax(log_weights[0], axis=-1)

    def get_config(self):
        own = {"num_components": self.num_components, "levels": self.levels}
        return {**super().get_config(), **own}


def _log_sigmoid(x):
    return -ops.softplus(-x)
