"""p(x|z): what the decoder's output means as a distribution over the data."""

import abc
import math

import numpy as np
from keras import ops

from keras_vae import checks, random
from keras_vae.distributions import sum_event
from keras_vae.registry import Part


class Likelihood(Part, abc.ABC):
    """Base class of p(x|z) as a function of the decoder's output, the parameters.

    The parameters of a channel stand side by side on the last axis, channel by channel.

    Attributes:
        params_per_channel: int, how many numbers the decoder gives for a channel.
        is_discrete: bool, whether `log_prob` is a probability rather than a density.
        is_binary: bool, whether it is one of zeros and ones alone.
        levels: int, how many values an element can have, or None where there is no such number.
        mean_range: pair of floats that the mean lies between, or None.
        columns: tuple of `keras_vae.columns.Column` where x are the rows of a table, or None.
    """

    params_per_channel = 1
    is_discrete = False
    is_binary = False
    levels = None
    mean_range = None
    columns = None

    @property
    def units(self):
        """What `log_prob` is counted in."""
        return "nats of a probability" if self.is_discrete else "nats of a density"

    def params_shape(self, event_shape):
        """Return the shape that the decoder must give for one example of `event_shape`.

        Args:
            event_shape: tuple of int, the shape of one example.
        """
        return (*event_shape[:-1], event_shape[-1] * self.params_per_channel)

    def log_prob(self, x, params, training=False):
        """Return log p(x|z) in nats, summed over the event, its normalising constant included.

        Args:
            x: float tensor `(B, *event)`.
            params: float tensor `(..., B, *params_shape)`.
            training: bool, whether this is a training step, which a likelihood may learn from.

        Output shape:
            `(..., B)`.
        """
        return sum_event(self.element_log_prob(x, params, training), len(x.shape) - 1)

    def element_log_prob(self, x, params, training=False):
        """Return the part of each element in log p(x|z), which says where x is unlikely.

        Arguments as of `log_prob`, which a likelihood without such parts gives in its place.

        Output shape:
            `(..., B, *event)`.
        """
        raise ValueError(
            checks.message(
                "`likelihood` must give the log-probability of each element",
                f"{type(self).__name__}, which gives their sum alone",
                "Define element_log_prob in the place of log_prob.",
            )
        )

    def level_values(self):
        """Return the values that an element can have, `(levels,)` float32, in their order."""
        return np.linspace(0.0, 1.0, self.levels, dtype="float32")

    def level_probs(self, params):
        """Return the probability of each value of each element.

        Args:
            params: float tensor `(B, *params_shape)`.

        Output shape:
            `(B, *event, levels)`.
        """
        mean = self.mean(params)
        each = [
            self.element_log_prob(ops.full_like(mean, value), params)
            for value in self.level_values()
        ]
        return ops.exp(ops.stack(each, axis=-1))

    @abc.abstractmethod
    def mean(self, params):
        """Return the mean of p(x|z), `(..., *event)`.

        Args:
            params: float tensor `(..., *params_shape)`.
        """

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
        """Raise `ValueError` if the NumPy array x holds values that p(x|z) has no place for.

        Args:
            x: float array `(B, *event)`.
        """

    def is_grey(self, x):
        """Return where the NumPy array x lies between 0 and 1 and p(x|z) is of those two alone.

        Args:
            x: float array `(B, *event)`.
        """
        return (x > 0) & (x < 1) & self.is_binary

    def check_values(self, x):
        """Raise `ValueError` unless the NumPy array x holds finite numbers that `check` accepts.

        Args:
            x: array `(B, *event)`.
        """
        is_number = x.dtype.kind in "biuf" or x.dtype.name == "bfloat16"
        # In float32, which is what the model computes with.
        finite = x.dtype.kind in "biu" or (is_number and np.isfinite(x.astype("float32")).all())
        if not finite or not x.size:
            received = "NaN or infinity" if x.size else "none"
            if not is_number:
                received = f"values of type {x.dtype}"
            raise ValueError(checks.message("`x` must hold examples of finite numbers", received))
        self.check(x)

    def _refuse(self, expectation, x, fix):
        received = f"{x.dtype} values from {x.min():g} to {x.max():g}"
        name = type(self).__name__
        raise ValueError(checks.message(f"`x` must hold {expectation} for {name}", received, fix))

    @abc.abstractmethod
    def bias(self, mean):
        """Return the decoder's last bias with which an untrained decoder gives `mean`.

        Args:
            mean: NumPy array that broadcasts to the event, such as the mean training image.

        Output shape:
            `mean`'s, its last axis times `params_per_channel`.
        """

    def _grouped(self, params):
        """Return the parameters of each channel: `(..., *event, params_per_channel)`."""
        return ops.reshape(params, (*ops.shape(params)[:-1], -1, self.params_per_channel))

    def _split(self, params):
        """Return the parameters of each channel apart, `params_per_channel` tensors."""
        grouped = self._grouped(params)
        return [grouped[..., index] for index in range(self.params_per_channel)]


def first_largest(logits):
    """Return the place of the first of the largest on the last axis, `(...)` of float32.

    By comparisons: an argmax of Keras's does not export.
    """
    size = logits.shape[-1]
    largest = logits >= ops.max(logits, axis=-1, keepdims=True)
    return ops.min(ops.where(largest, np.arange(size, dtype="float32"), float(size)), axis=-1)


def event_noise(draw, like, seed):
    """Draw one number for each element of `like` `(B, *event)` by a function of `random`."""
    rows, event = like.shape[0], like.shape[1:]
    seeds = random.as_row_seeds(seed, rows)
    return ops.reshape(draw(seeds, math.prod(event), stream=random.PIXELS), (rows, *event))
