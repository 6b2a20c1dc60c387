"""Tables, read whole to learn from: CSV and Parquet files, data frames, arrays of two axes."""

import dataclasses
import os
import pathlib
import zipfile

import numpy as np

from keras_vae import checks, columns
from keras_vae.data import arrays, table_files

SUFFIXES = table_files.SUFFIXES
_ARRAY_FILES = (".npy", ".npz")
# Of a .npz file, the array that holds the rows, or the images.
_KEYS = ("x_train", "x", "images")
# More different texts than this are no kinds of things, but names of them.
_MOST_CATEGORIES = 1000


@dataclasses.dataclass(frozen=True)
class TableOptions:
    """The arguments of `load` that say what the columns of a table are for."""

    label_column: str | None = None
    id_column: str | None = None
    drop_columns: tuple = ()
    categorical_columns: tuple = ()
    columns: tuple | None = None

    def check_used(self, is_table):
        """Raise `ValueError` if one is given and the source is no table."""
        given = [field.name for field in dataclasses.fields(self) if getattr(self, field.name)]
        if given and not is_table:
            raise ValueError(
                checks.message(
                    f"`{given[0]}` must be left out for images",
                    f"{given[0]}={getattr(self, given[0])!r}",
                    "It is for tables: .csv and .parquet files, data frames, arrays (N, columns).",
                )
            )

    @property
    def not_features(self):
        """The names of the columns that the model does not see."""
        named = (self.label_column, self.id_column)
        return [*(name for name in named if name is not None), *self.drop_columns]


class RawTable:
    """A table in memory.

    Args:
        arrow: `pyarrow.Table`.
        options: `TableOptions`.
        name: str, what errors call it.

    Attributes:
        labels: (N,) int32 array, or None.
        class_names: list of str, or None.
        ids: (N,) array of str, or None.
    """

    def __init__(self, arrow, options, name):
        if not arrow.num_rows:
            raise ValueError(checks.message(f"{name} must hold at least one row", "none"))
        doubled = {one for one in arrow.column_names if arrow.column_names.count(one) > 1}
        if doubled:
            raise ValueError(
                checks.message(
                    f"The columns of {name} must have different names",
                    f"several called {min(doubled)!r}",
                )
            )
        for argument in ("label_column", "id_column", "drop_columns", "categorical_columns"):
            _check_there(argument, getattr(options, argument), arrow.column_names, name)
        table_files.check_names(name, options.columns or (), arrow.column_names)
        self.labels = self.class_names = None
        if options.label_column is not None:
            name_of = options.label_column
            texts = table_files.texts(arrow[name_of], name_of, is_name=True)
            self.class_names, self.labels = _classes(texts, name_of)
        self.ids = None
        if options.id_column is not None:
            texts = table_files.texts(arrow[options.id_column], options.id_column, is_name=True)
            self.ids = np.array(["" if text is None else text for text in texts])
        named = options.categorical_columns
        if options.columns:
            named = [column.name for column in options.columns if column.is_categorical]
        self._values = {
            column: table_files.values(arrow[column], column, column in named)
            for column in arrow.column_names
            if column not in options.not_features
        }
        if not self._values:
            raise ValueError(
                checks.message(
                    f"{name} must have a column to learn from", f"{arrow.column_names} alone"
                )
            )
        self._count = arrow.num_rows

    def __len__(self):
        return self._count

    def learn(self, rows):
        """Return the tuple of `columns.Column` that some rows, an array of int, tell."""
        found = []
        for name, values in self._values.items():
            if values.dtype == object:
                found.append(columns.categorical(name, values[rows], _MOST_CATEGORIES))
            else:
                found.append(columns.numeric(name, values[rows]))
        return tuple(found)

    def encode(self, learnt):
        """Return all rows as a model takes them, (N, columns) float32."""
        return np.stack([one.encode(self._values[one.name]) for one in learnt], axis=-1)


def is_table(source):
    """Return whether a source, as `load` takes it, is a table.

    Args:
        source: str, path, array, data frame, dict or tuple.
    """
    if isinstance(source, str | os.PathLike):
        path = pathlib.Path(source)
        suffix = path.suffix.lower()
        return suffix in SUFFIXES or (suffix in _ARRAY_FILES and _rank(path) == 2)
    if isinstance(source, tuple) and len(source) == 2:
        source = source[0]
    if isinstance(source, dict) or hasattr(source, "column_names"):
        return True
    return getattr(source, "ndim", None) == 2


