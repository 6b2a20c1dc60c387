"""Numbers about a trained model, with their standard errors."""

import math

import keras
import numpy as np

from keras_vae import aggregate, annealing, bounds, random
from keras_vae.checks import message
from keras_vae.progress import bar

__all__ = ["annealed", "evaluate"]

# A latent unit is active where its mean varies more than this over the data (Burda et al. 2016,
# section 5.2, https://arxiv.org/abs/1509.00519).
ACTIVE_VARIANCE = 0.01
_BATCH = 256
# The cardinality by which a data set says that it has no end.
_ENDLESS = -1
# Importance weights worth fewer draws than this say little; so many of them call for a warning.
_FEW_SAMPLES, _MANY_DEGENERATE = 2, 0.1

DENSITY_NOTE = (
    "These are differential nats: a density of continuous values can exceed 1, so that the ELBO "
    "can be positive and the NLL negative. They compare only with models of the same values."
)
GREY_NOTE = (
    "The pixels are grey, and a Bernoulli is a likelihood of binary ones: elbo and nll are "
    "cross-entropies here, not log-probabilities, and compare with no other likelihood. Binarise "
    "the data or choose a likelihood of continuous pixels."
)

LABEL_NOTE = "The model was given the label of each example: this is about log p(x|label)."


def evaluate(vae, dataset, num_samples=500, seed=0, chunk_size=None, progress=False):
    """Estimate the bounds on log p(x) and what the latent variables carry.

    Args:
        vae: `VAE`.
        dataset: batches of x, or of tuples that begin with x, such as `data.test`; or an array. To
            a `ConditionalVAE` the labels of (x, label) are given; -1 stands for none.
        num_samples: int >= 1, the draws of z per example, for all the bounds.
        seed: int; example i draws from (seed, i), so that the batch size changes nothing.
        chunk_size: int >= 1, draws that are decoded at a time.
        progress: bool, whether to show a progress bar.

    Returns:
        A flat dict. In nats per example: `elbo`, `nll` (importance-weighted), `rate` (the KL),
        `distortion`, and `elbo_standard_error`, `nll_standard_error` over the examples
        where there are several; `bits_per_dim` where x is discrete; `effective_samples` (mean)
        and `degenerate` (the share of the examples whose importance weights are worth fewer
        than two draws); what `aggregate.measures` gives, such as `mutual_information`, where
        the posterior is normal; `accuracy` of a `SemiSupervisedVAE` (the share of the labelled
        examples whose most likely class is the label); `active_units`, `latent_dim`, `num_samples`,
        `n`, `seed`; `note` where the numbers are no log-probabilities, or are given labels;
        `warning` where the weights are degenerate.

    Raises:
        ValueError: if there are no examples or an argument is out of its range.

    Reference:
        Rate and distortion: Alemi et al. 2018, https://arxiv.org/abs/1711.00464.
    """
    seed = random.check_seed(seed)
    parts, posteriors, known, right, n, grey = [], [], [], [], 0, False
    number_of_batches = _number_of_batches(dataset)
    if number_of_batches == math.inf:
        raise ValueError(
            message("`dataset` must end", "an endless one", "Write dataset.take(100).")
        )
    found = labelled_batches(vae, dataset)
    for x, label in bar(found, progress, "Evaluating", "batch", number_of_batches):
        seeds = random.row_seeds(seed, len(x), first_row=n)
        parts.append(bounds.estimate(vae, x, num_samples, seeds, chunk_size, label))
        posterior = vae.encode(x, label=label)
        known.append(_known(vae, label, len(x)))
        right.extend(_right(vae, x, label, known[-1]))
        shown = (*posterior[:2], vae.posterior.embed(posterior))
        posteriors.append(np.stack([keras.ops.convert_to_numpy(value) for value in shown]))
        grey = grey or bool(vae.likelihood.is_grey(x).any())
        n += len(x)
    if not n:
        raise ValueError(message("`dataset` must hold at least one example", "an empty one"))
    found = bounds.Bounds(*np.concatenate([np.stack(part) for part in parts], axis=-1))
    z_mean, z_log_var, centre = np.concatenate(posteriors, axis=1)
    metrics = _of_bounds(found)
    if vae.likelihood.is_discrete and not grey:
        metrics["bits_per_dim"] = metrics["nll"] / (math.prod(vae.event_shape) * math.log(2.0))
    metrics |= _of_weights(found.effective_samples, num_samples)
    if n > 1:
        metrics |= aggregate.measures(vae, z_mean, z_log_var, random.row_seeds(seed, n))
    metrics |= {
        "active_units": int((centre.var(axis=0) > ACTIVE_VARIANCE).sum()),
        "latent_dim": vae.latent_dim,
        "num_samples": num_samples,
        "n": n,
        "seed": seed,
    }
    metrics |= {"accuracy": float(np.mean(right))} if right else {}
    return metrics | _note(vae, grey, np.concatenate(known).all())


