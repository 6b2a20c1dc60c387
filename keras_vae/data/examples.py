"""Examples of any source, to be worked through once, in bounded memory and from any place on."""

import os
import pathlib
from typing import NamedTuple

import numpy as np

from keras_vae import checks
from keras_vae.data import image_files, pixels, table_files, tables
from keras_vae.data.folder import FolderStore
from keras_vae.data.pipeline import Rows
from keras_vae.data.sources import Options, Source, open_source
from keras_vae.data.stores import MemoryStore
from keras_vae.data.tables import TableOptions

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

    def _read(self, part, first, begin, end):
        if isinstance(part, Rows):
            rows = part.indices[begin:end]
            stored, ids = part.store.read(rows), rows
            labels = part.store.labels
            labels = np.zeros(len(rows), np.int32) if labels is None else labels[rows]
            if isinstance(part.store, FolderStore):
                ids = np.array([part.store.paths[row] for row in rows])
        else:
            stream = self._streams.setdefault(first, _Stream(part))
            stored, labels = stream.read(begin, end)
            ids = np.arange(first + begin, first + end)
        x = pixels.decode(stored, part.levels)
        return (x > 0.5).astype("float32") if self._binarize else x, ids, labels

    def _named(self, labels):
        return np.array(self._names)[labels] if self._names else labels


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


class TableFile:
    """The rows of a .csv or .parquet file, as a model takes them.

    The whole file is looked through first, so that what is wrong with it is said before any work.

    Args:
        path: str or `pathlib.Path`.
        columns: tuple of `keras_vae.columns.Column`, those of the model.
        label_column, id_column: str or None; a label column that the file lacks is no labels.

    Raises:
        ValueError: if columns are missing, or hold what they cannot.
    """

    def __init__(self, path, columns, label_column=None, id_column=None):
        self._path, self._columns = pathlib.Path(path), columns
        there = table_files.names_of(self._path)
        missing = [column.name for column in columns if column.name not in there]
        if missing:
            raise ValueError(
                checks.message(
                    f"{path} must have the columns of the model, {len(columns)} of them",
                    f"{', '.join(there[:20])}, without {', '.join(map(repr, missing[:10]))}",
                    "Names are told apart by capitals and spaces too.",
                )
            )
        if id_column is not None and id_column not in there:
            raise ValueError(
                checks.message(f"`id_column` must name a column of {path}", f"{id_column!r}")
            )
        self._id, self._label = id_column, label_column if label_column in there else None
        self._kinds = {column.name: column.is_categorical for column in columns}
        self._texts = [name for name in (self._label, self._id) if name is not None]
        self._place, self._pieces = 0, None
        self._count, filled = 0, False
        for piece in self._decoded():
            self._count += len(piece.x)
            filled = filled or not np.isnan(piece.x).all()
        if not filled:
            received = "none" if not self._count else f"{self._count} rows without any"
            raise ValueError(checks.message(f"{path} must hold a value at least", received))

    def __len__(self):
        return self._count

    def read(self, start, stop):
        """Return the `Batch` of the rows at some places."""
        if self._pieces is None or start < self._place:
            self._pieces, self._place, self._rest = self._decoded(), 0, None
        found = []
        while self._place < stop:
            piece = self._rest or next(self._pieces)
            used = _between(piece, start - self._place, stop - self._place)
            taken = min(len(piece.x), stop - self._place)
            if len(used.x):
                found.append(used)
            self._rest = _between(piece, taken, len(piece.x)) if taken < len(piece.x) else None
            self._place += taken
        x, ids, labels = (
            None if values[0] is None else np.concatenate(values)
            for values in zip(*found, strict=True)
        )
        return Batch(x, ids, labels)

    def _decoded(self):
        first = 0
        kinds = {**self._kinds, **dict.fromkeys(self._texts, True)}
        for piece in table_files.batches(self._path, kinds):
            x = [
                column.encode(
                    table_files.values(piece[column.name], column.name, column.is_categorical)
                )
                for column in self._columns
            ]
            rows = len(x[0])
            ids = np.arange(first, first + rows)
            if self._id is not None:
                ids = table_files.texts(piece[self._id], self._id)
            labels = None
            if self._label is not None:
                labels = table_files.texts(piece[self._label], self._label)
            yield Batch(np.stack(x, axis=-1), *map(_as_texts, (ids, labels)))
            first += rows


def _between(batch, start, stop):
    """Return the part of a `Batch` between two places, as far as they are in it."""
    rows = slice(max(start, 0), max(stop, 0))
    return Batch(*(None if values is None else values[rows] for values in batch))


def open_table(source, columns, label_column=None, id_column=None):
    """Return the rows of a table, as a model takes them, as `TableFile` or `PartExamples`.

    Args:
        source: a table as `keras_vae.data.load` takes it.
        columns: tuple of `keras_vae.columns.Column`, those of the model.
        label_column, id_column: str or None, of a .csv or .parquet file.

    Raises:
        ValueError: if it is no table, or has other columns.
    """
    if not tables.is_table(source):
        raise ValueError(
            checks.message(
                "A model of a table takes a .csv or .parquet file, or an array (N, columns)",
                f"{source}",
            )
        )
    if pathlib.Path(str(source)).suffix.lower() in tables.SUFFIXES:
        return TableFile(source, columns, label_column, id_column)
    raw = tables.read(source, TableOptions())
    store = MemoryStore(raw.encode(columns), None, raw.labels)
    rows = Rows(store, np.arange(len(raw)))
    return PartExamples([rows], False, raw.class_names, raw.labels is not None)


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
                f"{_name(source)} must hold images of shape {tuple(event_shape)}, as the model",
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


def _as_texts(values):
    """Return texts as an array that needs no Python objects; what is missing is empty."""
    if values is None or values.dtype != object:
        return values
    return np.array(["" if value is None else value for value in values])
