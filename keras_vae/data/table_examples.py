"""The rows of a table of any size, as a model takes them, from any place on."""

import pathlib

import numpy as np

from keras_vae import checks
from keras_vae.data import table_files, tables
from keras_vae.data.examples import Batch, PartExamples
from keras_vae.data.pipeline import Rows
from keras_vae.data.stores import MemoryStore
from keras_vae.data.tables import TableOptions


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


def _as_texts(values):
    """Return texts as an array that needs no Python objects; what is missing is empty."""
    if values is None or values.dtype != object:
        return values
    return np.array(["" if value is None else value for value in values])
