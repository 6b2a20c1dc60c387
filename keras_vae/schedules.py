"""Values that change with the training step, computed in the graph."""

import abc
import math

import keras
from keras import ops

from keras_vae import checks
from keras_vae.registry import register


class Schedule(abc.ABC):
    """Base class of a value that goes from `initial` to `final` in some part of the training.

    Give its length in steps, or as a share of the training that `fit` is asked for.

    Args:
        steps: int >= 1, training steps until it is over.
        share: float in (0, 1], the same as a share of all steps.
        initial: float >= 0, the value at step 0.
        final: float >= 0, the value once it is over.

    Raises:
        ValueError: if an argument is out of its range, or not one of `steps` and `share` is given.
    """

    def __init__(self, steps=None, share=None, initial=0.0, final=1.0):
        if (steps is None) == (share is None):
            raise ValueError(
                checks.message(
                    "One of `steps` and `share` must be given",
                    f"steps={steps!r}, share={share!r}",
                    "Write steps=1000, or share=0.2 for a fifth of the training.",
                )
            )
        self.steps = None if steps is None else checks.integer("steps", steps, 1)
        self.share = None if share is None else checks.number("share", share, above=0, maximum=1)
        self.initial = checks.number("initial", initial, minimum=0)
        self.final = checks.number("final", final, minimum=0)

    def __call__(self, step, total_steps=0):
        """Return the value, a float32 scalar tensor.

        Args:
            step: integer scalar tensor, the steps made so far.
            total_steps: integer scalar tensor, those of the whole training.
        """
        length = self.steps
        if length is None:
            length = ops.maximum(self.share * ops.cast(total_steps, "float32"), 1.0)
        progress = ops.minimum(ops.cast(step, "float32") / length, 1.0)
        return self.initial + (self.final - self.initial) * self.rise(progress)

    @abc.abstractmethod
    def rise(self, progress):
        """Return the share of the way from `initial` to `final` at `progress` in [0, 1].

        Args:
            progress: float32 scalar tensor in [0, 1].
        """

    def length(self, total_steps):
        """Return the steps until it is over, in a training of `total_steps`.

        Args:
            total_steps: int >= 1.
        """
        return self.steps if self.steps is not None else math.ceil(self.share * total_steps)

    def get_config(self):
        names = ("steps", "share", "initial", "final")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@register
class LinearWarmup(Schedule):
    """Rise linearly from `initial` to `final`, then stay.

    Warming up the weight of the KL lets the decoder learn to use z before the prior pulls on it
    (Bowman et al. 2016, https://arxiv.org/abs/1511.06349; Sonderby et al. 2016,
    https://arxiv.org/abs/1602.02282).

    Args:
        steps: int >= 1, training steps until it is over.
        share: float in (0, 1], the same as a share of all steps.
        initial: float >= 0, the value at step 0.
        final: float >= 0, the value once it is over.

    Raises:
        ValueError: if an argument is out of its range, or not one of `steps` and `share` is given.

    Example:

    >>> float(LinearWarmup(steps=100)(25))
    0.25
    """

    def rise(self, progress):
        return progress


@register
class SigmoidWarmup(Schedule):
    """Rise along a sigmoid curve from `initial` to `final`, then stay (Bowman et al. 2016).

    Args:
        steps: int >= 1, training steps until it is over.
        share: float in (0, 1], the same as a share of all steps.
        initial: float >= 0, the value at step 0.
        final: float >= 0, the value once it is over.

    Raises:
        ValueError: if an argument is out of its range, or not one of `steps` and `share` is given.

    Example:

    >>> float(SigmoidWarmup(steps=100)(50))
    0.5
    """

    # The sigmoid from -6 to 6, stretched to begin at 0 and end at 1.
    _REACH = 6.0

    def rise(self, progress):
        low = 1.0 / (1.0 + math.exp(self._REACH))
        curve = ops.sigmoid(self._REACH * (2.0 * progress - 1.0))
        return (curve - low) / (1.0 - 2.0 * low)


@register
class CyclicalWarmup(Schedule):
    """Rise linearly and stay, several times over; after the last cycle stay at `final`.

    Fu et al. 2019, eq. 6, https://arxiv.org/abs/1903.10145.

    Args:
        steps: int >= 1, training steps of all cycles together.
        share: float in (0, 1], the same as a share of all steps.
        cycles: int >= 1, how many.
        ramp: float in (0, 1], the share of a cycle in which the value rises.
        initial: float >= 0, the value at the beginning of each cycle.
        final: float >= 0, the value at the end of each cycle.

    Raises:
        ValueError: if an argument is out of its range, or not one of `steps` and `share` is given.

    Example:

    >>> schedule = CyclicalWarmup(steps=100, cycles=2)
    >>> [float(schedule(step)) for step in (0, 25, 49, 50, 100)]
    [0.0, 1.0, 1.0, 0.0, 1.0]
    """

    def __init__(self, steps=None, share=None, cycles=4, ramp=0.5, initial=0.0, final=1.0):
        super().__init__(steps, share, initial, final)
        self.cycles = checks.integer("cycles", cycles, 1)
        self.ramp = checks.number("ramp", ramp, above=0, maximum=1)

    def rise(self, progress):
        place = progress * self.cycles
        risen = ops.minimum((place - ops.floor(place)) / self.ramp, 1.0)
        return ops.where(progress < 1.0, risen, 1.0)

    def get_config(self):
        return {**super().get_config(), "cycles": self.cycles, "ramp": self.ramp}


def get(name, value, fix=""):
    """Return a schedule from one or its config, or a number >= 0 as it is.

    Args:
        name: str, the argument, for the error.
        value: `Schedule`, its config (dict), or a number.
        fix: str, for the error.
    """
    if isinstance(value, dict):
        value = keras.saving.deserialize_keras_object(value)
    if isinstance(value, Schedule):
        return value
    return checks.number(name, value, minimum=0, fix=fix)


def to_config(value):
    """Return what a config holds of a schedule or a number.

    Args:
        value: `Schedule` or a number.
    """
    return keras.saving.serialize_keras_object(value) if isinstance(value, Schedule) else value
