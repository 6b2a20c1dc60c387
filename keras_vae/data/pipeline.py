"""From parts of a source to `tf.data.Dataset`s whose order and draws are pure functions.

The order of the training images depends on (seed, epoch) alone, and the bits of a dynamically
binarised image on (seed, epoch, position in the epoch) alone, so that neither the batch size nor
a restart of the process changes them.
"""

import os
import zlib

import numpy as np
import tensorflow as tf

from keras_vae.data.forms import Places, Share

_PHILOX = 1
# One counter of Philox gives four 32-bit numbers.
_PER_COUNTER = 4
# Batches that are made ahead of the step that takes them.
_PREFETCHED = 4
_PARALLEL = max(2, os.cpu_count() or 1)


def key(seed, purpose):
    """Return a 64-bit key, as a Python int that fits int64, for one use of a seed.

    Args:
        seed: int >= 0.
        purpose: str, which draws it is for.
    """
    sequence = np.random.SeedSequence([seed, zlib.crc32(purpose.encode())])
    return int(sequence.generate_state(1, np.uint64).view(np.int64)[0])


def shuffle(values, *seeds):
    """Return the rows of `values` in an order that depends on the two int64 `seeds` alone."""
    seed = tf.stack([tf.cast(part, tf.int64) for part in seeds])
    return tf.random.experimental.stateless_shuffle(values, seed=seed, alg="philox")


