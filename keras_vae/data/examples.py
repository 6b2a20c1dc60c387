"""Examples of any source, to be worked through once, in bounded memory and from any place on."""

import os
import pathlib
from typing import NamedTuple

import numpy as np

from keras_vae import checks
from keras_vae.data import image_files, pixels
from keras_vae.data.folder import FolderStore
from keras_vae.data.pipeline import Rows
from keras_vae.data.sources import Options, Source, open_source

PARTS = ("train", "validation", "test")
_BATCH = 256
_COLOR_MODES = {1: "grayscale", 3: "rgb"}


class Batch(NamedTuple):
    """Some examples: x `(B, *event)` float32, ids `(B,)`, labels `(B,)` or None."""

    x: np.ndarray
    ids: np.ndarray
    labels: np.ndarray | None


class PartExamples:
    """The examples of parts of an opened source.

    Args:
        parts: list of `pipeline.Rows` or the like.
        binarize: bool, whether pixels above a half are 1 and the others 0.
        class_names: list of str, or None.
        has_labels: bool.
    """

    def __init__(self, parts, binarize=False, class_names=None, has_labels=False):
        self._parts, self._binarize = parts, binarize
        self._names, self._has_labels = class_names, has_labels
        self._streams = {}
        self._starts = np.cumsum([0, *map(len, parts)]).tolist()

    def __len__(self):
        return self._starts[-1]

    def read(self, start, stop):
        """Return the `Batch` of the examples at some places."""
        found = []
        for part, first in zip(self._parts, self._starts, strict=False):
            begin, end = max(start, first), min(stop, first + len(part))
            if begin < end:
                found.append(self._read(part, first, begin - first, end - first))
        x, ids, labels = (np.concatenate(values) for values in zip(*found, strict=True))
        return Batch(x, ids, self._named(labels) if self._has_labels else None)

    def sample(self, limit):
        """Yield x of about `limit` examples, spread over each part, or of a stream its first."""
        share = min(1.0, limit / len(self))
        for part, first in zip(self._parts, self._starts, strict=False):
            wanted = max(1, round(share * len(part)))
            if isinstance(part, Rows):
                places = np.linspace(0, len(part) - 1, wanted).astype(np.int64)
                part = Rows(part.store, part.indices[places])
            for begin in range(0, wanted, _BATCH):
                yield self._read(part, first, begin, min(begin + _BATCH, wanted))[0]

    def of_class(self, label, limit):
        """Yield x of about `limit` examples with a label, an int, chosen as `sample` does."""
        if all(isinstance(part, Rows) for part in self._parts):
            chosen = [_rows_of_class(part, label) for part in self._parts]
            chosen = PartExamples([part for part in chosen if len(part)], self._binarize)
            yield from chosen.sample(limit) if len(chosen) else ()
            return
        for part, first in zip(self._parts, self._starts, strict=False):
            for begin in range(0, len(part), _BATCH):
                end = min(begin + _BATCH, len(part))
                x, _, labels = self._read(part, first, begin, end)
                found = x[labels == label][:limit]
                limit -= len(found)
                if len(found):
                    yield found
                if not limit:
                    return

    def _read(self, part, first, begin, end):
        if isinstance(part, Rows):
            rows = part.indices[begin:end]
            stored, ids = part.store.read(rows), rows
            labels = part.store.labels
            labels = np.zeros(len(rows), np.int32) if labels is None else labels[rows]
            names = getattr(part.store, "ids", None)
            if names is not None:
                ids = np.asarray([names[row] for row in rows])
        else:
            stream = self._streams.setdefault(first, _Stream(part))
            stored, labels = stream.read(begin, end)
            ids = np.arange(first + begin, first + end)
        x = pixels.decode(stored, part.levels)
        return (x > 0.5).astype("float32") if self._binarize else x, ids, labels

    def _named(self, labels):
        return np.array(self._names)[labels] if self._names else labels


def _rows_of_class(part, label):
    return Rows(part.store, part.indices[np.asarray(part.store.labels)[part.indices] == label])


class _Stream:
    """Stored images and labels of a part that is read in order, from any place on."""

    def __init__(self, part):
        self._part, self._place, self._batches = part, 0, None

    def read(self, begin, end):
        import tensorflow as tf

        if self._batches is None or begin != self._place:
            first = begin // _BATCH
            with tf.device("CPU:0"):
                epoch = tf.data.Dataset.from_tensors(tf.constant([0, first], tf.int64))
            self._batches = iter(self._part.batches(epoch, _BATCH))
            self._rest = self._next(begin - first * _BATCH)
        found = [self._rest]
        while sum(len(images) for images, _ in found) < end - begin:
            found.append(self._next())
        images, labels = (np.concatenate(values) for values in zip(*found, strict=True))
        self._rest, self._place = (images[end - begin :], labels[end - begin :]), end
        return images[: end - begin], labels[: end - begin]

    def _next(self, skipped=0):
        _, _, images, labels = next(self._batches)
        return images.numpy()[skipped:], labels.numpy()[skipped:]


def open_images(source, event_shape, part=None, binarize=False, resize=False, **options):
    """Return the images of a source, of the shape that a model takes, as `PartExamples`.

    Args:
        source: as `keras_vae.data.load` takes it, or the path of one image file.
        event_shape: (H, W, C).
        part: "train", "validation" or "test" of a source that has it; None for all of it.
        binarize: bool, whether pixels above a half are 1 and the others 0.
        resize: bool, whether images of another size or number of channels are converted.
        **options: `value_range`, `data_dir`, `skip_bad` and `progress`, as `load` takes them.

    Raises:
        ValueError: if the images have another shape, or the source lacks the part.
    """
    size, mode = None, None
    if resize:
        size, mode = tuple(event_shape[:2]), _COLOR_MODES.get(event_shape[2])
    if is_image_file(source):
        opened = _open_image(source, size, mode)
    else:
        opened = open_source(source, Options(size, mode, cache=False, **options))
    if opened.columns:
        raise ValueError(checks.message("A model of images takes images", f"{source}, a table"))
    received = tuple(opened.parts["train"].image_shape)
    if received != tuple(event_shape) or opened.num_resized:
        several = f"some of {opened.num_resized + 1} sizes" if opened.num_resized else received
        raise ValueError(
            checks.message(
                f"{_name(source)} must hold images of shape {tuple(event_shape)}",
                f"images of shape {several}",
                "Convert them with resize=True (--resize)." if not resize else "",
            )
        )
    if part is not None and part not in opened.parts:
        there = ", ".join(opened.parts)
        raise ValueError(
            checks.message(f"`part` must be one that {_name(source)} has ({there})", repr(part))
        )
    names = [part] if part else [name for name in PARTS if name in opened.parts]
    return PartExamples(
        [opened.parts[name] for name in names],
        binarize,
        opened.class_names,
        opened.num_classes is not None,
    )


def is_image_file(source):
    """Return whether a source is the path of one image file."""
    if not isinstance(source, str | os.PathLike):
        return False
    path = pathlib.Path(source)
    return path.suffix.lower() in image_files.EXTENSIONS and path.is_file()


def _open_image(path, size, mode):
    shape = pixels.convert_color(image_files.read(str(path)), mode).shape
    shape = (*(size or shape[:2]), shape[2])
    store = FolderStore([os.path.abspath(path)], shape, mode, None, False)
    return Source(str(path), {"train": Rows(store, np.arange(1))})


def _name(source):
    return str(source) if isinstance(source, str | os.PathLike) else "`source`"
