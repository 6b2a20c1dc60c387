"""What `load` returns: datasets for training, validation and test, and what is known of them."""

import contextlib
import functools
import zlib

import numpy as np
import tensorflow as tf

from keras_vae import checks
from keras_vae.data import pipeline, pixels

_MEAN_IMAGES = 10_000
_CHECKED_IMAGES = 1000


class LoadedData:
    """Datasets for training, validation and test; made by `keras_vae.data.load`.

    Each new iterator over `train` is one epoch: the first epoch 0, the next epoch 1, and so on.
    `set_epoch(k)`, which `train.set_epoch` also calls, makes the next iterator epoch k, and
    `set_epoch(k, first_batch=i)` what is left of it after i batches, which is for the datasets
    that `train.variant(whole_epochs=False)` gives.
    Validation and test are the same each time, in a fixed order.

    Args:
        source: `sources.Source`, already divided into parts.
        batch_size: int >= 1.
        binarize: "none", "threshold" or "dynamic".
        labels: bool, whether batches are (x, y).
        shuffle_seed: int >= 0.

    Attributes:
        parts: dict from the names of the parts that there are to `pipeline.Rows` or the like.
        train, validation, test: `tf.data.Dataset` of float32 batches (B, *event), or of (x, y)
            with y (B,) int32; None for a part that does not exist.
        name: str.
        location: str, what `load` opens again from any folder; None for arrays.
        event_shape: tuple, the shape of one example.
        num_classes: int, or None if the source has no labels.
        class_names: list of str, or None if unknown.
        num_train, num_validation, num_test: ints, examples.
        num_skipped: int, unreadable images left out.
        batch_size, binarize, labels, shuffle_seed: as given.
        is_binary: bool, True if all pixels are 0 or 1. For streamed TensorFlow Datasets sets, whose
            pixels are not checked beforehand, True only if `binarize` makes it so.
    """

    def __init__(self, source, *, batch_size, binarize, labels, shuffle_seed):
        parts = source.parts
        self.name, self.location = source.name, source.location
        self.class_names, self.num_classes = source.class_names, source.num_classes
        self.num_skipped = source.num_skipped
        self.batch_size, self.binarize, self.labels = batch_size, binarize, labels
        self.shuffle_seed = shuffle_seed
        self.parts = parts
        self.event_shape = tuple(int(n) for n in parts["train"].image_shape)
        self.num_train, self.num_validation, self.num_test = (
            len(parts[part]) if parts.get(part) is not None else 0
            for part in ("train", "validation", "test")
        )
        self.is_binary = binarize != "none" or all(part.is_binary for part in parts.values())
        self._train_part = parts["train"]
        self._next_epoch, self._first_batch = 0, 0
        self._asked_for = None
        self.train = self._train_dataset()
        # Dataset objects outlive what made them: whoever holds `train` can still set its epoch.
        self.train.set_epoch = self.set_epoch
        self.train.variant = self._train_dataset
        self.train.executions, self.train.fetch = self._executions, self._fetch
        self.train.num_rows, self.train.batch_size = self.num_train, batch_size
        self.train.in_memory = getattr(getattr(self._train_part, "store", None), "in_memory", False)
        self.validation, self.test = (
            self._evaluation_dataset(parts[part], part) if part in parts else None
            for part in ("validation", "test")
        )

    def __repr__(self):
        return (
            f"<{type(self).__name__} {self.name!r} event_shape={self.event_shape} "
            f"train={self.num_train} validation={self.num_validation} test={self.num_test} "
            f"batch_size={self.batch_size} binarize={self.binarize!r}>"
        )

    @property
    def epoch(self):
        """The epoch that the next iterator over `train` will be."""
        return self._next_epoch

    def set_epoch(self, epoch, first_batch=0):
        """Make the next iterator over `train` the given epoch.

        Args:
            epoch: int >= 0.
            first_batch: int >= 0, the batch that it begins with, to go on in the midst of an epoch.

        Raises:
            ValueError: if one of them is not an integer >= 0.
        """
        self._next_epoch = checks.integer("epoch", epoch, 0)
        self._first_batch = checks.integer("first_batch", first_batch, 0)
        self._asked_for = self._next_epoch, self._first_batch

    @contextlib.contextmanager
    def at_first_epoch(self):
        """Let `train` begin with epoch 0 within the context, and where it stood after it."""
        place = self._next_epoch, self._first_batch
        self.set_epoch(0)
        try:
            yield
        finally:
            self.set_epoch(*place)

    @functools.cached_property
    def checksum(self):
        """CRC-32 of the training data: of all in memory, of about 1,000 of what streams."""
        found = 0
        for stored in self._train_part.sample(_CHECKED_IMAGES):
            found = zlib.crc32(np.ascontiguousarray(stored).data, found)
        return found

    def _take_epoch(self):
        place = np.array([self._next_epoch, self._first_batch], np.int64)
        self._next_epoch, self._first_batch = self._next_epoch + 1, 0
        return place

    def _take_stream(self):
        if self._asked_for:
            self.set_epoch(*self._asked_for)
        self._asked_for = None
        return self._take_epoch()

    def _next_place(self, take):
        """Return a dataset of one pair: where an iterator begins that is asked for its first batch.

        A Python counter, unlike a variable, belongs to no device and no distribution strategy.
        """
        return tf.data.Dataset.from_tensors(0).map(
            lambda _: tf.ensure_shape(tf.numpy_function(take, [], tf.int64), (2,))
        )

    def _train_dataset(self, **form):
        """Return a dataset of epochs; `form` are keyword arguments of `pipeline.build`."""
        return pipeline.build(
            self._train_part,
            self._next_place(self._take_epoch),
            self.batch_size,
            self._finisher(self._train_part, "train"),
            order_key=self._order_key,
            **form,
        )

    def _executions(self, steps):
        """Return an endless dataset of the `forms.Places` of every `steps` batches.

        It begins where `set_epoch` said last, however many iterators were asked for since.

        Args:
            steps: int >= 1.
        """

        def from_place(place):
            return tf.data.Dataset.range(place[0], tf.int64.max).map(
                lambda epoch: tf.stack([epoch, tf.where(epoch == place[0], place[1], 0)])
            )

        places = self._next_place(self._take_stream).flat_map(from_place)
        executions = self._train_part.executions(places, self.batch_size, self._order_key, steps)
        return pipeline.ahead(executions)

    @property
    def _order_key(self):
        return pipeline.key(self.shuffle_seed, "order")

    def _fetch(self):
        """Return the function from `forms.Places` to a batch, for a step that fetches itself."""
        fetch = self._train_part.fetcher(on_device=True)
        finish = self._finisher(self._train_part, "train")
        return lambda places: finish(*fetch(places))

    def _evaluation_dataset(self, part, name, **form):
        with tf.device("CPU:0"):
            epochs = tf.data.Dataset.from_tensors(tf.constant([0, 0], tf.int64))
        finish = self._finisher(part, name)
        dataset = pipeline.build(part, epochs, self.batch_size, finish, **form)
        dataset.variant = functools.partial(self._evaluation_dataset, part, name)
        return dataset

    def _finisher(self, part, name):
        return pipeline.finisher(
            part,
            binarize=self.binarize,
            labels=self.labels,
            draw_key=pipeline.key(self.shuffle_seed, f"binarize {name}"),
        )


