"""The checks behind a diagnosis: each looks at the evidence, and gives a finding or None."""

from typing import NamedTuple

import numpy as np

from keras_vae import bounds, objectives

# A unit that can tell less of x than this, in nats, tells nothing.
_COLLAPSED = 0.01
# Where the log-variance is clipped, but for rounding.
_CLIPPED = 19.9


class Finding(NamedTuple):
    """One thing that is wrong.

    Attributes:
        problem: str, its name.
        evidence: str, the numbers that show it.
        change: str, what to do about it.
    """

    problem: str
    evidence: str
    change: str

    def __str__(self):
        return f"{self.problem}: {self.evidence} {self.change}"


class Evidence(NamedTuple):
    """What the checks look at: the VAE, and what was measured of held-out and training data."""

    vae: object
    x: np.ndarray
    z_mean: np.ndarray
    information: np.ndarray
    z_log_var: np.ndarray
    held_out: bounds.Bounds
    train: object
    aggregate: dict

    @property
    def rate(self):
        return float(self.held_out.kl.mean())

    @property
    def prior_gap(self):
        """How far q(z) lies from the prior at least, in nats, as far as the examples can tell."""
        gap = self.aggregate.get("dimension_wise_kl", 0.0)
        if "aggregate_note" in self.aggregate:
            return gap
        return max(gap, self.aggregate.get("marginal_kl", 0.0))


def _grey_pixels(evidence):
    grey = float(np.mean(evidence.vae.likelihood.is_grey(evidence.x)))
    if not grey:
        return None
    return Finding(
        "grey pixels under a Bernoulli",
        f"{grey:.0%} of the values lie between 0 and 1.",
        'The loss is a cross-entropy and no likelihood. Binarise the data (binarize="dynamic"), or '
        'use likelihood="continuous_bernoulli", or for 8-bit pixels "discretized_logistic".',
    )


def _collapse(evidence):
    collapsed = np.flatnonzero(evidence.information < _COLLAPSED)
    count, size = len(collapsed), len(evidence.information)
    if not count:
        return None
    units = ", ".join(map(str, collapsed[:20])) + (", ..." if count > 20 else "")
    share = f"{count} of {size} latent units carry less than {_COLLAPSED} nats: {units}."
    if _weight(evidence.vae)[0] > 1:
        change = "Lower beta: it weights the KL more than the ELBO does."
    elif count == size:
        change = (
            "The decoder ignores z. Warm the weight of the KL up (LinearWarmup(share=0.2)), give "
            "free_bits, or a lower learning rate; see that the decoder's first layers are alive."
        )
    elif count > size // 2:
        change = "Warm the weight of the KL up, or give free_bits; or take a smaller latent_dim."
    else:
        change = "They cost nothing but time: a smaller latent_dim does the same."
    return Finding("posterior collapse", share, change)


def _weight(vae):
    """Return the final weight of the KL and its name; 1 where the objective has none."""
    if isinstance(vae.objective, objectives.InfoVAE):
        return 1.0 - vae.objective.alpha, "1 - alpha"
    return vae.objective.value("beta") if hasattr(vae.objective, "beta") else 1.0, "beta"


def _kl_weight(evidence):
    weight, name = _weight(evidence.vae)
    rate, gap = evidence.rate, evidence.prior_gap
    if weight > 1 and np.mean(evidence.information < _COLLAPSED) >= 0.5:
        return Finding(
            "the weight of the KL dominates",
            f"{name} is {weight:g}, and the rate is {rate:.2f} nats.",
            "Lower beta towards 1, or give the KL a capacity.",
        )
    if weight < 1 and gap > 0.25 * rate:
        return Finding(
            "the weight of the KL vanishes",
            f"{name} is {weight:g}; {gap:.1f} of the rate's {rate:.1f} nats are the distance of "
            "the aggregate posterior from the prior.",
            "Draws from the prior decode to nothing the decoder has seen. "
            f"Raise {name} towards 1, or fit a prior: "
            'vae.fit_prior("real_nvp", data).',
        )
    return None


def _warm_up(evidence):
    objective = evidence.vae.objective
    for name in objective.scheduled:
        now, final = float(objective.value(name, training=True)), objective.value(name)
        steps = int(objective.step.numpy())
        if abs(now - final) > 0.01 * max(abs(final), 1e-6):
            return Finding(
                "a warm-up that never finished",
                f"`{name}` is {now:.3g} after {steps} steps, and would end at {final:g}.",
                "Train longer, or make the warm-up shorter, by share=0.2 in place of steps.",
            )
    return None


def _saturation(evidence):
    at_limit = np.abs(evidence.z_log_var) > _CLIPPED
    if not at_limit.any():
        return None
    units = np.flatnonzero(at_limit.any(axis=0))
    return Finding(
        "saturated log-variances",
        f"{at_limit.mean():.1%} of them are at a limit of 20, in the units "
        f"{', '.join(map(str, units[:20]))}: no gradient passes there.",
        "Lower the learning rate, scale the data to about 1, or fix the likelihood's scale.",
    )


def _prior_gap(evidence):
    gap, rate = evidence.prior_gap, evidence.rate
    if gap < 2.0 or gap < 0.2 * rate:
        return None
    return Finding(
        "a prior far from the aggregate posterior",
        f"KL(q(z) || p(z)) is {gap:.1f} of the rate's {rate:.1f} nats, by {len(evidence.x)} "
        "examples.",
        'Fit one to it: vae.fit_prior("real_nvp", data), or train with prior="real_nvp".',
    )


def _over_fitting(evidence):
    if evidence.train is None:
        return None

    def inference_gap(found):
        return found.log_prob - (found.log_px - found.kl)

    train, held_out = (inference_gap(found) for found in (evidence.train, evidence.held_out))
    difference = held_out.mean() - train.mean()
    error = np.hypot(held_out.std() / len(held_out) ** 0.5, train.std() / len(train) ** 0.5)
    if difference > max(1.0, 0.3 * train.mean(), 3.0 * error):
        return Finding(
            "over-fitting of the encoder",
            f"log p(x) lies {held_out.mean():.1f} nats above the ELBO of held-out data, and "
            f"{train.mean():.1f} above that of training data.",
            "The encoder knows the training data by heart: give it dropout, noise on its input, "
            "fewer units, or more data.",
        )
    fall = evidence.train.log_prob.mean() - evidence.held_out.log_prob.mean()
    spread = (evidence.train.log_prob, evidence.held_out.log_prob)
    error = np.sqrt(sum(values.var() / len(values) for values in spread))
    if fall > max(0.05 * abs(evidence.train.log_prob.mean()), 4.0 * error):
        return Finding(
            "over-fitting of the decoder",
            f"log p(x) is {fall:.1f} nats higher on training data than on held-out data.",
            "Stop earlier, binarise dynamically, or take a smaller decoder or more data.",
        )
    return None


CHECKS = (
    _grey_pixels,
    _collapse,
    _kl_weight,
    _warm_up,
    _saturation,
    _prior_gap,
    _over_fitting,
)
