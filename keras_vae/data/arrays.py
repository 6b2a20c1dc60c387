"""Arrays in memory and in .npy and .npz files."""

import pathlib
import zipfile
import zlib

import numpy as np

from keras_vae import checks
from keras_vae.data import pixels
from keras_vae.data.stores import ArrayStore

_LEGAL_KEYS = "x_train, y_train, x_test, y_test; or x, y; or images, labels; or exactly one array"
# What reading a damaged file may raise.
DAMAGE = (
    ValueError,
    OSError,
    EOFError,
    KeyError,
    OverflowError,
    zipfile.BadZipFile,
    zlib.error,
)
_FORMS = "x, (x, y) or ((x_train, y_train), (x_test, y_test))"


def open_arrays(source, value_range=None, image_size=None, color_mode=None):
    """Return the stores of arrays in memory, {"train": ...} and "test" where there is one.

    Args:
        source: x, (x, y) or ((x_train, y_train), (x_test, y_test)); x is (N, H, W) or
            (N, H, W, C), y is (N,) or (N, 1) integers or None. A list is a list of images.
        value_range, image_size, color_mode: see `keras_vae.data.load`.
    """
    is_tuple = isinstance(source, tuple)
    parts = _pairs(source) if is_tuple else {"train": ("x", _stack(source), None)}
    return _open(parts, value_range, image_size, color_mode)


def open_file(path, value_range=None, image_size=None, color_mode=None):
    """Return the stores of a .npy or .npz file; a .npy file is memory-mapped.

    Args:
        path: str or path.
        value_range, image_size, color_mode: see `keras_vae.data.load`.
    """
    return _open(read_file(path), value_range, image_size, color_mode)


def read_file(path):
    """Return what a .npy or .npz file holds, {"train": ...} and "test" where there is one.

    Args:
        path: str or path.

    Returns:
        dict from part to a name for errors, x, and y or None.
    """
    path = pathlib.Path(path)
    try:
        if path.suffix.lower() == ".npy":
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            return {"train": (str(path), array, None)}
        return _read_npz(path)
    except PermissionError:
        raise
    except DAMAGE as error:
        if isinstance(error, _KeysError):
            raise
        lines = str(error).splitlines() or ["no text"]
        raise ValueError(
            checks.message(
                f"{path} must be a readable {path.suffix} file of plain arrays",
                f"{type(error).__name__}: {lines[0].rstrip('.')}",
                "The file is damaged, or holds Python objects, which are never unpickled; "
                "write it anew with numpy.save or numpy.savez.",
            )
        ) from error


class _KeysError(ValueError):
    """The names of the arrays in a .npz file are not understood."""


def _read_npz(path):
    with np.load(path, allow_pickle=False) as file:
        keys = set(file.files)

        def pair(x, y):
            return f"{path}[{x!r}]", member(x), member(y) if y in keys else None

        def member(key):
            # What is no array in the archive comes as its bytes.
            if not isinstance(file[key], np.ndarray):
                raise ValueError(f"{key!r} is no array")
            return file[key]

        if "x_train" in keys:
            parts = {"train": pair("x_train", "y_train")}
            return parts | ({"test": pair("x_test", "y_test")} if "x_test" in keys else {})
        for x, y in (("x", "y"), ("images", "labels")):
            if x in keys:
                return {"train": pair(x, y)}
        if len(keys) == 1:
            return {"train": pair(keys.pop(), None)}
    raise _KeysError(
        checks.message(
            f"{path} must hold arrays named {_LEGAL_KEYS}",
            f"keys {', '.join(sorted(keys)) or 'none'}",
            "Write it anew with numpy.savez(path, x=images).",
        )
    )


def _pairs(source):
    if len(source) == 2 and all(isinstance(part, tuple | list) for part in source):
        (train, test) = source
        if len(train) == 2 and len(test) == 2:
            return {
                "train": ("x_train", _stack(train[0]), train[1]),
                "test": ("x_test", _stack(test[0]), test[1]),
            }
    elif len(source) == 2:
        return {"train": ("x", _stack(source[0]), source[1])}
    raise ValueError(
        checks.message(
            f"`source` must be {_FORMS}",
            f"a tuple of {len(source)}: ({', '.join(type(part).__name__ for part in source)})",
            "Give lists of images as one array, with numpy.stack.",
        )
    )


def _stack(x):
    if isinstance(x, list):
        images = [np.asarray(image) for image in x]
        shapes = sorted({image.shape for image in images})
        if len(shapes) > 1:
            raise ValueError(
                checks.message(
                    "A list given as `source` must hold images of one shape",
                    f"{len(images)} arrays of shapes {', '.join(map(str, shapes[:5]))}",
                    f"Resize the images, or give arrays as a tuple: {_FORMS}.",
                )
            )
        return np.stack(images) if images else np.empty((0, 0, 0))
    return np.asarray(x)


def _open(parts, value_range, image_size, color_mode):
    stores = {}
    for part, (name, x, y) in parts.items():
        _check_shape(name, x)
        labels = None if y is None else _labels(name, y, len(x))
        code = pixels.scan(x, name, value_range)
        stores[part] = ArrayStore(x, code, labels, image_size, color_mode, name)
    shapes = {part: store.image_shape for part, store in stores.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(
            checks.message(
                "Training and test images must have one shape",
                ", ".join(f"{part} {shape}" for part, shape in shapes.items()),
                "Resize both with image_size=(H, W), or set color_mode.",
            )
        )
    return stores


def _check_shape(name, x):
    if x.ndim not in (3, 4) or 0 in x.shape:
        raise ValueError(
            checks.message(
                f"{name} must be images (N, H, W) or (N, H, W, C), none of them 0",
                f"shape {x.shape}, dtype {x.dtype}",
                "Flat images need a reshape first, such as x.reshape(-1, 28, 28, 1).",
            )
        )


def _labels(name, y, length):
    y = np.asarray(y)
    flat = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    whole = flat.ndim == 1 and (
        flat.dtype.kind in "bui" or (flat.dtype.kind == "f" and np.all(flat == np.floor(flat)))
    )
    if not whole or len(flat) != length or flat.min() < 0 or flat.max() >= 2**31:
        raise ValueError(
            checks.message(
                f"The labels y of {name} must be {length} integers >= 0, one for each image",
                f"shape {y.shape}, dtype {y.dtype}",
                f"Turn one-hot labels into integers with numpy.argmax. `source` is {_FORMS}.",
            )
        )
    return flat.astype(np.int32)
