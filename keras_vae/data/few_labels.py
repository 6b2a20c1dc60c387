"""Batches in which few examples have a label, for a `SemiSupervisedVAE`."""

import numpy as np
import tensorflow as tf

from keras_vae import checks, random
from keras_vae.data import pipeline
from keras_vae.data.examples import PartExamples
from keras_vae.data.forms import Places, Share
from keras_vae.data.loaded import LoadedData
from keras_vae.data.loading import load
from keras_vae.data.pipeline import Rows

# From the first number of an epoch to that of the next: more than it has examples.
_FAR = 1 << 32
# Examples that are encoded at a time.
_ENCODED = 500


def few_labels(data, labelled, labelled_rows=20, seed=0, through=None):
    """Return training batches of which few examples have a label.

    Each batch has the next examples of `data` with the label -1, which stands for none, and behind
    them some of the few that have one, which come again and again.

    Args:
        data: `LoadedData` of images or rows that need no labels.
        labelled: those that have one: arrays (x, y), or `LoadedData` with labels, of which the
            training part is taken; or an int, so many of `data` itself, as many of each class.
        labelled_rows: int >= 1, how many of those stand in each batch.
        seed: int, of the choice and of the order.
        through: None, or a trained `VAE`, whose draws of q(z|x) then stand in place of x, anew each
            time: the M1 of M1+M2 (Kingma et al. 2014, section 2.1). Binarised pixels are encoded
            as above a half or not.

    Returns:
        A `tf.data.Dataset` of pairs `(B + labelled_rows, *event)` and int32 labels. Its attribute
        `labelled` holds x and labels of the examples that have one.

    Raises:
        ValueError: if there are no labels, or examples of another shape, or a class has too few.

    Example:

    >>> from keras_vae import data
    >>> digits = data.load("digits", batch_size=64, labels=True)
    >>> x, y = next(iter(few_labels(digits, 20, labelled_rows=10)))
    >>> x.shape, int((y >= 0).numpy().sum())
    (TensorShape([74, 8, 8, 1]), 10)
    """
    labelled_rows = checks.integer("labelled_rows", labelled_rows, 1)
    if not isinstance(data, LoadedData):
        received = type(data).__name__
        raise ValueError(checks.message("`data` must be what kv.data.load gives", received))
    if through is not None and not hasattr(through, "latent_dim"):
        raise ValueError(checks.message("`through` must be a trained VAE", f"{through!r}"))
    seed = random.check_seed(seed) % 2**63
    few = _few(data, labelled, seed)
    join = _joiner(data, few, labelled_rows, seed, through)
    part = data.parts["train"]

    def variant(whole_epochs=True, form=None):
        places = part.places(data._next_place(data._take_epoch), data.batch_size, data._order_key)
        batches = places.map(join, num_parallel_calls=2, deterministic=True)
        if form is not None:
            batches = pipeline.divide(batches, form).map(
                lambda first, total, epoch, start, *batch: Share(start, first, total, batch)
            )
        else:
            batches = batches.map(lambda epoch, start, *batch: batch)
        return pipeline.counted(batches, len(data.train), whole_epochs and form is None)

    batches = variant()
    batches.set_epoch, batches.variant = data.set_epoch, variant
    batches.labelled = PartExamples([few], has_labels=True).read(0, len(few))[::2]
    return batches


