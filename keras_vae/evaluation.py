"""Numbers about a trained model, with their standard errors."""

import math

import keras
import numpy as np

from keras_vae import bounds, random
from keras_vae.checks import message
from keras_vae.progress import bar

# A latent unit is active where its mean varies more than this over the data (Burda et al. 2016,
# section 5.2, https://arxiv.org/abs/1509.00519).
ACTIVE_VARIANCE = 0.01
_BATCH = 256

DENSITY_NOTE = (
    "These are differential nats: a density of continuous pixels can exceed 1, so that the ELBO "
    "can be positive and the NLL negative. They compare only with models of the same pixels."
)
GREY_NOTE = (
    "The pixels are grey, and a Bernoulli is a likelihood of binary ones: elbo and nll are "
    "cross-entropies here, not log-probabilities, and compare with no other likelihood. Binarise "
    "the data or choose a likelihood of continuous pixels."
)


def evaluate(vae, dataset, num_samples=500, seed=0, chunk_size=None, progress=False):
    """Estimate the bounds on log p(x) and what the latent variables carry.

    Args:
        vae: `VAE`.
        dataset: batches of x, or of tuples that begin with x, such as `data.test`; or an array.
        num_samples: int >= 1, the draws of z per example, for all the bounds.
        seed: int; example i draws from (seed, i), so that the batch size changes nothing.
        chunk_size: int >= 1, draws that are decoded at a time.
        progress: bool, whether to show a progress bar.

    Returns:
        A flat dict. In nats per example: `elbo`, `nll` (importance-weighted), `rate` (the KL),
        `distortion`, and `elbo_standard_error`, `nll_standard_error` over the examples
        where there are several;
        `bits_per_dim` where x is discrete; `active_units`, `latent_dim`, `num_samples`, `n`,
        `seed`; `note` where the numbers are no log-probabilities.

    Raises:
        ValueError: if there are no examples or an argument is out of its range.

    Reference:
        Rate and distortion: Alemi et al. 2018, https://arxiv.org/abs/1711.00464.
    """
    seed = random.check_seed(seed)
    parts, means, n, binary = [], [], 0, True
    batches = _batches(dataset)
    for x in bar(batches, progress, "Evaluating", "batch", _number_of_batches(dataset)):
        seeds = random.row_seeds(seed, len(x), first_row=n)
        parts.append(bounds.estimate(vae, x, num_samples, seeds, chunk_size))
        means.append(keras.ops.convert_to_numpy(vae.encode(x).z_mean))
        binary = binary and bool(np.isin(x, (0.0, 1.0)).all())
        n += len(x)
    if not n:
        raise ValueError(message("`dataset` must hold at least one example", "an empty one"))
    log_px, kl, log_prob = np.concatenate([np.stack(part) for part in parts], axis=-1)
    elbo = log_px - kl
    variances = np.concatenate(means).var(axis=0)
    metrics = {
        "elbo": elbo.mean(),
        "elbo_standard_error": _standard_error(elbo),
        "nll": -log_prob.mean(),
        "nll_standard_error": _standard_error(log_prob),
        "rate": kl.mean(),
        "distortion": -log_px.mean(),
    }
    metrics = {name: float(value) for name, value in metrics.items() if value is not None}
    grey = vae.likelihood.is_binary and not binary
    if vae.likelihood.is_discrete and not grey:
        metrics["bits_per_dim"] = metrics["nll"] / (math.prod(vae.event_shape) * math.log(2.0))
    metrics |= {
        "active_units": int((variances > ACTIVE_VARIANCE).sum()),
        "latent_dim": vae.latent_dim,
        "num_samples": num_samples,
        "n": n,
        "seed": seed,
    }
    if grey or not vae.likelihood.is_discrete:
        metrics["note"] = GREY_NOTE if grey else DENSITY_NOTE
    return metrics


def _standard_error(values):
    return values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else None


def _batches(dataset):
    if hasattr(dataset, "shape"):
        dataset = [dataset[start : start + _BATCH] for start in range(0, len(dataset), _BATCH)]
    for batch in dataset:
        yield np.asarray(batch[0] if isinstance(batch, tuple) else batch, "float32")


def _number_of_batches(dataset):
    if hasattr(dataset, "shape"):
        return math.ceil(len(dataset) / _BATCH)
    try:
        return len(dataset)
    except TypeError:  # A data set whose length is not known.
        return None
