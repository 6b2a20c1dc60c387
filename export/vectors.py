"""Golden vectors: inputs, and what the Keras model gave for them, in one `.npz` file."""

import hashlib
import io

import numpy as np

from export.errors import message

_SIDES = ("inputs", "outputs")


def pack(vectors):
    """Return golden vectors as the bytes of an `.npz` file.

    Args:
        vectors: dict from endpoint to a pair of dicts of arrays, inputs and outputs.
    """
    arrays = {
        f"{endpoint}/{side}/{name}": value
        for endpoint, sides in vectors.items()
        for side, values in zip(_SIDES, sides, strict=True)
        for name, value in values.items()
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def load(path):
    """Read golden vectors.

    Args:
        path: `pathlib.Path` of the `.npz` file.

    Raises:
        ValueError: if there is no such file, or it is damaged.
    """
    vectors = {}
    try:
        content = path.read_bytes()
        if name_of(content) != path.name:
            raise ValueError("its name is not that of its content")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            for key in file.files:
                endpoint, side, name = key.split("/")
                pair = vectors.setdefault(endpoint, ({}, {}))
                pair[_SIDES.index(side)][name] = file[key]
    # A damaged archive may fail at any depth, with any type of exception.
    except Exception as error:
        raise ValueError(
            message(
                f"{path} must hold the golden vectors of an export",
                f"a file that is missing or damaged ({type(error).__name__})",
                "Export the model again.",
            )
        ) from error
    return vectors


def name_of(content):
    """Return the file name of packed vectors, after their content."""
    return f"{hashlib.sha256(content).hexdigest()[:12]}.npz"
