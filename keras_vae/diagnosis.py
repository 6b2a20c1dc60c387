"""What is wrong with a trained VAE, by what evidence, and what to change."""

import contextlib
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_vae import aggregate, bounds, evaluation, random
from keras_vae.checks import integer
from keras_vae.distributions import unit_kl
from keras_vae.findings import CHECKS, Evidence, Finding
from keras_vae.priors import StandardNormal

_MIN_EXAMPLES = 20


class Diagnosis(NamedTuple):
    """What `diagnose` found.

    Attributes:
        findings: list of `Finding`, empty where nothing is wrong.
        numbers: dict of the numbers behind it, in nats per example.
    """

    findings: list
    numbers: dict

    def __str__(self):
        lines = [f"{i}. {finding}" for i, finding in enumerate(self.findings, 1)]
        if not lines:
            lines = ["Nothing is wrong by these measures."]
        if "elbo" in self.numbers and "train_elbo" not in self.numbers:
            lines.append(
                "Over-fitting was not looked for: that takes training data too, as what "
                "keras_vae.data.load gives."
            )
        return "\n".join(lines)


def diagnose(vae, data, max_examples=1000, num_samples=50, seed=0):
    """Look for what commonly goes wrong with a VAE.

    Posterior collapse (unit by unit), a weight of the KL that dominates or vanishes, a warm-up
    that never finished, log-variances at their limits, data outside the likelihood's support, grey
    pixels under a Bernoulli, a prior far from the aggregate posterior, and an encoder or decoder
    that fits the training data alone.

    Args:
        vae: `VAE`, trained.
        data: what `keras_vae.data.load` gives, whose validation or test part is compared with
            the training part; or an array or batches of held-out examples. To a
            `ConditionalVAE` the labels of data with labels are given.
        max_examples: int >= 20, how many of each part are looked at.
        num_samples: int >= 2, draws of z for each.
        seed: int, of the draws.

    Returns:
        `Diagnosis`: its `findings`, each with evidence and the change to make; print it to read.

    Raises:
        ValueError: if there are fewer than 20 examples or they do not fit the model.
    """
    integer("max_examples", max_examples, _MIN_EXAMPLES)
    integer("num_samples", num_samples, 2)
    held_out, train = _parts(vae, data, max_examples)
    for name, (x, _) in (("held-out", held_out), ("training", train)):
        outside = None if x is None else _support(vae, name, x)
        if outside:
            return Diagnosis([outside], {})
    evidence = _gather(vae, held_out, train, num_samples, seed)
    findings = [check(evidence) for check in CHECKS]
    return Diagnosis([found for found in findings if found], _numbers(evidence))


def _gather(vae, held_out, train, num_samples, seed):
    (x, label), (train_x, train_label) = held_out, train
    seeds = random.row_seeds(seed, len(x))
    posterior = vae.encode(x, label=label)
    z_mean, z_log_var = (ops.convert_to_numpy(value) for value in posterior[:2])
    return Evidence(
        vae,
        x,
        z_mean,
        _unit_information(*_moments(vae, posterior, num_samples, seeds)),
        z_log_var,
        bounds.estimate(vae, x, num_samples, seeds, label=label),
        None
        if train_x is None
        else bounds.estimate(vae, train_x, num_samples, seed, label=train_label),
        aggregate.measures(vae, z_mean, z_log_var, seeds),
    )


def _moments(vae, posterior, num_samples, seeds):
    """Return the variance of each unit, and the mean logarithm of its variance given x: `(D,)`."""
    if vae.posterior.is_gaussian:
        z_mean, z_log_var = (
            ops.convert_to_numpy(value).astype("float64") for value in posterior[:2]
        )
        variance = z_mean.var(axis=0) + np.exp(z_log_var).mean(axis=0)
        return variance, z_log_var.mean(axis=0)
    noise = random.normals(seeds, vae.latent_dim, np.arange(num_samples, dtype="int32"))
    z = ops.convert_to_numpy(vae.posterior.sample(posterior, noise)[0]).astype("float64")
    # The mean logarithm of a variance of n + 1 normal draws is too small by so much.
    n = num_samples - 1
    too_small = 1.0 / n + 1.0 / (3.0 * n**2)
    return z.var(axis=(0, 1)), np.log(z.var(axis=0, ddof=1)).mean(axis=0) + too_small


def _unit_information(variance, mean_log_variance):
    """Return the most that each unit tells of x in nats, `(D,)`, wherever its prior lies.

    The mean KL of a normal q(z_d|x) from any one distribution bounds the information from above;
    from the normal one with the mean and variance of q(z_d) it is log(variance)/2 - E[log_var]/2.
    """
    return 0.5 * (np.log(variance) - mean_log_variance)


def _parts(vae, data, count):
    """Return x and labels, held-out ones and those of training; what is not known is None."""
    if not hasattr(data, "train"):
        return evaluation.first_labelled(vae, data, count, _MIN_EXAMPLES), (None, None)
    with getattr(data, "at_first_epoch", contextlib.nullcontext)():
        return tuple(
            evaluation.first_labelled(vae, part, count, _MIN_EXAMPLES)
            for part in (evaluation.held_out(data), data.train)
        )


def _support(vae, name, x):
    try:
        vae.likelihood.check_values(x)
    except ValueError as error:
        return Finding(
            "data outside the likelihood's support",
            f"In the {name} part: {error}",
            "Until then no number of this model means anything.",
        )
    return None


def _numbers(evidence):
    found = {
        "elbo": float((evidence.held_out.log_px - evidence.held_out.kl).mean()),
        "rate": evidence.rate,
        "distortion": float(-evidence.held_out.log_px.mean()),
        "unit_information": [float(value) for value in evidence.information],
        **evidence.aggregate,
    }
    if evidence.vae.posterior.is_gaussian and isinstance(evidence.vae.prior, StandardNormal):
        values = ops.convert_to_numpy(unit_kl(evidence.z_mean, evidence.z_log_var))
        found["unit_kl"] = [float(value) for value in values.mean(axis=0)]
    if evidence.train is not None:
        found["train_elbo"] = float((evidence.train.log_px - evidence.train.kl).mean())
    return found
