"""Results too large for memory: a folder of shards that a second call completes."""

import json
import math
import pathlib
import zipfile
import zlib

import numpy as np

from keras_vae.checks import file_format, integer, message
from keras_vae.files import (
    check_place,
    final_path,
    read_json,
    remove_partial,
    write_arrays,
    write_json,
)
from keras_vae.progress import bar

INDEX = "shards.json"
FORMAT = "keras_vae shards"
FORMAT_VERSION = 1
_BYTES = 1 << 26
_MOST_ROWS = 10_000
# A scalar has no length: a TypeError.
_DAMAGE = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError, TypeError)
_FIX = "Choose another name with --out, or move what is there away."


class Shards:
    """Arrays of many rows in the .npz files of a folder, each whole or not there.

    Args:
        path: str or `pathlib.Path`, the folder; it is made, and what is missing in it is added.
        source: dict of JSON values, all that the rows depend on.
        count: int >= 1, rows.
        row_bytes: int >= 1, about what a row takes, by which the rows of a shard are chosen.

    Raises:
        ValueError: if the folder holds something else, or shards of another source.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     shards = Shards(f"{folder}/squares", {"power": 2}, count=25_000, row_bytes=8)
    ...     written = shards.write(lambda start, stop: {"square": np.arange(start, stop) ** 2.0})
    ...     print(written, [len(part["square"]) for part in read(shards.path)])
    (3, 0) [10000, 10000, 5000]
    """

    def __init__(self, path, source, count, row_bytes):
        self.path = final_path(path)
        self.count = integer("count", count, 1)
        self.rows = max(1, min(_MOST_ROWS, _BYTES // max(1, row_bytes)))
        source = {"source": source, "count": count, "rows": self.rows}
        source = json.loads(json.dumps(source))
        self._claim(source)

    def _claim(self, source):
        index = self.path / INDEX
        if self.path.is_dir():
            remove_partial(self.path, of_others=False)
        if index.is_file():
            found = _index(self.path)
            if {name: found.get(name) for name in source} != source:
                raise ValueError(
                    message(
                        f"The shards in {self.path} must be those of the same command and model",
                        f"those of {found.get('source')}, {found.get('count')} rows, in place of "
                        f"{source['source']}, {source['count']} rows",
                        _FIX,
                    )
                )
            return
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise ValueError(
                message(
                    "--out must be a new name or a folder of shards",
                    f"{self.path}, which exists and holds no {INDEX}",
                    _FIX,
                )
            )
        check_place(self.path)
        write_json(index, {"format": FORMAT, "format_version": FORMAT_VERSION, **source})

    def write(self, make, progress=False):
        """Write the shards that are not there yet; return how many were, and how many were not.

        Args:
            make: function of the first row of a shard and the one after its last that returns a
                dict of arrays with as many rows.
            progress: bool, whether to show a bar.
        """
        starts = range(0, self.count, self.rows)
        kept = 0
        for start in bar(starts, progress, "Writing", "shard", len(starts)):
            stop = min(start + self.rows, self.count)
            path = self.path / f"rows-{start:09d}-{stop:09d}.npz"
            if _is_whole(path, stop - start):
                kept += 1
                continue
            write_arrays(path, make(start, stop))
        return len(starts) - kept, kept


def read(path):
    """Yield the arrays of each shard, a dict, in their order.

    Args:
        path: str or `pathlib.Path`, of a folder of shards.

    Raises:
        ValueError: if it is none, or a shard is missing or damaged.
    """
    path = pathlib.Path(path)
    index = _index(path)
    for start in range(0, index["count"], index["rows"]):
        stop = min(start + index["rows"], index["count"])
        shard = path / f"rows-{start:09d}-{stop:09d}.npz"
        if not _is_whole(shard, stop - start):
            raise ValueError(
                message(
                    f"{path} must hold all of its shards",
                    f"{shard.name} missing or damaged",
                    "The command that wrote it completes it.",
                )
            )
        with np.load(shard, allow_pickle=False) as file:
            yield {name: file[name] for name in file.files}


def row_bytes(shape):
    """Return the bytes of a float32 array of a shape.

    Args:
        shape: tuple of int.
    """
    return 4 * math.prod(shape)


def _index(path):
    if not (path / INDEX).is_file():
        raise ValueError(message(f"{path} must be a folder of shards", f"no {INDEX} in it"))
    found = read_json(path / INDEX, _FIX)
    file_format(path / INDEX, found, FORMAT, FORMAT_VERSION, _FIX)
    return found


def _is_whole(path, rows):
    """Return whether a shard is there, can be read, and has so many rows."""
    if not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return False
        with np.load(path, allow_pickle=False) as file:
            return bool(file.files) and all(len(file[name]) == rows for name in file.files)
    except PermissionError:
        raise
    except _DAMAGE:
        return False