def _joiner(data, few, labelled_rows, seed, through):
    """Return the function from `Places` to (epoch, start, x, labels), labelled rows last.

    Those come in another order each time that all have come; batches are full, however few they
    are. What a batch holds depends on its epoch and its number alone, to go on from any.
    """
    order_key = pipeline.key(seed, "labelled order")
    fetch_all, fetch_few = (
        _fetcher(rows, data.binarize, pipeline.key(seed, f"{name} draws"), through)
        for name, rows in (("all", data.parts["train"]), ("few", few))
    )
    with tf.device("CPU:0"):
        rows = tf.constant(few.indices)

    def join(places):
        first = places.start // data.batch_size * labelled_rows
        orders = [
            pipeline.shuffle(rows, order_key, places.epoch * _FAR + first // len(few) + i)
            for i in range(labelled_rows // len(few) + 2)
        ]
        chosen = tf.concat(orders, axis=0)[first % len(few) :][:labelled_rows]
        x, _ = fetch_all(places)
        number = places.epoch * _FAR + places.start
        few_x, few_y = fetch_few(Places(number, tf.constant(0, tf.int64), chosen))
        labels = tf.concat([tf.fill(tf.shape(x)[:1], -1), few_y], axis=0)
        return places.epoch, places.start, tf.concat([x, few_x], axis=0), labels

    return join


def _few(data, labelled, seed):
    """Return the `Rows` that have a label."""
    part = data.parts["train"]
    _check_rows(part)
    if isinstance(labelled, tuple):
        columns = getattr(data, "columns", None)
        options = {"validation_fraction": 0, "test_fraction": 0, "columns": columns}
        labelled = load(labelled, labels=True, **options)
    if isinstance(labelled, LoadedData):
        few = labelled.parts["train"]
        if not labelled.labels:
            raise ValueError(_needs_labels("labelled", labelled))
        if few.image_shape != part.image_shape:
            raise ValueError(
                checks.message(
                    f"`labelled` must be of the shape of the other examples, {part.image_shape}",
                    f"{few.image_shape}",
                )
            )
        if _coding(labelled) != _coding(data):
            raise ValueError(
                checks.message(
                    "`labelled` must have the columns and categories of the other rows",
                    f"{labelled!r}, with others",
                    "Load it with columns=data.columns.",
                )
            )
    else:
        if not data.labels:
            raise ValueError(_needs_labels("data", data))
        few = Rows(part.store, _chosen(part, data.num_classes, labelled, seed))
    _check_rows(few)
    return few


def _coding(data):
    """Return what the numbers of a table stand for, by its columns."""
    return [(column.name, column.categories) for column in getattr(data, "columns", ())]


def _check_rows(part):
    if not isinstance(part, Rows):
        raise ValueError(
            checks.message(
                "The examples must be read in any order", "a stream", "Load with cache=True."
            )
        )


def _needs_labels(name, data):
    fix = "Load it with labels=True, or give `labelled` as arrays (x, y)."
    return checks.message(f"`{name}` must have labels", f"{data!r}", fix)


def _fetcher(part, binarize, draw_key, vae):
    """Return the function from `Places` to x, or draws of q(z|x), and labels."""
    if vae is None:
        fetch = part.fetcher()
        finish = pipeline.finisher(part, binarize=binarize, labels=True, draw_key=draw_key)
        return lambda places: finish(*fetch(places))
    posteriors = _posteriors(vae, part, binarize != "none")
    labels = part.store.labels
    labels = tf.constant(np.zeros(len(posteriors[0])) if labels is None else labels, tf.int32)

    def draw(places):
        found = type(posteriors)(*(tf.gather(values, places.rows) for values in posteriors))
        shape = (1, tf.size(places.rows), vae.latent_dim)
        noise = pipeline.normals(draw_key, places.epoch, places.start, shape)
        return vae.posterior.sample(found, noise)[0][0], tf.gather(labels, places.rows)

    return draw


def _posteriors(vae, part, binarize):
    """Return the parameters of q(z|x), each `(N, ...)`, by the rows of a part's store."""
    examples = PartExamples([part], binarize)
    starts = range(0, len(part), _ENCODED)
    parts = [vae.encode(examples.read(i, min(i + _ENCODED, len(part))).x) for i in starts]
    found = []
    for values in zip(*parts, strict=True):
        values = np.concatenate([np.asarray(value) for value in values])
        by_row = np.zeros((part.indices.max() + 1, *values.shape[1:]), "float32")
        by_row[part.indices] = values
        found.append(tf.constant(by_row))
    return type(parts[0])(*found)


def _chosen(part, num_classes, num_labels, seed):
    """Return the rows that keep their label, as many of each class."""
    num_labels = checks.integer("labelled", num_labels, num_classes)
    if num_labels % num_classes:
        raise ValueError(
            checks.message(
                f"`labelled` must be a multiple of the number of classes, {num_classes}",
                f"labelled={num_labels}",
            )
        )
    labels = part.store.labels[part.indices]
    rng, chosen = np.random.default_rng(seed), []
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
