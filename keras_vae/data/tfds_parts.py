"""The parts of a TensorFlow Datasets set: read into memory, or streamed from its files."""

import math

import numpy as np
import tensorflow as tf

from keras_vae import checks
from keras_vae.data import pipeline, pixels, splits, tfds_source
from keras_vae.data.stores import MemoryStore

_BUFFER_BYTES = 1 << 28
_MAX_BUFFER = 20_000
_OPEN_FILES = 16
_FILE_BLOCK = 16
_DAMAGE = (tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.InvalidArgumentError)


def open_parts(
    name,
    *,
    image_size,
    color_mode,
    in_memory,
    validation_fraction,
    test_fraction,
    data_dir,
    progress,
):
    """Return the parts of a set, and its `tfds_source.Columns`.

    Parts that the set lacks are cut from the end of its training images, so that a part holds
    the same images whether it is streamed or in memory.

    Args:
        name: str.
        image_size: (H, W) or None.
        color_mode: "grayscale", "rgb" or None.
        in_memory: function from a number of bytes to whether that much is kept in memory.
        validation_fraction, test_fraction: floats in [0, 1).
        data_dir, progress: see `keras_vae.data.load`.
    """
    builder = tfds_source.open_builder(name, data_dir)
    used = tfds_source.columns(builder, name)
    decoder = Decoder(builder, name, used, image_size, color_mode)
    # What is wrong with the set itself is said before anything is downloaded.
    tfds_source.ensure_on_disk(builder, name, progress)
    spans = _spans(builder, name, validation_fraction, test_fraction)
    total = sum(stop - start for _, start, stop in spans.values())
    kept = in_memory(total * math.prod(decoder.image_shape))
    file_format = builder.info.file_format
    if file_format.value != "tfrecord":
        raise ValueError(
            checks.message(
                f"The set {name!r} must be stored as tfrecord",
                f"file format {file_format.value}",
                "Prepare it again in the default format, in another data_dir.",
            )
        )
    parts = {}
    for part, (split, start, stop) in spans.items():
        stream = StreamedPart(builder, f"{split}[{start}:{stop}]", stop - start, decoder)
        parts[part] = stream.to_rows() if kept else stream
    return parts, used


def _spans(builder, name, validation_fraction, test_fraction):
    """Return {part: (split, start, stop)}."""
    available = {split: info.num_examples for split, info in builder.info.splits.items()}
    if "train" not in available:
        raise ValueError(
            checks.message(
                f"The set {name!r} must have a split `train`",
                f"splits {', '.join(available)}",
                "Choose another set or configuration.",
            )
        )
    spans = {
        part: (part, 0, available[part]) for part in ("validation", "test") if available.get(part)
    }
    if validation_fraction == 0:
        spans.pop("validation", None)
    stop = available["train"]
    for part, fraction in (("test", test_fraction), ("validation", validation_fraction)):
        if part not in spans and fraction:
            start = stop - splits.count(stop, fraction, part)
            spans[part] = ("train", start, stop)
            stop = start
    return {"train": ("train", 0, stop), **spans}


class Decoder:
    """From serialised examples to uint8 images of one shape.

    Args:
        builder: the set's builder.
        name: str.
        used: `tfds_source.Columns`.
        image_size: (H, W) or None.
        color_mode: "grayscale", "rgb" or None.
    """

    def __init__(self, builder, name, used, image_size, color_mode):
        import tensorflow_datasets as tfds

        self.used, self.color_mode = used, color_mode
        keys = [key for key in (used.image, used.label) if key]
        self.features = tfds.features.FeaturesDict({k: builder.info.features[k] for k in keys})
        *size, channels = builder.info.features[used.image].shape
        dtype = builder.info.features[used.image].np_dtype
        if dtype not in (np.uint8, np.uint16):
            raise ValueError(
                checks.message(f"The set {name!r} must have 8-bit or 16-bit images", f"{dtype}")
            )
        if image_size is None and None in size:
            raise ValueError(
                checks.message(
                    f"The images of the set {name!r} have various sizes, so that `image_size` "
                    "is needed",
                    "image_size=None",
                    "Give one, for example image_size=64 or image_size=(64, 48).",
                )
            )
        self.size = image_size if image_size and tuple(size) != image_size else None
        if pixels.COLOR_CHANNELS.get(color_mode) == channels:
            self.color_mode = None
        self.image_shape = (*(self.size or size), pixels.COLOR_CHANNELS.get(color_mode, channels))

    def __call__(self, record):
        """Return image (uint8) and label (int32, 0 if there is none) of a serialised example."""
        example = self.features.deserialize_example(record)
        image = example[self.used.image]
        if image.dtype != tf.uint8:
            image = tf.cast(tf.round(tf.cast(image, tf.float32) / 257.0), tf.uint8)
        if self.color_mode:
            image = tf.numpy_function(
                lambda array: pixels.convert_color(array, self.color_mode), [image], tf.uint8, False
            )
            image = tf.ensure_shape(image, (None, None, self.image_shape[2]))
        if self.size:
            image = pixels.resize(image[None], self.size)[0]
        label = tf.cast(example[self.used.label], tf.int32) if self.used.label else 0
        return tf.ensure_shape(image, self.image_shape), label