def uniforms(draw_key, epoch, start, shape):
    """Return float32 draws in [0, 1) for images at consecutive positions of an epoch.

    Args:
        draw_key: int, from `key`.
        epoch: int64 scalar tensor.
        start: int64 scalar tensor, the position of the first image.
        shape: (B, H, W, C), B a tensor or an int.
    """
    batch, *event = shape
    pixels = int(np.prod(event))
    counters = -(-pixels // _PER_COUNTER)
    draws = tf.raw_ops.StatelessRandomUniformV2(
        shape=tf.stack([batch, counters * _PER_COUNTER]),
        key=tf.constant([draw_key % 2**64], tf.uint64),
        counter=tf.cast(tf.stack([start * counters, epoch]), tf.uint64),
        alg=_PHILOX,
    )
    return tf.reshape(draws[:, :pixels], shape)


def normals(draw_key, epoch, start, shape):
    """Return standard normal draws for a batch of an epoch; arguments as of `uniforms`."""
    seed = tf.stack([tf.constant(draw_key, tf.int64) + epoch, start])
    return tf.random.stateless_normal(shape, seed=seed, alg="philox")


class Rows:
    """Some rows of a store: one part of a source with random access.

    Args:
        store: `stores.MemoryStore` or `stores.StreamedStore`.
        indices: (N,) int64 array, the rows.
    """

    def __init__(self, store, indices):
        self.store, self.indices = store, np.asarray(indices, np.int64)
        self.levels, self.image_shape = store.levels, store.image_shape
        self.is_binary = store.is_binary

    def __len__(self):
        return len(self.indices)

    def batches(self, epochs, batch_size, order_key=None):
        """Return a dataset of (epoch, start, stored images, labels), batch by batch."""
        places = self.places(epochs, batch_size, order_key)
        return places.map(self.fetcher(), num_parallel_calls=_PARALLEL, deterministic=True)

    def places(self, epochs, batch_size, order_key=None):
        """Return a dataset of the `Places` of each batch.

        Args:
            epochs: dataset of int64 pairs, an epoch and the batch that it begins with.
            batch_size: int.
            order_key: int that seeds the order together with the epoch, or None to keep it.
        """

        def place(epoch, index, order):
            start = index * batch_size
            return Places(epoch, start, order[start : start + batch_size])

        return self._in_order(epochs, batch_size, order_key, place)

    def executions(self, epochs, batch_size, order_key, steps):
        """Return a dataset of the `Places` of every `steps` batches, as many in each epoch.

        An epoch that begins in its midst begins with empty ones.
        """
        batches = -(-len(self) // batch_size)
        count = -(-batches // steps)

        def execution(epoch, first, number, order):
            empty = count - -(-(batches - first) // steps)
            begin = first + (number - empty) * steps
            start, end = (tf.maximum(index, first) * batch_size for index in (begin, begin + steps))
            return Places(epoch, start, order[start:end])

        return self._by_epoch(
            epochs,
            order_key,
            lambda epoch, first, order: tf.data.Dataset.range(count).map(
                lambda number: execution(epoch, first, number, order)
            ),
        )

    def shares(self, epochs, batch_size, order_key, sharing):
        """Return a dataset of (first, total, epoch, start, stored images, labels): for each batch
        the shares of the replicas that are fed here, one after the other.
        """
        fetch = self.fetcher()

        def share(epoch, index, replica, order):
            rows = order[index * batch_size : (index + 1) * batch_size]
            total = tf.size(rows, tf.int64)
            first, end = sharing.bounds(replica, total)
            return first, total, Places(epoch, index * batch_size + first, rows[first:end])

        def shares(epoch, index, order):
            return tf.data.Dataset.from_tensor_slices(tf.constant(sharing.replicas, tf.int64)).map(
                lambda replica: share(epoch, index, replica, order)
            )

        places = self._in_order(epochs, batch_size, order_key, shares, flat=True)
        return places.map(
            lambda first, total, places: (first, total, *fetch(places)),
            num_parallel_calls=_PARALLEL,
            deterministic=True,
        )

    def steps_of_shares(self, batch_size, order_key, sharing):
        """Return how many batches `shares` gives in an epoch."""
        return -(-len(self) // batch_size)

    def _in_order(self, epochs, batch_size, order_key, take, flat=False):
        """Return a dataset of `take(epoch, index, order)` for every batch.

        Args:
            epochs, batch_size, order_key: see `places`.
            take: function of an epoch, the number of a batch, and the rows in their order.
            flat: bool, whether it gives a dataset.
        """

        def batches(epoch, first, order):
            numbers = tf.data.Dataset.range(first, -(-len(self) // batch_size))
            combine = numbers.flat_map if flat else numbers.map
            return combine(lambda index: take(epoch, index, order))

        return self._by_epoch(epochs, order_key, batches)

    def _by_epoch(self, epochs, order_key, elements):
        """Return what `elements(epoch, first, order)` gives for each epoch, one after the other."""
        with tf.device("CPU:0"):
            indices = tf.constant(self.indices)

        def epoch_of(place):
            epoch, first = place[0], place[1]
            order = indices if order_key is None else shuffle(indices, order_key, epoch)
            return elements(epoch, first, order)

        return epochs.flat_map(epoch_of)

    def fetcher(self, on_device=False):
        """Return the function from `Places` to (epoch, start, stored images, labels).

        Args:
            on_device: bool, whether images in memory are held by the device that trains.
        """
        with tf.device("CPU:0"):
            labels = None if self.store.labels is None else tf.constant(self.store.labels)
        store = self.store.on_device() if on_device else self.store

        def fetch(places):
            rows = places.rows
            y = tf.zeros_like(rows, tf.int32) if labels is None else tf.gather(labels, rows)
            return places.epoch, places.start, store.fetch(rows), y

        return fetch

    def sample(self, limit):
        """Yield stored images in chunks: all if they are in memory, else about `limit` of them."""
        step = 1 if self.store.in_memory else max(1, len(self) // limit)
        chosen = self.indices[::step]
        for start in range(0, len(chosen), 1024):
            yield self.store.read(chosen[start : start + 1024])


def finisher(part, *, binarize, labels, draw_key):
    """Return the function from (epoch, start, stored images, labels) to a batch.

    Args:
        part: `Rows`, or another object with its methods.
        binarize: "none", "threshold" or "dynamic".
        labels: bool, whether a batch is (x, y) in place of x.
        draw_key: int from `key`.
    """

    def finish(epoch, start, images, y):
        x = tf.cast(images, tf.float32)
        if part.levels is not None:
            x = x / float(part.levels)
        if binarize == "threshold":
            x = tf.cast(x > 0.5, tf.float32)
        elif binarize == "dynamic":
            shape = (tf.shape(x)[0], *part.image_shape)
            x = tf.cast(uniforms(draw_key, epoch, start, shape) < x, tf.float32)
        return (x, y) if labels else x

    return finish


def divide(batches, sharing):
    """Return the shares of a dataset of (epoch, start, stored images, labels), as `Rows.shares`."""

    def shares(epoch, start, images, labels):
        total = tf.shape(images, tf.int64)[0]

        def share(replica):
            first, end = sharing.bounds(replica, total)
            return first, total, epoch, start + first, images[first:end], labels[first:end]

        return tf.data.Dataset.from_tensor_slices(tf.constant(sharing.replicas, tf.int64)).map(
            share
        )

    return batches.flat_map(shares)


def build(part, epochs, batch_size, finish, *, order_key=None, whole_epochs=True, form=None):
    """Return the dataset of float32 batches in [0, 1] of one part.

    Args:
        part: `Rows`, or another object with its methods.
        epochs: dataset of one int64 pair, the epoch and the batch that it begins with.
        batch_size: int.
        finish: function, from `finisher`.
        order_key: int from `key`, or None for no shuffling.
        whole_epochs: bool, whether each epoch begins with its first batch.
        form: None for batches; a `Sharing` for the `Share` of each replica. The cardinality is
            that of the batches in each case.
    """
    steps = -(-len(part) // batch_size)
    counts_itself = whole_epochs
    if form is None:
        dataset = part.batches(epochs, batch_size, order_key)
        dataset = dataset.map(finish, num_parallel_calls=_PARALLEL, deterministic=True)
    else:
        dataset = part.shares(epochs, batch_size, order_key, form)
        dataset = dataset.map(
            lambda first, total, *stored: Share(stored[1], first, total, finish(*stored)),
            num_parallel_calls=_PARALLEL,
            deterministic=True,
        )
        steps, counts_itself = part.steps_of_shares(batch_size, order_key, form), False
    return counted(dataset, steps, counts_itself)


def counted(dataset, steps, counts_itself):
    """Return a dataset whose elements are made ahead, and that says how many batches it has.

    Args:
        dataset: `tf.data.Dataset`.
        steps: int, batches of a whole epoch.
        counts_itself: bool, whether those are its elements.
    """
    if counts_itself:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(steps))
    dataset = ahead(dataset)
    if not counts_itself:
        # TensorFlow asserts that each element is one of the batches; Keras asks here.
        dataset.cardinality = lambda: tf.constant(steps, tf.int64)
    return dataset


def ahead(dataset):
    """Return a dataset whose elements are made before they are asked for."""
    # The tuner holds a new iterator back until it wakes up, seconds into an epoch at worst.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.prefetch(_PREFETCHED).with_options(options)


def shuffled_batches(x, batch_size, seed):
    """Return batches of an array in an order that the seed determines, another in each epoch."""
    order = tf.data.Dataset.range(len(x)).shuffle(len(x), seed=seed % 2**31)
    return order.batch(batch_size).map(lambda rows: tf.gather(x, rows))
