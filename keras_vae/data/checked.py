"""Data for `fit` whose batches are checked as they come, in every form that Keras takes."""

import contextlib
import itertools
import types

import keras
import numpy as np
import tensorflow as tf


class Checker:
    """Check x of every batch of the data that it is given, and y where there is one.

    Args:
        check: function of one or two NumPy arrays that raises `ValueError`.
    """

    def __init__(self, check):
        self._check = check
        self._error = None

    def wrap(self, data):
        """Return the data with a check of each batch; what can be seen beforehand is checked now.

        Of the package's own data sets, whose pixels are known, it is the first batch alone.
        """
        if isinstance(data, types.GeneratorType):
            first = list(itertools.islice(data, 1))
            self._look_at(first)
            return self._generated(first, data)
        if isinstance(data, keras.utils.PyDataset):
            self._look_at(data[0])
            return _CheckedPyDataset(data, self._look_at)
        if not isinstance(data, tf.data.Dataset):
            return self._look_at(data)
        self._look_at(list(data.take(1)))
        return data if hasattr(data, "variant") else data.map(self._in_graph)

    @contextlib.contextmanager
    def raising(self):
        """Raise within TensorFlow's pipelines what a check raised, and not TensorFlow's error."""
        try:
            yield
        except tf.errors.OpError:
            if self._error is None:
                raise
            raise self._error from None

    def _generated(self, first, rest):
        # A generator, which Keras asks for.
        yield from first
        yield from map(self._look_at, rest)

    def _look_at(self, batch):
        leaves = keras.tree.flatten(batch)
        if not leaves or hasattr(leaves[0], "__array__"):
            self._check_arrays(*(leaves[:2] if leaves else [[]]))
        return batch

    def _check_arrays(self, *arrays):
        try:
            self._check(*map(np.asarray, arrays))
        except ValueError as error:
            self._error = error
            raise

    def _in_graph(self, *batch):
        leaves = keras.tree.flatten(batch)[:2]
        with tf.control_dependencies([tf.numpy_function(self._check_arrays, leaves, [])]):
            batch = tf.nest.map_structure(tf.identity, batch)
        return batch if len(batch) > 1 else batch[0]


class _CheckedPyDataset(keras.utils.PyDataset):
    """A `PyDataset` each batch of which is looked at."""

    def __init__(self, data, look_at):
        super().__init__(data.workers, data.use_multiprocessing, data.max_queue_size)
        self._data, self._look_at = data, look_at

    @property
    def num_batches(self):
        return self._data.num_batches

    def __len__(self):
        return len(self._data)

    def __getitem__(self, index):
        return self._look_at(self._data[index])

    def on_epoch_begin(self):
        self._data.on_epoch_begin()

    def on_epoch_end(self):
        self._data.on_epoch_end()