def annealed(vae, x, num_steps=100, num_chains=16, seed=0):
    """Bound log p(x) of examples from below by annealing, and show how tight such bounds are.

    From above it is only known of data that the model made: as many examples are simulated, for
    which both sides are given.

    Args:
        vae: `VAE`.
        x: array `(B, *event)`.
        num_steps: int >= 1, the steps of each path.
        num_chains: int >= 1, chains for each example.
        seed: int.

    Returns:
        A flat dict: `annealed_nll` and its standard error, of x; `simulated_nll_above` and
        `simulated_nll_below`, which enclose the NLL of simulated examples, and their difference,
        `annealed_gap`; `annealed_acceptance`, `annealed_steps`, `annealed_chains`, `annealed_n`.

    Reference:
        Wu et al. 2017, https://arxiv.org/abs/1611.04273.
    """
    found = annealing.lower_bound(vae, x, num_steps, num_chains, seed)
    simulated, z = vae.simulate(len(x), seed)
    lower = annealing.lower_bound(vae, simulated, num_steps, num_chains, seed)
    upper = annealing.upper_bound(vae, simulated, z, num_steps, num_chains, seed)
    metrics = {
        "annealed_nll": -found.log_prob.mean(),
        "annealed_nll_standard_error": _standard_error(found.log_prob),
        "simulated_nll_above": -lower.log_prob.mean(),
        "simulated_nll_below": -upper.log_prob.mean(),
        "annealed_gap": (upper.log_prob - lower.log_prob).mean(),
        "annealed_acceptance": found.acceptance.mean(),
    }
    metrics = {name: float(value) for name, value in metrics.items() if value is not None}
    numbers = {"steps": num_steps, "chains": num_chains, "n": len(x)}
    return metrics | {f"annealed_{name}": value for name, value in numbers.items()}


def first_examples(dataset, count, least=1):
    """Return the first examples of an array or of batches as an array.

    Args:
        dataset: array, or batches of x or of tuples that begin with x.
        count: int, at most so many.
        least: int, at least so many.

    Raises:
        ValueError: if there are fewer than `least`.
    """
    return first_labelled(None, dataset, count, least)[0]


def first_labelled(vae, dataset, count, least=1):
    """Return the first examples as `first_examples` does, and their labels.

    The labels are None for a model or a data set without.

    Args:
        vae: `VAE`, or None for no labels.
        dataset: array, or batches of x or of tuples that begin with x.
        count: int, at most so many.
        least: int, at least so many.
    """
    found, n = [], 0
    for pair in labelled_batches(vae, dataset):
        found.append(pair)
        n += len(pair[0])
        if n >= count:
            break
    if n < least:
        raise ValueError(message(f"There must be at least {least} examples", f"{n}"))
    xs, labels = zip(*found) if found else ([np.zeros((0,))], [None])
    has_labels = all(label is not None for label in labels)
    return np.concatenate(xs)[:count], np.concatenate(labels)[:count] if has_labels else None


