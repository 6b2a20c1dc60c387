"""Event files that TensorBoard reads."""

import tensorflow as tf


class Writer:
    """Write scalars, images and histograms of a training.

    Args:
        folder: str.
    """

    def __init__(self, folder):
        self._writer = tf.summary.create_file_writer(folder)

    def scalars(self, values, step):
        """Write a dict of numbers."""
        with self._writer.as_default():
            for name, value in values.items():
                tf.summary.scalar(name, float(value), step)

    def image(self, name, picture, step):
        """Write a picture `(H, W, C)` of bytes."""
        with self._writer.as_default():
            tf.summary.image(name, picture[None], step)

    def histogram(self, name, values, step):
        """Write the histogram of an array."""
        with self._writer.as_default():
            tf.summary.histogram(name, values, step)

    def flush(self):
        """Let readers see all so far."""
        self._writer.flush()

    def close(self):
        """Write what is left."""
        self._writer.close()
