"""Bounds on log p(x) for given examples, in chunks that bound the memory.

The draws of an example are a function of (seed, row, sample), so that neither the size of a chunk
nor the number of examples beside it changes them.
"""

import math
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_vae import random
from keras_vae.checks import integer, message
from keras_vae.shapes import check_event

__all__ = ["Bounds", "elbo", "estimate", "log_prob"]

# What is decoded at a time, unless the caller says otherwise: so many numbers, made from so many
# parameters, for at most so many draws of z. A decoder takes some hundred megabytes then.
_CHUNK_NUMBERS, _CHUNK_PARAMS, _MAX_CHUNK = 1_600_000, 16_000_000, 8_000


class Bounds(NamedTuple):
    """Estimates for B examples, each `(B,)` float64 in nats.

    Attributes:
        log_px: E_q[log p(x|z)], the mean over the draws.
        kl: KL(q(z|x) || p(z)), in closed form where the prior has one, else the mean over the
            same draws.
        log_prob: the importance-weighted bound on log p(x).
        effective_samples: (sum w)^2 / sum w^2 of the importance weights w, from 1 to the number
            of draws (Kong et al. 1994, https://doi.org/10.1080/01621459.1994.10476469).
    """

    log_px: np.ndarray
    kl: np.ndarray
    log_prob: np.ndarray
    effective_samples: np.ndarray


def elbo(vae, x, num_samples=1, seed=None, chunk_size=None, label=None):
    """Return the evidence lower bound of each example.

    ELBO = E_q[log p(x|z)] - KL(q(z|x) || p(z)) (Kingma & Welling 2014, eq. 3,
    https://arxiv.org/abs/1312.6114).

    Args:
        vae: `VAE`.
        x: array `(B, *event)`.
        num_samples: int >= 1, draws of z for each example.
        seed: None, int, or B row seeds (int32).
        chunk_size: int >= 1, draws that are decoded at a time; by default what memory allows.
        label: None, or the labels of a `ConditionalVAE`: one for all, or B of them.

    Output shape:
        `(B,)`, a NumPy array of float64, nats.

    Raises:
        ValueError: if `num_samples` or `chunk_size` is below 1, or x does not fit the model.
    """
    estimates = estimate(vae, x, num_samples, seed, chunk_size, label)
    return estimates.log_px - estimates.kl


def log_prob(vae, x, num_samples=500, seed=None, chunk_size=None, label=None):
    """Return the importance-weighted lower bound on log p(x) of each example.

    log (1/K) sum_k p(x, z_k) / q(z_k|x), which tightens as K grows (Burda et al. 2016, eq. 8,
    https://arxiv.org/abs/1509.00519). Arguments, output and errors are those of `elbo`.
    """
    return estimate(vae, x, num_samples, seed, chunk_size, label).log_prob


def estimate(vae, x, num_samples=500, seed=None, chunk_size=None, label=None):
    """Return the `Bounds` of each example, all from the same draws; arguments as for `elbo`."""
    integer("num_samples", num_samples, 1)
    x = check_batch(vae, x)
    if chunk_size is None:
        chunk_size = draws_that_fit(vae)
    integer("chunk_size", chunk_size, 1)
    seeds, labels = random.as_row_seeds(seed, len(x)), vae.labels(label, len(x))
    draws_at_once = min(num_samples, chunk_size)
    rows_at_once = max(1, chunk_size // draws_at_once)
    totals = []
    for row in range(0, len(x), rows_at_once):
        rows = slice(row, row + rows_at_once)
        total = None
        for first in range(0, num_samples, draws_at_once):
            samples = np.arange(first, min(first + draws_at_once, num_samples), dtype=np.int32)
            drawn = x[rows], seeds[rows], samples
            if labels is None:
                part = _totals(vae.seeded_terms(*drawn))
            else:
                part = _totals(vae.labelled_terms(*drawn, labels[rows]))
            total = part if total is None else _add(total, part)
        totals.append(total)
    log_px, kl, log_weight, log_square = np.concatenate(totals, axis=-1)
    refuse_nan(log_px + kl + log_weight)
    return Bounds(
        log_px / num_samples,
        kl / num_samples,
        log_weight - np.log(num_samples),
        np.exp(2.0 * log_weight - log_square),
    )


def draws_that_fit(vae):
    """Return how many draws of z can be decoded at a time, for the VAE's data and decoder.

    Args:
        vae: `VAE`, built.
    """
    params_shape = vae.likelihood.params_shape(vae.event_shape)
    limits = (
        _MAX_CHUNK,
        _CHUNK_NUMBERS // math.prod(vae.event_shape),
        _CHUNK_PARAMS // math.prod(params_shape),
    )
    return max(1, min(limits))


def _totals(terms):
    """Return what can be added over draws.

    The sums of log p(x|z) and KL, and the logarithms of the sums of the weights and their squares.
    """
    log_px, log_pz, log_qz = (
        ops.convert_to_numpy(term).astype(np.float64)
        for term in (terms.log_px, terms.log_pz, terms.log_qz)
    )
    kl = ops.convert_to_numpy(terms.kl_estimate).astype(np.float64) * len(log_px)
    log_weights = log_px + log_pz - log_qz
    # What is NaN is refused at the end.
    with np.errstate(invalid="ignore"):
        sums = [np.logaddexp.reduce(power * log_weights, axis=0) for power in (1.0, 2.0)]
    return np.stack([log_px.sum(0), kl, *sums])


def _add(totals, more):
    with np.errstate(invalid="ignore"):
        return np.stack([*(totals[:2] + more[:2]), *np.logaddexp(totals[2:], more[2:])])


def refuse_nan(log_prob):
    """Raise `ValueError` if a model gives NaN for examples, an array `(B,)`.

    Args:
        log_prob: float array `(B,)`, nats.
    """
    count = int(np.isnan(log_prob).sum())
    if count:
        raise ValueError(
            message(
                "The model must give numbers",
                f"NaN for {count} of {len(log_prob)} examples",
                "Its weights are not finite, or too large: train it again, with a lower learning "
                "rate.",
            )
        )


def check_batch(vae, x):
    """Return x as float32, or raise `ValueError` if it does not fit the model.

    Args:
        vae: `VAE`.
        x: array or list, to be `(B, *event)`.
    """
    if not hasattr(x, "__array__") and not isinstance(x, (list, tuple)):
        raise ValueError(
            message(
                "The examples must be an array",
                type(x).__name__,
                "Of a data set, take some: keras_vae.evaluation.first_examples(dataset, 100).",
            )
        )
    x = np.asarray(x)
    if not vae.built:
        vae.build((None, *x.shape[1:]))
    check_event(x.shape, vae.event_shape)
    vae.likelihood.check_values(x)
    return x.astype("float32")
