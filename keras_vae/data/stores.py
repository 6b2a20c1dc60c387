"""Images that can be read by row number, in memory or from where they are kept."""

import copy
import math

import numpy as np
import tensorflow as tf

from keras_vae import checks
from keras_vae.data import pixels


class MemoryStore:
    """All images in one array in memory.

    Args:
        images: (N, H, W, C) uint8 or float32 array of stored pixels.
        levels: int or None, see `pixels.PixelCode`.
        labels: (N,) int32 array or None.
        is_binary: bool, True if the images hold 0 and 1 only.
        ids: (N,) array of what names them, or None for their numbers.
    """

    in_memory = True

    def __init__(self, images, levels, labels=None, is_binary=False, ids=None):
        self.levels, self.labels, self.is_binary, self.ids = levels, labels, is_binary, ids
        self.image_shape = images.shape[1:]
        # A constant made on an accelerator would be copied back for each batch.
        with tf.device("CPU:0"):
            self.images = tf.constant(images)

    def __len__(self):
        return int(self.images.shape[0])

    def on_device(self):
        """Return the store with its images on the device that TensorFlow takes by itself."""
        store = copy.copy(self)
        store.images = tf.identity(self.images)
        return store

    def read(self, indices):
        """Return the stored pixels of some rows as a NumPy array."""
        with tf.device("CPU:0"):
            return self.fetch(indices).numpy()

    def fetch(self, indices):
        """Return the stored pixels of some rows as a tensor; runs in a graph."""
        return tf.gather(self.images, indices)


class StreamedStore:
    """Images that stay where they are; a subclass says how rows are read.

    A subclass sets `image_shape`, `levels`, `labels` and `is_binary`, and has `__len__` and
    `read(indices)`.
    """

    in_memory = False

    @property
    def stored_dtype(self):
        return np.dtype(np.float32 if self.levels is None else np.uint8)

    @property
    def nbytes(self):
        return len(self) * math.prod(self.image_shape) * self.stored_dtype.itemsize

    def fetch(self, indices):
        """Return the stored pixels of some rows as a tensor; runs in a graph."""
        images = tf.numpy_function(self.read, [indices], self.stored_dtype, stateful=False)
        return tf.ensure_shape(images, (None, *self.image_shape))

    def to_memory(self):
        """Return a `MemoryStore` with the same images."""
        images = np.empty((len(self), *self.image_shape), self.stored_dtype)
        step = pixels.rows_per_chunk(self.image_shape, 4)
        for start in range(0, len(self), step):
            rows = np.arange(start, min(start + step, len(self)))
            images[rows] = self.read(rows)
        levels = self.levels
        if levels is None:
            images, levels = pixels.compact(images)
        return MemoryStore(images, levels, self.labels, self.is_binary)


class ArrayStore(StreamedStore):
    """Images in a NumPy array, which may be memory-mapped.

    Args:
        array: (N, H, W) or (N, H, W, C) array of raw pixels.
        code: `pixels.PixelCode` of the array.
        labels: (N,) int32 array or None.
        image_size: (H, W) or None to keep the size.
        color_mode: "grayscale", "rgb" or None to keep the channels.
        name: str, what errors call the array.
    """

    def __init__(self, array, code, labels=None, image_size=None, color_mode=None, name="x"):
        self.array, self.code, self.labels = array, code, labels
        height, width, *channels = array.shape[1:]
        channels = channels[0] if channels else 1
        if color_mode and channels > 4:
            raise ValueError(
                checks.message(
                    "`color_mode` needs images of 1 to 4 channels",
                    f"{name} with shape {array.shape}",
                    "Drop `color_mode`, or move the channels to the last axis.",
                )
            )
        self.color_mode = color_mode if pixels.COLOR_CHANNELS.get(color_mode) != channels else None
        self.size = None if image_size in (None, (height, width)) else image_size
        self.levels = code.levels if self.size is None else 255
        self.is_binary = code.is_binary and not self.size and self.color_mode != "grayscale"
        self.image_shape = (
            *(self.size or (height, width)),
            pixels.COLOR_CHANNELS.get(color_mode, channels),
        )

    def __len__(self):
        return len(self.array)

    def read(self, indices):
        """Return the stored pixels of some rows as a NumPy array."""
        raw = np.asarray(self.array[indices])
        pixels.release(self.array)
        images = self.code.encode(raw if raw.ndim == 4 else raw[..., None])
        images = pixels.convert_color(images, self.color_mode)
        if self.size:
            images = pixels.resize_array(images, self.size, self.code.levels)
        return images
