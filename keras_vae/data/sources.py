"""Which kind of source is meant, and how each kind becomes parts."""

import dataclasses
import os
import pathlib

import numpy as np

from keras_vae import checks
from keras_vae.data import arrays, digits, splits, tables
from keras_vae.data.pipeline import Rows
from keras_vae.data.stores import MemoryStore
from keras_vae.data.tables import TableOptions

# What is decoded to more than this is streamed with cache="auto".
MEMORY_LIMIT_BYTES = 1 << 30
_ARRAY_FILES = (".npy", ".npz")


@dataclasses.dataclass
class Source:
    """An opened source, divided into parts.

    Attributes:
        name: str.
        parts: dict from "train", "validation" and "test", where present, to a part: `pipeline.Rows`
            or `tfds_parts.StreamedPart`.
        num_classes: int, or None without labels.
        class_names: list of str or None.
        num_skipped: int.
        num_resized: int, images of a folder that have not the size that the others have.
        columns: tuple of `keras_vae.columns.Column` of a table, else None.
        location: str, what opens the source again from any folder; None for arrays.
    """

    name: str
    parts: dict
    num_classes: int | None = None
    class_names: list | None = None
    num_skipped: int = 0
    num_resized: int = 0
    columns: tuple | None = None
    location: str | None = None


@dataclasses.dataclass
class Options:
    """The checked arguments of `load` that say how a source is opened.

    A fraction of None takes the parts as the source has them.
    """

    image_size: tuple | None = None
    color_mode: str | None = None
    value_range: tuple | None = None
    validation_fraction: float | None = None
    test_fraction: float | None = None
    cache: object = "auto"
    skip_bad: bool = False
    data_dir: str | None = None
    progress: bool = False
    table: TableOptions = dataclasses.field(default_factory=TableOptions)

    def in_memory(self, nbytes):
        """Return whether images that take `nbytes` are kept in memory."""
        return nbytes <= MEMORY_LIMIT_BYTES if self.cache == "auto" else self.cache


def open_source(source, options):
    """Return the `Source` of whatever `load` was given, by its checked `Options`."""
    if isinstance(source, str | os.PathLike):
        kind, where = _resolve(source)
    else:
        kind, where = "table" if tables.is_table(source) else "arrays", source
    options.table.check_used(kind == "table")
    if kind in ("folder", "tfds", "digits", "table") and options.value_range is not None:
        raise ValueError(
            checks.message(
                "`value_range` must be None for what has a range of its own",
                f"value_range={options.value_range!r} with source={where!r}",
                "Leave it out; it is for images in arrays, .npz and .npy files.",
            )
        )
    opened = _OPENERS[kind](where, options)
    is_path = isinstance(where, str)
    if kind in ("folder", "file") or (kind == "table" and is_path):
        opened.location = os.path.abspath(where)
    elif is_path:
        opened.location = where
    return opened


def _resolve(source):
    """Return the kind of a source given as str or path, and its name or path."""
    name = os.fspath(source)
    path = pathlib.Path(os.path.expanduser(name))
    is_path = isinstance(source, os.PathLike)
    if name == digits.NAME and not is_path:
        return "digits", name
    suffix = path.suffix.lower()
    if suffix in (*_ARRAY_FILES, *tables.SUFFIXES) and path.is_file():
        return "table" if tables.is_table(path) else "file", str(path)
    looks_like_path = (
        is_path or suffix in (*_ARRAY_FILES, *tables.SUFFIXES) or name[:1] in (".", "~", "/")
    )
    if not looks_like_path:
        from keras_vae.data import tfds_source

        # A bare name means the set even where a folder is called so; "a/b" may well be a path.
        if tfds_source.is_known(name) and not ("/" in name and path.exists()):
            return "tfds", name
    if name and path.is_dir():
        return "folder", str(path)
    if name and path.exists():
        received, fix = "another kind of file", "Give the folder that holds the images."
    elif looks_like_path or os.sep in name:
        received, fix = "a path that does not exist", "Check the spelling of the path."
    else:
        return "tfds", name
    raise ValueError(
        checks.message(
            "`source` must be a folder of images, or a .npz, .npy, .csv or .parquet file",
            f"source={name!r}, {received}",
            fix,
        )
    )