class ImageData(LoadedData):
    """Datasets of images in [0, 1]; see `LoadedData`.

    Attributes:
        image_shape: (H, W, C).
    """

    @property
    def image_shape(self):
        return self.event_shape

    @functools.cached_property
    def mean(self):
        """Mean training image, NumPy float32 (H, W, C).

        With `binarize="dynamic"` it is the mean of the probabilities. Sets that are not in memory
        are represented by about 10,000 of their images.
        """
        total, images = np.zeros(self.image_shape, np.float64), 0
        for stored in self._train_part.sample(_MEAN_IMAGES):
            x = pixels.decode(stored, self._train_part.levels)
            if self.binarize == "threshold":
                x = x > 0.5
            total += x.sum(axis=0, dtype=np.float64)
            images += len(x)
        return (total / images).astype(np.float32)


class TableData(LoadedData):
    """Datasets of the rows of a table, as `likelihoods.Tabular` takes them; see `LoadedData`.

    Attributes:
        columns: tuple of `keras_vae.columns.Column`, learnt from the training rows.
    """

    def __init__(self, source, **options):
        super().__init__(source, **options)
        self.columns = source.columns

    @property
    def image_shape(self):
        raise AttributeError(
            checks.message(
                "The rows of a table have no image_shape",
                f"a table of {len(self.columns)} columns",
                "Flat images need a reshape first, such as x.reshape(-1, 28, 28, 1).",
            )
        )
