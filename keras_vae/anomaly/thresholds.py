"""From scores of normal examples to a threshold: by a quantile, or with a guaranteed rate.

As in scikit-learn, a lower score is more abnormal here.
"""

import math

import numpy as np

from keras_vae.checks import message, number


def quantile(scores, contamination):
    """Return the threshold below which a share of the scores lies.

    Args:
        scores: array `(N,)`.
        contamination: float in (0, 0.5], the share.

    Raises:
        ValueError: if the share is out of its range.

    Example:

    >>> float(quantile([1.0, 2.0, 3.0, 4.0, 5.0], 0.25))
    2.0
    """
    number("contamination", contamination, above=0, maximum=0.5)
    return np.quantile(np.asarray(scores, "float64"), contamination)


def conformal(calibration, false_alarm_rate):
    """Return the threshold below which new normal examples fall at most that often.

    A normal example that is exchangeable with the calibration examples falls below the m-th
    smallest of their n scores with a probability of at most m / (n + 1); m is the largest number
    that keeps this within the rate. The guarantee is over the draw of both: the rate of a single
    calibration scatters around it (Vovk et al. 2005; Bates et al. 2023, section 2,
    https://arxiv.org/abs/2104.08279).

    Args:
        calibration: array `(n,)`, scores of normal examples that nothing was learnt from.
        false_alarm_rate: float in (0, 1).

    Raises:
        ValueError: if there are too few scores for the rate.

    Example:

    >>> float(conformal([5.0, 1.0, 4.0, 2.0, 3.0, 6.0, 7.0, 8.0, 9.0], 0.2))
    2.0
    """
    scores = np.sort(np.asarray(calibration, "float64"))
    return scores[place(len(scores), false_alarm_rate) - 1]


def place(count, false_alarm_rate):
    """Return which of `count` calibration scores, the smallest being 1, is the threshold.

    Args:
        count: int, how many scores there are.
        false_alarm_rate: float in (0, 1).

    Raises:
        ValueError: if there are too few scores for the rate.
    """
    rate = number("false_alarm_rate", false_alarm_rate, above=0, below=1)
    # A rate such as 0.1 is a little more or less than its float.
    found = math.floor(rate * (count + 1) * (1 + 1e-12))
    if found < 1:
        raise ValueError(
            message(
                f"A false-alarm rate of {rate:g} needs at least {math.ceil(1 / rate) - 1} "
                "calibration examples",
                f"{count}",
                f"Ask for {math.ceil(1e4 / (count + 1)) / 1e4:g} or more, or give more of them: a "
                "run has its validation part, whose share is --validation-fraction in training.",
            )
        )
    return min(found, count)


def p_values(scores, calibration):
    """Return how often normal examples are as abnormal: (1 + those below or equal) / (n + 1).

    Of a normal example it is at most p with a probability of at most p (Bates et al. 2023, eq. 2).

    Args:
        scores: array `(N,)`.
        calibration: array `(n,)`, as for `conformal`.

    Output shape:
        `(N,)`, in (0, 1].

    Example:

    >>> p_values([0.0, 2.5], [1.0, 2.0, 3.0]).tolist()
    [0.25, 0.75]
    """
    calibration = np.sort(np.asarray(calibration, "float64"))
    below = np.searchsorted(calibration, np.asarray(scores, "float64"), side="right")
    return (1.0 + below) / (len(calibration) + 1.0)
