"""Whether a training waits for its data."""

import time
import warnings

import keras
import numpy as np
import tensorflow as tf

# More than this share of an epoch, and of an epoch that is long enough to tell.
_SHARE, _SECONDS = 0.5, 2.0


class Waiting(keras.callbacks.Callback):
    """Warn once, after the first epoch, where the input pipeline is the bottleneck."""

    # Several steps may be made between two calls.
    hears_executions = True

    def __init__(self):
        super().__init__()
        self._waited, self._elements = 0.0, 0
        self._began = self._last = self._told = None

    def wrap(self, dataset):
        """Return a `tf.data.Dataset` that tells how long its elements were waited for."""
        clock = tf.data.Dataset.from_tensors(0).repeat().map(lambda _: tf.timestamp())

        def tell(before, element, after):
            told = tf.numpy_function(self._tell, [before, after], [])
            with tf.control_dependencies([told]):
                return tf.nest.map_structure(tf.identity, element)

        # One after the other: the time before, the element, the time after.
        timed = tf.data.Dataset.zip((clock, dataset, clock)).map(tell)
        options = tf.data.Options()
        # What is fetched ahead is waited for by nobody.
        options.experimental_optimization.inject_prefetch = False
        timed = timed.with_options(options)
        if "cardinality" in vars(dataset):
            timed.cardinality = dataset.cardinality
        return timed

    def _tell(self, before, after):
        self._elements += 1
        # The first one fills buffers.
        if self._elements > 1:
            self._waited += float(after - before)

    def on_train_batch_end(self, batch, logs=None):
        self._last = time.monotonic()
        if self._began is None:
            # The first execution was traced, too.
            self._began, self._waited = self._last, 0.0

    def on_epoch_end(self, epoch, logs=None):
        if self._told or self._began is None:
            return
        self._told = True
        seconds = self._last - self._began
        if seconds < _SECONDS or self._waited < _SHARE * seconds:
            return
        share = np.clip(self._waited / seconds, 0.0, 1.0)
        warnings.warn(
            f"Training waited for its data for {share:.0%} of the first epoch: the input pipeline "
            "is the bottleneck. Keep the images in memory (cache=True of keras_vae.data.load), "
            "make them smaller (image_size), or let a tf.data.Dataset of your own end in "
            ".prefetch(tf.data.AUTOTUNE).",
            stacklevel=2,
        )
