"""The rows of a table of any size, as a model takes them, from any place on."""

import pathlib

import numpy as np

from keras_vae import checks
from keras_vae.data import table_files, tables
from keras_vae.data.examples import Batch, PartExamples
from keras_vae.data.pipeline import Rows
from keras_vae.data.stores import MemoryStore


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
        table_files.check_names(path, columns, there)
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
        _check_filled(path, self._count, filled)

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
            x = _encode(self._path, self._columns, piece)
            rows = len(x)
            ids = np.arange(first, first + rows)
            if self._id is not None:
                ids = table_files.texts(piece[self._id], self._id, is_name=True)
            labels = None
            if self._label is not None:
                labels = table_files.texts(piece[self._label], self._label, is_name=True)
            yield Batch(x, *map(_as_texts, (ids, labels)))
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
    arrow, labels, class_names = tables.in_memory(source)
    name = "INPUT"
    table_files.check_names(name, columns, arrow.column_names)
    # The columns of a plain array have no names of their own, by which others could be left out.
    if not hasattr(source, "column_names") and not isinstance(source, dict):
        extra = [one for one in arrow.column_names if one not in {c.name for c in columns}]
        if extra and not hasattr(source, "iloc"):
            raise ValueError(
                checks.message(
                    f"An array must have the {len(columns)} columns of the model",
                    f"{len(arrow.column_names)}",
                )
            )
    x = _encode(name, columns, arrow)
    _check_filled(name, len(x), not np.isnan(x).all())
    rows = Rows(MemoryStore(x, None, labels), np.arange(len(x)))
    return PartExamples([rows], False, class_names, labels is not None)


def _check_filled(path, count, is_filled):
    if not is_filled:
        received = "none" if not count else f"{count} rows without any"
        raise ValueError(checks.message(f"{path} must hold a value at least", received))


def _encode(path, columns, arrays):
    """Return rows as a model takes them, (N, columns), of columns of pyarrow by their names."""
    found = []
    for column in columns:
        values = table_files.values(arrays[column.name], column.name, column.is_categorical)
        if not column.is_categorical:
            _check_numbers(path, column.name, values)
        found.append(column.encode(values))
    return np.stack(found, axis=-1)


def _check_numbers(path, name, values):
    if values.dtype == object:
        bad = next((value for value in values if value is not None), None)
    else:
        legal = np.isnan(values) | (np.abs(values) <= np.finfo("float32").max)
        bad = None if legal.all() else values[~legal][0]
    if bad is not None:
        raise ValueError(
            checks.message(
                f"Column {name!r} of {path} must hold numbers, as in training, and none that 32 "
                "bits cannot",
                f"{bad!r}",
                "Repair the file; an empty cell, NA or NaN is a missing value.",
            )
        )


def _as_texts(values):
    """Return texts as an array that needs no Python objects; what is missing is empty."""
    if values is None or values.dtype != object:
        return values
    return np.array(["" if value is None else value for value in values])
