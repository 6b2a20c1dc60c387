"""Values that change with the training step, computed in the graph."""

import abc

import keras
from keras import ops

from keras_vae import checks
from keras_vae.registry import register


class Schedule(abc.ABC):
    """Base class of a value that is a function of the training step.

    Attributes:
        final: float, the value once the schedule is over.
    """

    @abc.abstractmethod
    def __call__(self, step):
        """Return the value at `step`, a float32 scalar tensor, for an integer scalar tensor."""

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@register
class LinearWarmup(Schedule):
    """Rise linearly from `initial` to `final` in `steps` steps, then stay.

    Warming up the weight of the KL lets the decoder learn to use z before the prior pulls on it
    (Bowman et al. 2016, https://arxiv.org/abs/1511.06349; Sonderby et al. 2016,
    https://arxiv.org/abs/1602.02282).

    Args:
        steps: int >= 1, training steps.
        initial: float >= 0, the value at step 0.
        final: float >= 0, the value from step `steps` on.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> float(LinearWarmup(steps=100)(25))
    0.25
    """

    def __init__(self, steps, initial=0.0, final=1.0):
        self.steps = checks.integer("steps", steps, 1)
        self.initial = checks.number("initial", initial, minimum=0)
        self.final = checks.number("final", final, minimum=0)

    def __call__(self, step):
        progress = ops.minimum(ops.cast(step, "float32") / self.steps, 1.0)
        return self.initial + (self.final - self.initial) * progress

    def get_config(self):
        return {"steps": self.steps, "initial": self.initial, "final": self.final}


def get(name, value):
    """Return a schedule from one or its config, or a number >= 0 as it is."""
    if isinstance(value, dict):
        value = keras.saving.deserialize_keras_object(value)
    if isinstance(value, Schedule):
        return value
    return checks.number(
        name,
        value,
        minimum=0,
        fix="Use 0 for a plain autoencoder, 1 for the ELBO, or a schedule.",
    )
