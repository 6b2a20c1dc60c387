"""One row of results for each example: written in shards that a restart goes on with, then joined.

The shards stand beside the file that is to be, in a folder that goes when the file is there.
"""

import itertools
import pathlib
import shutil
import zipfile

import numpy as np

from keras_vae import shards
from keras_vae.checks import message
from keras_vae.files import check_place, final_path, replacing_file

SUFFIXES = (".csv", ".parquet", ".npz")
_ENDING = ".shards"


class Results:
    """A file of results, or where its name has no suffix a folder of shards.

    Args:
        path: str or `pathlib.Path` that ends in .csv, .parquet or .npz, or has no suffix.
        source: dict of JSON values, all that the rows depend on.
        count: int >= 1, rows.
        row_bytes: int >= 1, about what the work on a row takes in memory.

    Raises:
        ValueError: if there are no rows, or the suffix or what stands there is another.
    """

    def __init__(self, path, source, count, row_bytes):
        self.path = check(path)
        if not count:
            raise ValueError(message("There must be at least one example", "none"))
        folder = self.path
        if self.path.suffix:
            folder = self.path.with_name(self.path.name + _ENDING)
        self._shards = shards.Shards(folder, source, count, row_bytes)

    def write(self, make, progress=False):
        """Write what is missing; return how many shards were written, and how many were there.

        Args:
            make: function of the first row and the one after the last that returns a dict of arrays
                with as many rows.
            progress: bool, whether to show a bar.
        """
        found = self._shards.write(make, progress)
        if self._shards.path != self.path:
            self._join()
            shutil.rmtree(self._shards.path)
        return found

    def _join(self):
        writers = {".npz": _write_npz, ".csv": _write_csv, ".parquet": _write_parquet}
        with replacing_file(self.path) as partial:
            writers[self.path.suffix.lower()](partial, self._shards.path)


def check(path):
    """Return the absolute path of a file of results or of a folder of shards.

    Raises:
        ValueError: if its suffix says another kind of file, or it may not have that name.
        OSError: if it may not be written there.
    """
    found = final_path(path)
    suffix = found.suffix.lower()
    if suffix and suffix not in SUFFIXES:
        raise ValueError(
            message(
                f"--out must end in {', '.join(SUFFIXES)}, or be the name of a folder", str(path)
            )
        )
    check_place(found)
    if suffix and found.is_dir():
        raise ValueError(message("--out must be the name of a file", f"{path}, a folder"))
    return found


def read_column(path, name):
    """Return one column of a file of results or of a folder of shards as an array."""
    path = pathlib.Path(path)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return file[name]
    if not suffix:
        return np.concatenate([part[name] for part in shards.read(path)])
    import pyarrow.csv
    import pyarrow.parquet

    if suffix == ".parquet":
        return pyarrow.parquet.read_table(path, columns=[name])[name].to_numpy()
    only = pyarrow.csv.ConvertOptions(include_columns=[name])
    return pyarrow.csv.read_csv(path, convert_options=only)[name].to_numpy()


def _write_npz(path, folder):
    first = next(iter(shards.read(folder)))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name in first:
            # Texts of one shard may be longer than those of another.
            pieces = [(part[name].dtype, len(part[name])) for part in shards.read(folder)]
            dtype = np.result_type(*(kind for kind, _ in pieces))
            rows = sum(count for _, count in pieces)
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                header = {
                    "descr": np.lib.format.dtype_to_descr(dtype),
                    "fortran_order": False,
                    "shape": (rows, *first[name].shape[1:]),
                }
                np.lib.format.write_array_header_2_0(member, header)
                for part in shards.read(folder):
                    member.write(np.ascontiguousarray(part[name], dtype).tobytes())


def _write_csv(path, folder):
    import pyarrow.csv

    _write_tables(lambda schema: pyarrow.csv.CSVWriter(str(path), schema), folder)


def _write_parquet(path, folder):
    import pyarrow.parquet

    _write_tables(lambda schema: pyarrow.parquet.ParquetWriter(str(path), schema), folder)


def _write_tables(open_writer, folder):
    parts = shards.read(folder)
    first = _as_table(next(parts))
    with open_writer(first.schema) as writer:
        for table in itertools.chain([first], map(_as_table, parts)):
            # Of other columns pyarrow would write what nobody can read.
            writer.write_table(table.select(first.column_names).cast(first.schema))


def _as_table(arrays):
    """Return a `pyarrow.Table` of arrays, those of two axes as a column for each number."""
    import pyarrow

    columns = {}
    for name, array in arrays.items():
        if array.ndim == 1:
            # What is not a number has no value.
            columns[name] = pyarrow.array(array, from_pandas=array.dtype.kind == "f")
        else:
            flat = array.reshape(len(array), -1)
            columns |= {f"{name}_{i}": pyarrow.array(flat[:, i]) for i in range(flat.shape[1])}
    return pyarrow.table(columns)