def read(source, options):
    """Return the `RawTable` of a source that is a table.

    Args:
        source: path of a .csv, .parquet, .npy or .npz file, `pyarrow.Table`, `pandas.DataFrame`,
            dict from names to arrays (N,), array (N, columns), or a pair of one and labels (N,).
        options: `TableOptions`.
    """
    path = pathlib.Path(source) if isinstance(source, str | os.PathLike) else None
    if path is not None and path.suffix.lower() in SUFFIXES:
        names = (*options.categorical_columns, options.label_column, options.id_column)
        names += tuple(c.name for c in options.columns or () if c.is_categorical)
        return RawTable(table_files.read(path, names), options, str(path))
    arrow, labels, class_names = in_memory(source)
    raw = RawTable(arrow, options, "`source`" if path is None else str(path))
    if labels is not None:
        raw.labels, raw.class_names = labels, class_names
    return raw


def in_memory(source):
    """Return the `pyarrow.Table` of what is no .csv or .parquet file, its labels and their names.

    Args:
        source: as of `read`.
    """
    if isinstance(source, str | os.PathLike):
        source = _array_of(pathlib.Path(source))
    labels = None
    if isinstance(source, tuple):
        source, labels = source
    arrow = table_files.as_arrow(source)
    if labels is None:
        return arrow, None, None
    if len(labels) != arrow.num_rows:
        raise ValueError(
            checks.message(
                "There must be a label for each row", f"{len(labels)} for {arrow.num_rows} rows"
            )
        )
    labels = np.asarray(labels)
    missing = labels.dtype.kind == "f" and np.isnan(labels).any()
    if labels.ndim != 1 or missing or any(label is None for label in labels.tolist()):
        received = "NaN" if missing else f"shape {labels.shape}, or None"
        raise ValueError(checks.message("There must be one label for each row", received))
    texts = np.array([str(label) for label in labels.tolist()], object)
    class_names, labels = _classes(texts, "labels")
    return arrow, labels, class_names


def _classes(texts, name):
    """Return the names of classes and their numbers, of texts (N,)."""
    if any(text is None for text in texts):
        raise ValueError(
            checks.message(
                f"Label column {name!r} must have a value in each row",
                f"none in {sum(text is None for text in texts)} rows",
                "Leave out these rows, or the labels.",
            )
        )
    names, numbers = np.unique(texts.astype(str), return_inverse=True)
    return _in_order(names.tolist(), numbers.astype(np.int32))


def _in_order(names, numbers):
    """Sort names that are whole numbers by their value, as 2 before 10."""
    if not all(name.isdecimal() for name in names):
        return names, numbers
    order = sorted(range(len(names)), key=lambda place: int(names[place]))
    places = np.argsort(order).astype(np.int32)
    return [names[place] for place in order], places[numbers]


def _check_there(argument, given, names, table):
    for one in [given] if isinstance(given, str) else given or ():
        if one not in names:
            raise ValueError(
                checks.message(
                    f"`{argument}` must name a column of {table}",
                    f"{one!r}",
                    checks.close_names(one, names) or f"There are {', '.join(names[:10])}.",
                )
            )


def _rank(path):
    """Return the number of axes of the rows or images in a file, None where the file is none."""
    try:
        if path.suffix.lower() == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False).ndim
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            chosen = next((key for key in _KEYS if key in names), names[0])
            with archive.open(f"{chosen}.npy") as member:
                version = np.lib.format.read_magic(member)
                read = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
                return len(read(member)[0])
    # Whatever is wrong with it, reading it says so.
    except (*arrays.DAMAGE, IndexError, AttributeError):
        return None


def _array_of(path):
    """Return the array of a .npy or .npz file, or a pair of rows and labels."""
    parts = arrays.read_file(path)
    if len(parts) > 1:
        raise ValueError(
            checks.message(
                f"{path} must hold all rows of a table in one array",
                f"arrays for {' and '.join(parts)}",
                "Put them together; test_fraction sets a part of them apart.",
            )
        )
    _, x, y = parts["train"]
    return x if y is None else (x, y)
