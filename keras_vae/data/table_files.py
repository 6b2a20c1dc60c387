"""Tables in files: their columns as arrays, all at once or a part at a time."""

import contextlib
import os
import pathlib
import re

import numpy as np

from keras_vae import checks

SUFFIXES = (".csv", ".parquet")
_BATCH_ROWS = 10_000
_BAD_VALUE = re.compile(r"column #(\d+).*invalid value '(.*)'", re.DOTALL)


def read(path, names=()):
    """Return a .csv or .parquet file as a `pyarrow.Table`.

    Args:
        path: str or path.
        names: the columns whose numbers are names, of categories or of rows.
    """
    with _refusing(path):
        if _is_csv(path):
            import pyarrow
            import pyarrow.csv

            found = pyarrow.csv.read_csv(path, convert_options=_conversion())
            # As they are written, and as they are read afterwards: "01" is not "1".
            types = {
                field.name: pyarrow.string()
                for field in found.schema
                if field.name in names or field.type == pyarrow.bool_()
            }
            if not types:
                return found
            return pyarrow.csv.read_csv(path, convert_options=_conversion(types))
        import pyarrow.parquet

        return pyarrow.parquet.read_table(path)


def as_arrow(source):
    """Return a data frame, a dict of arrays, or an array (N, columns) as a `pyarrow.Table`."""
    import pyarrow

    if isinstance(source, pyarrow.Table):
        return source
    try:
        if isinstance(source, dict):
            return pyarrow.table({str(name): _native(one) for name, one in source.items()})
        if hasattr(source, "iloc"):
            return pyarrow.Table.from_pandas(source, preserve_index=False)
        array = _native(source)
        columns = {
            f"x{index}": np.ascontiguousarray(array[:, index]) for index in range(array.shape[1])
        }
        return pyarrow.table(columns)
    except (pyarrow.ArrowException, TypeError, IndexError) as error:
        raise ValueError(
            checks.message(
                "`source` must be columns of numbers or texts, all of one length",
                _first_line(error),
            )
        ) from error


def _native(array):
    """Return what pyarrow takes: it knows no numbers of another byte order."""
    if not isinstance(array, np.ndarray) or array.dtype.isnative:
        return array
    return array.astype(array.dtype.newbyteorder("="))


def names_of(path):
    """Return the names of the columns of a file."""
    with _refusing(path):
        if _is_csv(path):
            import pyarrow.csv

            with pyarrow.csv.open_csv(path) as reader:
                return reader.schema.names
        import pyarrow.parquet

        return pyarrow.parquet.read_schema(path).names


def batches(path, kinds):
    """Yield dicts from names to `pyarrow.Array`s, a part of the rows at a time.

    Args:
        path: `pathlib.Path` of a .csv or .parquet file.
        kinds: dict from the names of the columns that are wanted to whether they are texts.
    """
    import pyarrow

    with _refusing(path, names_of(path)):
        if _is_csv(path):
            import pyarrow.csv

            types = {
                name: pyarrow.string() if is_text else pyarrow.float64()
                for name, is_text in kinds.items()
            }
            options = _conversion(types, only=True)
            with pyarrow.csv.open_csv(path, convert_options=options) as reader:
                for batch in reader:
                    yield {name: batch[name] for name in kinds}
            return
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=list(kinds)):
                yield {name: batch[name] for name in kinds}


def check_names(path, columns, there):
    """Raise `ValueError` unless a table has the columns of a model, each once."""
    missing = [column.name for column in columns if column.name not in there]
    if missing:
        raise ValueError(
            checks.message(
                f"{path} must have the columns of the model, {len(columns)} of them",
                f"columns without {', '.join(map(repr, missing[:10]))}: {', '.join(there[:20])}",
                "Names are told apart by capitals and spaces too.",
            )
        )
    doubled = [column.name for column in columns if there.count(column.name) > 1]
    if doubled:
        raise ValueError(
            checks.message(f"{path} must have each column once", f"several {doubled[0]!r}")
        )


def values(array, name, as_texts=False):
    """Return a column as a NumPy array: floats with NaN, or objects, str or None.

    Args:
        array: `pyarrow.Array` or `ChunkedArray`.
        name: str, of the column.
        as_texts: bool, whether numbers are names of categories.

    Raises:
        ValueError: if the column holds neither numbers nor texts.
    """
    import pyarrow

    kind = array.type
    if kind == pyarrow.null():
        return np.full(len(array), None if as_texts else np.nan)
    is_number = pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)
    if (is_number or pyarrow.types.is_decimal(kind)) and not as_texts:
        return array.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
    return texts(array, name)


def texts(array, name, is_name=False):
    """Return a column as a NumPy array of str and None; arguments and errors as of `values`.

    Args:
        is_name: bool, whether it names rows or classes, as a date may.
    """
    import pyarrow

    kind = array.type
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    legal = (pyarrow.types.is_string, pyarrow.types.is_large_string, pyarrow.types.is_boolean)
    legal += (pyarrow.types.is_integer, pyarrow.types.is_floating, pyarrow.types.is_null)
    if is_name:
        legal += (pyarrow.types.is_date, pyarrow.types.is_timestamp, pyarrow.types.is_time)
    if not any(test(kind) for test in legal):
        raise ValueError(
            checks.message(
                f"Column {name!r} must hold numbers or texts",
                f"{kind}",
                "Turn it into numbers, such as days since a date, or leave it out with "
                "drop_columns (--drop).",
            )
        )
    found = array.cast(pyarrow.string()).to_numpy(zero_copy_only=False).astype(object)
    return np.array([None if value is None else str(value) for value in found], object)


def _is_csv(path):
    return pathlib.Path(path).suffix.lower() == ".csv"


def _conversion(types=None, only=False):
    import pyarrow.csv

    return pyarrow.csv.ConvertOptions(
        strings_can_be_null=True,
        column_types=types,
        include_columns=list(types) if only else None,
    )


@contextlib.contextmanager
def _refusing(path, names=()):
    """Say in this project's words what pyarrow finds wrong with a file."""
    import pyarrow

    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise ValueError(_unreadable(path, error)) from error
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    except (pyarrow.ArrowException, KeyError, UnicodeDecodeError) as error:
        bad = _BAD_VALUE.search(str(error))
        if bad:
            where = int(bad[1])
            name = f"Column {names[where]!r}" if where < len(names) else f"Column {where}"
            raise ValueError(
                checks.message(
                    f"{name} of {path} must hold numbers, as in training",
                    repr(bad[2]),
                    "Repair the file; an empty cell, NA or NaN is a missing value.",
                )
            ) from None
        raise ValueError(_unreadable(path, error)) from error


def _unreadable(path, error):
    suffix = pathlib.Path(path).suffix
    return checks.message(
        f"{path} must be a readable {suffix} file of a table, in UTF-8", _first_line(error)
    )


def _first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