class StreamedPart:
    """A range of a split, read from its files for each epoch.

    The order of an epoch comes from the order of the files and, within blocks of as many images as
    a bounded buffer holds, from a shuffle; both depend on (seed, epoch) alone.

    Args:
        builder: the set's builder.
        split: str, such as "train[0:54000]".
        length: int, images in it.
        decoder: `Decoder`.
    """

    levels = 255
    is_binary = False

    def __init__(self, builder, split, length, decoder):
        self.builder, self.split, self.decoder = builder, split, decoder
        self.image_shape = decoder.image_shape
        self._length = length

    def __len__(self):
        return self._length

    def batches(self, epochs, batch_size, order_key=None):
        """Return a dataset of (epoch, start, stored images, labels), batch by batch."""

        def epoch_batches(place):
            epoch, first = place[0], place[1]
            examples = self._examples(epoch, order_key).skip(first * batch_size)
            numbered = self._images(examples).batch(batch_size).enumerate(first)
            return numbered.map(lambda i, batch: (epoch, i * batch_size, *batch))

        return epochs.flat_map(epoch_batches)

    def shares(self, epochs, batch_size, order_key, sharing):
        """Return what `pipeline.Rows.shares` does; in training each worker reads files of its own.

        A worker whose files hold less than its share of an epoch begins them again.
        """
        if not self._is_by_file(order_key, sharing):
            return pipeline.divide(self.batches(epochs, batch_size, order_key), sharing)
        bounds = [sharing.bounds(replica, batch_size) for replica in sharing.replicas]
        sizes = [end - first for first, end in bounds]
        firsts = tf.constant([first for first, _ in bounds], tf.int64)
        steps = self.steps_of_shares(batch_size, order_key, sharing)

        def epoch_shares(place):
            epoch, first = place[0], place[1]
            examples = self._examples(epoch, order_key, sharing).repeat()
            examples = examples.skip(first * sum(sizes)).take((steps - first) * sum(sizes))
            batches = self._images(examples).batch(sum(sizes), drop_remainder=True)
            return batches.rebatch(sizes).enumerate(first * len(sizes)).map(share(epoch))

        def share(epoch):
            def numbered(index, batch):
                before = firsts[index % len(sizes)]
                start = index // len(sizes) * batch_size + before
                return before, tf.constant(batch_size, tf.int64), epoch, start, *batch

            return numbered

        return epochs.flat_map(epoch_shares)

    def steps_of_shares(self, batch_size, order_key, sharing):
        """Return how many batches `shares` gives in an epoch."""
        if self._is_by_file(order_key, sharing):
            return max(1, len(self) // batch_size)
        return -(-len(self) // batch_size)

    def _is_by_file(self, order_key, sharing):
        files = len(self.builder.info.splits[self.split].file_instructions)
        return order_key is not None and 1 < sharing.workers <= files

    def sample(self, limit):
        """Yield stored images in chunks, `limit` images or fewer."""
        for images, _ in self._in_order().take(limit).batch(256):
            yield images.numpy()

    def to_rows(self):
        """Return the same part in memory, in the order of the files."""
        images = np.empty((len(self), *self.image_shape), np.uint8)
        labels = np.empty(len(self), np.int32)
        start = 0
        try:
            for x, y in self._in_order().batch(512).prefetch(2):
                images[start : start + len(x)] = x
                labels[start : start + len(y)] = y
                start += len(x)
        except _DAMAGE as error:
            raise ValueError(
                checks.message(
                    f"The files of {self.split} in {self.builder.data_dir} must be readable",
                    f"{type(error).__name__} after {start} images",
                    "Remove that folder and prepare the set anew.",
                )
            ) from error
        labels = labels if self.decoder.used.label else None
        is_binary = bool(np.isin(images[:64], (0, 255)).all() and np.isin(images, (0, 255)).all())
        return pipeline.Rows(MemoryStore(images, 255, labels, is_binary), np.arange(len(images)))

    def _in_order(self):
        return self._images(self._examples(epoch=0, order_key=None))

    def _images(self, examples):
        return examples.map(self.decoder, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def _examples(self, epoch, order_key, sharing=None):
        """Return the dataset of serialised examples of an epoch, or of a worker's files."""
        files = self.builder.info.splits[self.split].file_instructions
        with tf.device("CPU:0"):
            columns = tuple(
                tf.constant([getattr(file, field) for file in files])
                for field in ("filename", "skip", "take")
            )
        if order_key is None:
            order = tf.range(len(files))
        else:
            order = pipeline.shuffle(tf.range(len(files)), order_key, epoch)
        if sharing is not None:
            order = order[sharing.worker :: sharing.workers]
        files_in_order = tuple(tf.gather(column, order) for column in columns)
        examples = tf.data.Dataset.from_tensor_slices(files_in_order).interleave(
            lambda name, skip, take: (
                tf.data.TFRecordDataset(name, buffer_size=1 << 20)
                .skip(tf.cast(skip, tf.int64))
                .take(tf.cast(take, tf.int64))
            ),
            cycle_length=1 if order_key is None else min(_OPEN_FILES, len(files)),
            block_length=_FILE_BLOCK,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        if order_key is None:
            return examples

        def shuffle_block(number, block):
            # Blocks of one epoch get seeds apart, with room for 2**24 blocks.
            return pipeline.shuffle(block, order_key, epoch * 2**24 + number + 1)

        blocks = examples.batch(self._buffer()).enumerate()
        return blocks.map(shuffle_block).prefetch(1).unbatch()

    def _buffer(self):
        info = self.builder.info.splits[self.split.partition("[")[0]]
        mean_bytes = max(1, info.num_bytes // max(1, info.num_examples))
        return int(min(_MAX_BUFFER, max(1, _BUFFER_BYTES // mean_bytes)))
