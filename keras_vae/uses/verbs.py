"""Embed and score examples, and generate and reconstruct the rows of tables."""

import math

import numpy as np
from keras import ops

from keras_vae import bounds, random, results
from keras_vae.checks import integer, message
from keras_vae.parts import in_parts
from keras_vae.results import read_column
from keras_vae.semi_supervised import SemiSupervisedVAE
from keras_vae.shards import row_bytes
from keras_vae.uses.inputs import check_out, open_examples, own_examples
from keras_vae.uses.labels import classes
from keras_vae.uses.writing import Written, without_empty, write

# What a density is compared with, at most.
_COMPARED = 2_000


def embed(run, source, out, progress=False, **options):
    """Write the centre of q(z|x) of each example; arguments as of `open_examples`.

    Args:
        out: str or path that ends in .npz, .parquet or .csv, or without a suffix a folder.
        progress: bool, whether to show a bar.

    Returns:
        `Written`; the columns are `id`, `label` where there are labels, and `z`.
    """
    check_out(source, out)
    examples = open_examples(run, source, **options)

    def make(batch, first):
        return {"z": in_parts(run.vae.embed, batch.x)}

    return write(run, examples, source, out, {"verb": "embed"}, make, progress, options)


def score(run, source, out, num_samples=100, seed=0, progress=False, **options):
    """Write how likely each example is: log p(x), importance-weighted, and what it compares to.

    Args:
        out, progress, options: see `embed`.
        num_samples: int >= 2, draws of z for each example.
        seed: int >= 0; example i draws from (seed, i).

    Returns:
        `Written`; the columns are `log_prob` in nats, its `standard_error` over the draws, the
        `effective_samples` of them, `bits_per_dim` where x is discrete, and `share_less_likely`:
        the share of up to 2,000 training examples (of a run that is given a label, of those with
        it) that are less likely. Where the draws are worth one or two, as of examples far from all
        others, log p(x) is too low by more than its error says. A row of a table without any value
        has none.
    """
    integer("num_samples", num_samples, 2)
    seed = random.check_seed(seed)
    check_out(source, out)
    examples = open_examples(run, source, **options)
    learnt = np.concatenate(list(own_examples(run, "train", _COMPARED)))
    usual = np.sort(bounds.log_prob(run.vae, learnt, num_samples, seed))
    likelihood = run.vae.likelihood
    nats_per_bit = math.prod(run.vae.event_shape) * math.log(2.0)

    def make(batch, first):
        seeds = random.row_seeds(seed, len(batch.x), first_row=first)
        found = bounds.estimate(run.vae, batch.x, num_samples, seeds)
        result = {
            "log_prob": found.log_prob,
            # Of the logarithm of a mean, by its first derivative.
            "standard_error": np.sqrt(
                np.maximum(1.0 / found.effective_samples - 1.0 / num_samples, 0.0)
            ),
            "effective_samples": found.effective_samples,
        }
        if likelihood.is_discrete:
            grey = likelihood.is_grey(batch.x).reshape(len(batch.x), -1).any(axis=1)
            result["bits_per_dim"] = np.where(grey, np.nan, -found.log_prob / nats_per_bit)
        result["share_less_likely"] = np.searchsorted(usual, found.log_prob) / len(usual)
        return without_empty(batch.x, result)

    key = {"verb": "score", "num_samples": num_samples, "seed": seed}
    written = write(run, examples, source, out, key, make, progress, options)
    log_prob = read_column(written.path, "log_prob").astype("float64")
    written.facts["log_prob"] = float(np.nanmean(log_prob))
    return written


def classify(run, source, out, progress=False, **options):
    """Write the most likely class of each example, by q(y|x) of a `SemiSupervisedVAE`.

    Arguments are those of `embed`.

    Returns:
        `Written`; the columns are `id`, `label` where there are labels, `class`, and `probability`,
        that of each class. Where labels are names of the model's classes `facts` has the
        `accuracy`, of all that have one.
    """
    if not isinstance(run.vae, SemiSupervisedVAE):
        raise ValueError(
            message(
                "A run that tells classes apart is needed",
                f"{run.name}, of a {type(run.vae).__name__}",
                "Train one with `keras-vae train SOURCE --labelled 100 --out RUN`.",
            )
        )
    check_out(source, out)
    examples = open_examples(run, source, **options)
    names = np.array(classes(run))

    def make(batch, first):
        probability = run.vae.classify(batch.x)
        return {"class": names[probability.argmax(axis=1)], "probability": probability}

    written = write(run, examples, source, out, {"verb": "classify"}, make, progress, options)
    if examples.read(0, 1).labels is not None:
        labels = read_column(written.path, "label").astype(str)
        known = np.isin(labels, names)
        right = read_column(written.path, "class").astype(str) == labels
        written.facts.update({"accuracy": float(right[known].mean())} if known.any() else {})
    return written


def generate_rows(run, out, count, temperature=1.0, seed=0, progress=False):
    """Write rows of a table that a run's model generates: means, and the likeliest categories.

    Args:
        out, progress: see `embed`.
        count: int >= 1.
        temperature, seed: see `generation.generate`.

    Returns:
        `Written`.
    """

    def make(start, stop):
        seeds = random.row_seeds(seed, stop - start, first_row=start)
        rows = run.vae.generate(stop - start, temperature=temperature, seed=seeds)
        return {"id": np.arange(start, stop), **_table(run, rows)}

    key = {"verb": "generate", "model": run.checksum, "seed": seed, "temperature": temperature}
    writer = results.Results(out, key, count, 4 * row_bytes(run.vae.event_shape))
    return Written(writer.path, count, *writer.write(make, progress), {})


def reconstruct_rows(run, source, out, progress=False, **options):
    """Write the reconstruction of each row of a table, which has a value in every column.

    Arguments and result are those of `embed`.

    Returns:
        `Written`.
    """
    check_out(source, out)
    examples = open_examples(run, source, **options)

    def make(batch, first):
        return _table(run, run.vae.reconstruct(batch.x))

    return write(run, examples, source, out, {"verb": "reconstruct"}, make, progress, options)


def _table(run, rows):
    """Return rows as a dict of the columns that they stand for."""
    rows = ops.convert_to_numpy(rows)
    columns = run.vae.likelihood.columns
    return {one.name: np.array(one.decode(rows[:, i])) for i, one in enumerate(columns)}
