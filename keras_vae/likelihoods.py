"""p(x|z): what the decoder's output means as a distribution over the data."""

import abc
import math

import keras
from keras import ops

from keras_vae import checks, random
from keras_vae.distributions import bernoulli_log_prob, normal_log_prob, sum_event
from keras_vae.registry import Part, register, resolve


class Likelihood(Part, abc.ABC):
    """Base class of p(x|z) as a function of the decoder's output, the parameters.

    The parameters of a channel stand side by side on the last axis, channel by channel.

    Attributes:
        params_per_channel: int, how many numbers the decoder gives for a channel.
        is_discrete: bool, whether `log_prob` is a probability rather than a density.
        is_binary: bool, whether it is one of zeros and ones alone.
    """

    params_per_channel = 1
    is_discrete = False
    is_binary = False

    def params_shape(self, event_shape):
        """Return the shape that the decoder must give for one example of `event_shape`."""
        return (*event_shape[:-1], event_shape[-1] * self.params_per_channel)

    @abc.abstractmethod
    def log_prob(self, x, params):
        """Return log p(x|z) in nats, summed over the event.

        Args:
            x: float tensor `(B, *event)`.
            params: float tensor `(..., B, *params_shape)`.

        Output shape:
            `(..., B)`.
        """

    @abc.abstractmethod
    def mean(self, params):
        """Return the mean of p(x|z), `(..., *event)`."""

    @abc.abstractmethod
    def sample(self, params, seed):
        """Draw x from p(x|z).

        Args:
            params: float tensor `(B, *params_shape)`.
            seed: None, int, or the row seeds: a list or array of B int32.

        Output shape:
            `(B, *event)`.
        """

    def check(self, x):
        """Raise `ValueError` if the NumPy array x holds values that p(x|z) has no place for."""

    @abc.abstractmethod
    def bias(self, mean):
        """Return the decoder's last bias with which an untrained decoder gives `mean`.

        Args:
            mean: NumPy array that broadcasts to the event, such as the mean training image.

        Output shape:
            `mean`'s, its last axis times `params_per_channel`.
        """

    def _split(self, params):
        """Return the parameters of each channel apart, `params_per_channel` tensors."""
        shape = (*ops.shape(params)[:-1], -1, self.params_per_channel)
        grouped = ops.reshape(params, shape)
        return [grouped[..., index] for index in range(self.params_per_channel)]


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

    def check(self, x):
        low, high = x.min(), x.max()
        if low < 0 or high > 1:
            raise ValueError(
                checks.message(
                    "`x` must hold values in [0, 1] for a Bernoulli likelihood",
                    f"{x.dtype} values from {low:g} to {high:g}",
                    "Divide 8-bit pixels by 255, or let keras_vae.data.load(x) do it.",
                )
            )

    def log_prob(self, x, params):
        return sum_event(bernoulli_log_prob(x, params), len(x.shape) - 1)

    def mean(self, params):
        return ops.sigmoid(params)

    def sample(self, params, seed):
        uniforms = _event_noise(random.uniforms, params, seed)
        return ops.cast(uniforms < ops.sigmoid(params), "float32")

    def bias(self, mean):
        mean = ops.clip(ops.convert_to_tensor(mean, "float32"), 0.01, 0.99)
        return ops.convert_to_numpy(ops.log(mean) - ops.log1p(-mean))


@register
class Gaussian(Likelihood):
    """Continuous data: p(x|z) = N(decoder(z), scale^2), a density in differential nats.

    Args:
        scale: float >= 1e-4 for a fixed standard deviation; "learned" for one that is trained and
            shared by all elements; "per_element" for one that the decoder gives for each element:
            its last axis then holds, for each channel, a mean and a log-variance.

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

    def __init__(self, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        if isinstance(scale, str):
            checks.choice("scale", scale, ("learned", "per_element"))
        else:
            scale = checks.number("scale", scale, minimum=1e-4)
        self.scale = scale
        self.params_per_channel = 2 if scale == "per_element" else 1
        self.log_var = None
        if scale == "learned":
            # Near the spread of pixels; from 1 on, it takes thousands of steps to shrink.
            start = keras.initializers.Constant(2.0 * math.log(0.25))
            self.log_var = self.add_weight(name="log_var", shape=(), initializer=start)

    def log_prob(self, x, params):
        mean, log_var = self._mean_and_log_var(params)
        return sum_event(normal_log_prob(x, mean, log_var), len(x.shape) - 1)

    def mean(self, params):
        return self._mean_and_log_var(params)[0]

    def sample(self, params, seed):
        mean, log_var = self._mean_and_log_var(params)
        return mean + ops.exp(0.5 * log_var) * _event_noise(random.normals, mean, seed)

    def bias(self, mean):
        mean = ops.convert_to_tensor(mean, "float32")
        parts = [mean, ops.zeros_like(mean)][: self.params_per_channel]
        shape = (*mean.shape[:-1], mean.shape[-1] * self.params_per_channel)
        return ops.convert_to_numpy(ops.reshape(ops.stack(parts, axis=-1), shape))

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}

    def _mean_and_log_var(self, params):
        if self.scale == "per_element":
            mean, log_var = self._split(params)
            return mean, ops.clip(log_var, self._MIN_LOG_VAR, self._MAX_LOG_VAR)
        if self.scale == "learned":
            log_var = ops.convert_to_tensor(self.log_var)
            return params, ops.clip(log_var, self._MIN_LOG_VAR, self._MAX_LOG_VAR)
        return params, ops.convert_to_tensor(2.0 * math.log(self.scale), "float32")


def _event_noise(draw, like, seed):
    rows, event = like.shape[0], like.shape[1:]
    seeds = random.as_row_seeds(seed, rows)
    return ops.reshape(draw(seeds, math.prod(event), stream=random.PIXELS), (rows, *event))


NAMES = {"bernoulli": Bernoulli, "gaussian": Gaussian}


def get(value):
    """Return the likelihood that a name, an instance or a config stands for."""
    return resolve("likelihood", value, Likelihood, NAMES)
