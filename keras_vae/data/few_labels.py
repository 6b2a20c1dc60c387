"""Batches in which few examples have a label, for a `SemiSupervisedVAE`."""

import numpy as np
import tensorflow as tf

from keras_vae import checks, random
from keras_vae.data import pipeline
from keras_vae.data.examples import PartExamples
from keras_vae.data.pipeline import Rows

# From the first number of an epoch to that of the next: more than it has batches.
_FAR = 1 << 32


def few_labels(data, num_labels, labelled_rows=20, seed=0, through=None):
    """Return the training batches of a data set, as if few of its labels were known.

    Each batch has all its examples without their label, -1, and behind them some of the few that
    keep it, which come again and again.

    Args:
        data: `LoadedData` with labels: `kv.data.load(..., labels=True)`.
        num_labels: int, how many examples keep their label: the same number of each class.
        labelled_rows: int >= 1, how many of those stand in each batch.
        seed: int, by which they are chosen.
        through: None, or a trained `VAE`, whose draws of q(z|x) then stand in place of x, anew each
            time: the M1 of M1+M2 (Kingma et al. 2014, section 2.1).

    Returns:
        A `tf.data.Dataset` of pairs `(B + labelled_rows, *event)` and int32 labels. Its attribute
        `labelled` holds x and labels of the examples that keep theirs.

    Raises:
        ValueError: if the data have no labels, or a class too few examples.

    Example:

    >>> from keras_vae import data
    >>> digits = data.load("digits", batch_size=64, labels=True)
    >>> x, y = next(iter(few_labels(digits, 20, labelled_rows=10)))
    >>> x.shape, int((y >= 0).numpy().sum())
    (TensorShape([74, 8, 8, 1]), 10)
    """
    if not data.labels:
        raise ValueError(
            checks.message(
                "`data` must have labels",
                f"{data!r}",
                "Load it with kv.data.load(..., labels=True).",
            )
        )
    labelled_rows = checks.integer("labelled_rows", labelled_rows, 1)
    part = data.parts["train"]
    chosen = Rows(part.store, _chosen(part, data.num_classes, num_labels, seed))
    order_key = pipeline.key(seed, "labelled order")
    numbers = data._next_place(lambda: np.array([data.epoch, 0], np.int64)).flat_map(
        lambda place: tf.data.Dataset.range(place[0] * _FAR, tf.int64.max)
    )
    finish = pipeline.finisher(
        chosen, binarize=data.binarize, labels=True, draw_key=pipeline.key(seed, "labelled draws")
    )
    passes = numbers.map(lambda number: tf.stack([number, 0]))
    labelled = chosen.batches(passes, len(chosen), order_key).map(finish)
    # Full batches, however few labels there are.
    labelled = labelled.unbatch().batch(labelled_rows, drop_remainder=True)
    noise_key = pipeline.key(seed, "draws of z")

    def join(without, given, number):
        x = tf.concat([without[0], given[0]], axis=0)
        y = tf.concat([tf.fill(tf.shape(without[1]), -1), given[1]], axis=0)
        return (x if through is None else _drawn(through, x, [noise_key, number])), y

    batches = tf.data.Dataset.zip(data.train, labelled, numbers).map(join, num_parallel_calls=2)
    batches = batches.apply(tf.data.experimental.assert_cardinality(len(data.train)))
    batches = pipeline.ahead(batches)
    batches.labelled = PartExamples([chosen], has_labels=True).read(0, len(chosen))[::2]
    return batches


def _drawn(vae, x, seed):
    """Return draws of q(z|x), a tensor `(B, D)`, for a pair of int64 seeds."""
    posterior = vae.encode(x)
    shape = (1, tf.shape(x)[0], vae.latent_dim)
    noise = tf.random.stateless_normal(shape, seed=tf.stack(seed), alg="philox")
    return vae.posterior.sample(posterior, noise)[0][0]


def _chosen(part, num_classes, num_labels, seed):
    """Return the rows that keep their label, as many of each class."""
    if not isinstance(part, Rows):
        raise ValueError(
            checks.message(
                "`data` must be in memory, to choose among its labels",
                "data that are read as a stream",
                "Load it with cache=True.",
            )
        )
    num_labels = checks.integer("num_labels", num_labels, num_classes)
    if num_labels % num_classes:
        raise ValueError(
            checks.message(
                f"`num_labels` must be a multiple of the number of classes, {num_classes}",
                f"num_labels={num_labels}",
            )
        )
    labels = part.store.labels[part.indices]
    rng, chosen = np.random.default_rng(random.check_seed(seed)), []
    for label in range(num_classes):
        rows = part.indices[labels == label]
        if len(rows) < num_labels // num_classes:
            raise ValueError(
                checks.message(
                    f"Each class must have {num_labels // num_classes} training examples",
                    f"{len(rows)} of class {label}",
                    "Ask for fewer labels.",
                )
            )
        chosen.append(rng.choice(rows, num_labels // num_classes, replace=False))
    return np.sort(np.concatenate(chosen))
