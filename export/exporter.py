"""Export a VAE: write each format, compare it with the Keras model, and only then name it."""

import contextlib
import dataclasses
import os
import pathlib
import tempfile
import time

from export import runtimes, saved_model, tflite
from export.errors import message
from export.float32 import in_float32
from export.formats import resolve
from export.verify import references, verify, verify_rebuilt
from keras_vae.model import VAE

_WRITERS = {"saved_model": saved_model.write, "tflite": tflite.write}
_PRECISION = "float32"


@dataclasses.dataclass(frozen=True)
class Exported:
    """One exported file or folder.

    Attributes:
        format: str, as in `export(formats=...)`.
        precision: str, of its weights.
        path: `pathlib.Path`.
        size: int, bytes.
        seconds: float, spent on writing and comparing it.
        worst_error: float, the largest difference of an output from the Keras model, as a part of
            the largest magnitude of that output, or of 1 if that is less.
    """

    format: str
    precision: str
    path: pathlib.Path
    size: int
    seconds: float
    worst_error: float


def export(vae, directory, formats=("saved_model", "tflite")):
    """Write a VAE for other runtimes, each file compared with the Keras model.

    Files have the signatures `decode`, `encode`, `reconstruct` and `generate`. A SavedModel is a
    new version beside the earlier ones, `saved_model/1`, `saved_model/2` and so on, as TensorFlow
    Serving reads them; other files replace the earlier ones. A file has its name only once all of
    them are whole and have been compared: a failed export changes nothing.

    Args:
        vae: `keras_vae.VAE`, built. A mixed-precision one is rebuilt in float32.
        directory: str or `pathlib.Path` of the export folder; it is made.
        formats: str or tuple of str: "saved_model", "tflite".

    Returns:
        list of `Exported`, one for each format.

    Raises:
        ValueError: if an argument is wrong, or a format cannot take one of the layers.
        VerificationError: if a file does not give what the Keras model gives.
        OSError: if the disk is full or refuses.

    Example:

    ```python
    saved_model, tflite = export(vae, "exported", formats=("saved_model", "tflite"))
    ```
    """
    chosen = resolve(formats)
    _check_vae(vae)
    directory = pathlib.Path(directory)
    with _staging(directory) as staging:
        model = in_float32(vae)
        expected = references(model)
        if model is not vae:
            verify_rebuilt(vae, expected)
        staged = [_stage(row, model, expected, staging, directory) for row in chosen]
        return [
            dataclasses.replace(one, path=_publish(row, one.path, directory))
            for row, one in zip(chosen, staged, strict=True)
        ]


def _stage(row, model, expected, staging, directory):
    """Write one format below the staging folder and compare it."""
    start = time.perf_counter()
    path = staging / _place(row, directory)
    path.parent.mkdir(parents=True, exist_ok=True)
    _WRITERS[row.name](model, path)
    label = str(directory / path.relative_to(staging))
    error = verify(runtimes.load(path), expected, row.tolerances[_PRECISION], label)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    return Exported(row.name, _PRECISION, path, size, time.perf_counter() - start, error)


def _publish(row, staged, directory):
    """Give a staged file its name, and return it."""
    while True:
        path = directory / _place(row, directory)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.replace(staged, path)
        except OSError:
            # Another export may have taken the version meanwhile.
            if row.is_versioned and path.exists():
                continue
            raise
        return path


def _place(row, directory):
    """Return where an export of a format belongs, relative to the export folder."""
    base = (directory / row.path).parent
    versions = [int(path.name) for path in base.glob("*") if path.name.isdecimal()]
    return row.path.format(precision=_PRECISION, version=max(versions, default=0) + 1)


@contextlib.contextmanager
def _staging(directory):
    """Yield a folder inside the export folder, and leave no trace of it."""
    if directory.exists() and not directory.is_dir():
        raise ValueError(
            message("`directory` must be a folder", f"{directory}, a file", "Choose another name.")
        )
    is_new = not directory.exists()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=directory) as staging:
            yield pathlib.Path(staging)
    except OSError as error:
        # The name of the staging folder would tell the user nothing.
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"Nothing was exported: {reason}", str(directory)) from error
    finally:
        if is_new:
            with contextlib.suppress(OSError):
                directory.rmdir()


def _check_vae(vae):
    if not isinstance(vae, VAE):
        raise ValueError(
            message(
                "`vae` must be a keras_vae.VAE",
                repr(vae),
                "Load a saved one with keras.models.load_model.",
            )
        )
    if not vae.built:
        raise ValueError(
            message(
                "`vae` must be built",
                "a VAE that has seen no data",
                "Train it, load its weights, or call it on a batch.",
            )
        )
