"""Log-densities, divergences and averages, in nats."""

import math

from keras import ops

LOG_TWO_PI = math.log(2.0 * math.pi)


def normal_log_prob(x, mean, log_var):
    """Return the log-density of a normal distribution, element by element.

    Args:
        x, mean, log_var: float tensors of shapes that broadcast.

    Output shape:
        the broadcast shape, in nats.
    """
    return -0.5 * (LOG_TWO_PI + log_var + ops.square(x - mean) * ops.exp(-log_var))


def bernoulli_log_prob(x, logits):
    """Return x log p + (1 - x) log (1 - p) for p = sigmoid(logits), element by element.

    It is the log-probability of a Bernoulli variable where x is 0 or 1.

    Args:
        x: float tensor in [0, 1].
        logits: float tensor of a shape that broadcasts with `x`.

    Output shape:
        the broadcast shape, in nats.
    """
    return x * logits - ops.softplus(logits)


def unit_kl(z_mean, z_log_var):
    """Return KL(N(z_mean, exp(z_log_var)) || N(0, 1)) of each latent unit.

    Args:
        z_mean, z_log_var: float tensors `(B, D)`.

    Output shape:
        `(B, D)`, in nats.

    Reference:
        Kingma & Welling 2014, appendix B, https://arxiv.org/abs/1312.6114.
    """
    return 0.5 * (ops.exp(z_log_var) + ops.square(z_mean) - 1.0 - z_log_var)


def standard_normal_kl(z_mean, z_log_var):
    """Return `unit_kl` summed over the latent units, `(B,)` nats.

    Args:
        z_mean, z_log_var: float tensors `(B, D)`.
    """
    return ops.sum(unit_kl(z_mean, z_log_var), axis=-1)


def log_mean_exp(log_values, axis=0):
    """Return log(mean(exp(log_values))) over one axis, without overflow.

    Args:
        log_values: float tensor, in nats.
        axis: int, which the output lacks.
    """
    count = ops.cast(ops.shape(log_values)[axis], log_values.dtype)
    return ops.logsumexp(log_values, axis=axis) - ops.log(count)


def sum_event(values, event_rank):
    """Sum over the last `event_rank` axes: from one number per element to one per example.

    Args:
        values: float tensor `(..., *event)`.
        event_rank: int >= 0, the number of axes of an event.

    Output shape:
        `(...)`.
    """
    return ops.sum(values, axis=tuple(range(-event_rank, 0)))
