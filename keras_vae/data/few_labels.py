"""Batches in which few examples have a label, for a `SemiSupervisedVAE`."""

import numpy as np
import tensorflow as tf

from keras_vae import checks, random
from keras_vae.data import pipeline
from keras_vae.data.examples import PartExamples
from keras_vae.data.forms import Places
from keras_vae.data.pipeline import Rows

# From the first number of an epoch to that of the next: more than it has batches.
_FAR = 1 << 32
# Examples that are encoded at a time.
_ENCODED = 500


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
            time: the M1 of M1+M2 (Kingma et al. 2014, section 2.1). Binarised pixels are encoded
            as above a half or not.

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
    posteriors = None if through is None else _posteriors(through, data)
    fetch_all, fetch_labelled = (
        _fetcher(rows, data, pipeline.key(seed, f"{name} draws"), through, posteriors)
        for name, rows in (("all", part), ("labelled", chosen))
    )

    def join(places, number, rows):
        x, y = fetch_all(places)
        few_x, few_y = fetch_labelled(Places(number, tf.constant(0, tf.int64), rows))
        y = tf.fill(tf.shape(y), -1)
        return tf.concat([x, few_x], axis=0), tf.concat([y, few_y], axis=0)

    places = data._next_place(data._take_epoch)
    batches = tf.data.Dataset.zip(
        part.places(places, data.batch_size, data._order_key),
        *_repeated(chosen, data, labelled_rows, seed),
    )
    batches = batches.map(join, num_parallel_calls=2, deterministic=True)
    batches = batches.apply(tf.data.experimental.assert_cardinality(len(data.train)))
    batches = pipeline.ahead(batches)
    batches.labelled = PartExamples([chosen], has_labels=True).read(0, len(chosen))[::2]
    return batches


def _repeated(chosen, data, labelled_rows, seed):
    """Return datasets of the numbers of batches, all different, and of the rows in each.

    They come in another order each time that all have come; the batches are full, however few
    labels there are.
    """
    order_key = pipeline.key(seed, "labelled order")
    numbers = data._next_place(lambda: np.array([data.epoch, 0], np.int64)).flat_map(
        lambda place: tf.data.Dataset.range(place[0] * _FAR, tf.int64.max)
    )
    rows = numbers.flat_map(
        lambda number: tf.data.Dataset.from_tensor_slices(
            pipeline.shuffle(chosen.indices, order_key, number)
        )
    )
    return numbers, rows.batch(labelled_rows, drop_remainder=True)


def _fetcher(part, data, draw_key, vae, posteriors):
    """Return the function from `Places` to x, or draws of q(z|x), and labels."""
    if vae is None:
        fetch = part.fetcher()
        finish = pipeline.finisher(part, binarize=data.binarize, labels=True, draw_key=draw_key)
        return lambda places: finish(*fetch(places))
    labels = tf.constant(part.store.labels)

    def draw(places):
        found = type(posteriors)(*(tf.gather(values, places.rows) for values in posteriors))
        shape = (1, tf.size(places.rows), vae.latent_dim)
        noise = pipeline.normals(draw_key, places.epoch, places.start, shape)
        return vae.posterior.sample(found, noise)[0][0], tf.gather(labels, places.rows)

    return draw


def _posteriors(vae, data):
    """Return the parameters of q(z|x), each `(N, ...)`, by the rows of the training store."""
    part = data.parts["train"]
    examples = PartExamples([part], binarize=data.binarize != "none")
    starts = range(0, len(part), _ENCODED)
    parts = [vae.encode(examples.read(i, min(i + _ENCODED, len(part))).x) for i in starts]
    found = []
    for values in zip(*parts, strict=True):
        values = np.concatenate([np.asarray(value) for value in values])
        by_row = np.zeros((len(part.store.labels), *values.shape[1:]), "float32")
        by_row[part.indices] = values
        found.append(tf.constant(by_row))
    return type(parts[0])(*found)


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