def _open_digits(_, options):
    store = digits.open_digits(options.image_size, options.color_mode)
    return _with_random_access(digits.NAME, {"train": store}, options)


def _open_file(path, options):
    stores = arrays.open_file(path, options.value_range, options.image_size, options.color_mode)
    return _with_random_access(pathlib.Path(path).stem, stores, options)


def _open_arrays(source, options):
    stores = arrays.open_arrays(source, options.value_range, options.image_size, options.color_mode)
    return _with_random_access("arrays", stores, options)


def _with_random_access(name, stores, options):
    if options.in_memory(sum(store.nbytes for store in stores.values())):
        stores = {part: store.to_memory() for part, store in stores.items()}
    indices = {part: np.arange(len(store)) for part, store in stores.items()}
    labels = [store.labels for store in stores.values()]
    known = all(part is not None for part in labels)
    num_classes = int(max(part.max() for part in labels)) + 1 if known else None
    parts = {
        part: Rows(stores[origin], rows)
        for part, (origin, rows) in _divide(indices, options).items()
    }
    return Source(name, parts, num_classes)


def _open_table(source, options):
    name = pathlib.Path(source).stem if isinstance(source, str) else "table"
    raw = tables.read(source, options.table)
    divided = _divide({"train": np.arange(len(raw))}, options)
    columns = options.table.columns or raw.learn(divided["train"][1])
    store = MemoryStore(raw.encode(columns), None, raw.labels, ids=raw.ids)
    parts = {part: Rows(store, rows) for part, (_, rows) in divided.items()}
    names = raw.class_names
    return Source(name, parts, len(names) if names else None, names, columns=columns)


def _open_folder(path, options):
    from keras_vae.data import folder

    found = folder.open_folder(
        path,
        image_size=options.image_size,
        color_mode=options.color_mode,
        in_memory=options.in_memory,
        skip_bad=options.skip_bad,
        progress=options.progress,
    )
    parts = {
        part: Rows(found.store, rows) for part, (_, rows) in _divide(found.indices, options).items()
    }
    names = found.class_names
    return Source(
        pathlib.Path(path).resolve().name,
        parts,
        len(names) if names else None,
        names,
        found.num_skipped,
        found.num_resized,
    )


def _open_tfds(name, options):
    from keras_vae.data import tfds_parts

    parts, columns = tfds_parts.open_parts(
        name,
        image_size=options.image_size,
        color_mode=options.color_mode,
        in_memory=options.in_memory,
        validation_fraction=options.validation_fraction,
        test_fraction=options.test_fraction,
        data_dir=options.data_dir,
        progress=options.progress,
    )
    return Source(name, parts, columns.num_classes, columns.class_names)


def _divide(indices, options):
    """Return for each part where its rows come from, and which they are.

    What the source lacks is taken from its training rows.

    Args:
        indices: dict from the parts that the source has to arrays of int64.
        options: `Options`.
    """
    parts = {part: (part, rows) for part, rows in indices.items()}
    if options.validation_fraction == 0:
        parts.pop("validation", None)
    for part, fraction in (
        ("test", options.test_fraction),
        ("validation", options.validation_fraction),
    ):
        if part not in parts and fraction:
            remaining, taken = splits.divide(parts["train"][1], fraction, part)
            parts[part], parts["train"] = ("train", taken), ("train", remaining)
    return parts


_OPENERS = {
    "digits": _open_digits,
    "tfds": _open_tfds,
    "folder": _open_folder,
    "file": _open_file,
    "arrays": _open_arrays,
    "table": _open_table,
}