def held_out(data):
    """Return the part of loaded data that no training has seen: validation, or else test.

    Args:
        data: what `keras_vae.data.load` gives.

    Raises:
        ValueError: if it has neither.
    """
    part = data.test if data.validation is None else data.validation
    if part is None:
        raise ValueError(
            message(
                "`data` must have a validation or a test part",
                "data without either",
                "Load it with validation_fraction=0.1.",
            )
        )
    return part


def _of_bounds(found):
    elbo = found.log_px - found.kl
    metrics = {
        "elbo": elbo.mean(),
        "elbo_standard_error": _standard_error(elbo),
        "nll": -found.log_prob.mean(),
        "nll_standard_error": _standard_error(found.log_prob),
        "rate": found.kl.mean(),
        "distortion": -found.log_px.mean(),
    }
    return {name: float(value) for name, value in metrics.items() if value is not None}


def _of_weights(effective_samples, num_samples):
    """Return what the importance weights are worth, and a warning where that is little."""
    metrics = {"effective_samples": float(effective_samples.mean())}
    if num_samples == 1:
        return metrics
    degenerate = metrics["degenerate"] = float(np.mean(effective_samples < _FEW_SAMPLES))
    if degenerate > _MANY_DEGENERATE:
        metrics["warning"] = (
            f"The importance weights of {degenerate:.0%} of the examples are worth fewer than "
            f"{_FEW_SAMPLES} of the {num_samples} draws: the true NLL may be far lower. Take more "
            "draws (num_samples), or bound it by annealing."
        )
    return metrics


def _note(vae, grey, given):
    """Return what the numbers are numbers of, where it is not plainly log p(x)."""
    notes = [LABEL_NOTE] if given else []
    if grey or not vae.likelihood.is_discrete:
        notes.append(GREY_NOTE if grey else DENSITY_NOTE)
    return {"note": " ".join(notes)} if notes else {}


def _standard_error(values):
    return values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else None


def _known(vae, label, rows):
    """Return which of so many rows have a label, `(rows,)`."""
    if label is None or not vae.num_classes:
        return np.full(rows, label is not None)
    return np.broadcast_to(label >= 0, (rows,))


def _right(vae, x, label, known):
    """Return whether the most likely class of each labelled x is its label; of most models none."""
    if not hasattr(vae, "classify") or not known.any():
        return []
    return (vae.classify(x[known]).argmax(axis=1) == label[known]).tolist()


def labelled_batches(vae, dataset):
    """Yield pairs of x and labels, which are None for a model or a data set without.

    Args:
        vae: `VAE`, or None for no labels.
        dataset: array, or batches of x or of tuples that begin with x.
    """
    if hasattr(dataset, "shape"):
        yield from ((x, None) for x in batches(dataset))
        return
    for batch in dataset:
        x, label = x_and_label(vae, batch)
        yield next(batches([x])), None if label is None else np.asarray(label)


def x_and_label(vae, batch):
    """Return x and labels of a batch; the labels are None for a model or a batch without.

    Args:
        vae: `VAE`, or None for no labels.
        batch: x `(B, *event)`, or a tuple that begins with x and its labels.
    """
    x, *rest = batch if isinstance(batch, tuple) else (batch,)
    return x, rest[0] if rest and getattr(vae, "takes_labels", False) else None


def batches(dataset):
    """Yield the x of each batch of a data set, or of an array, as float32 arrays.

    Args:
        dataset: array, or batches of x or of tuples that begin with x.
    """
    if hasattr(dataset, "shape"):
        dataset = [dataset[start : start + _BATCH] for start in range(0, len(dataset), _BATCH)]
    for batch in dataset:
        x = np.asarray(batch[0] if isinstance(batch, tuple) else batch)
        # What are no numbers is refused where they are looked at.
        yield x.astype("float32") if x.dtype.kind in "biuf" else x


def _number_of_batches(dataset):
    """Return how many there are, infinity of an endless data set, None where it is not known."""
    if hasattr(dataset, "shape"):
        return math.ceil(len(dataset) / _BATCH)
    try:
        return len(dataset)
    except TypeError:
        cardinality = getattr(dataset, "cardinality", lambda: None)()
        return math.inf if cardinality == _ENDLESS else None
