"""Run an exported file behind one interface, whatever its format.

Only the runtime of that format is imported: neither TensorFlow nor Keras for a `.tflite` or an
`.onnx` file, and never keras_vae.
"""

import importlib
import pathlib

from export.errors import message
from export.runtimes.base import Encoded, Generated, Runtime, Scored

__all__ = ["Encoded", "Generated", "Runtime", "Scored", "load"]


def load(path):
    """Load an exported file.

    Args:
        path: str or `pathlib.Path`: a `.tflite` file; an `.onnx` file or a folder of them; or a
            SavedModel, either one version of it or the folder of its versions, of which the
            highest is taken.

    Returns:
        A `Runtime`.

    Raises:
        ImportError: if the runtime of the format is not installed.
        ValueError: if there is no such file, or it is damaged or of another kind.

    Example:

    ```python
    decoder = load("exported/tflite/model_float32.tflite")
    image, z = decoder.generate(16, seed=7)
    ```
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise ValueError(
            message(
                "`path` must be an exported file",
                f"{path}, which does not exist",
                "Export a model first, with export.export or keras-vae export.",
            )
        )
    module, path = _choose(path)
    return importlib.import_module(module).open_file(path)


def _choose(path):
    """Return the module of the runtime for a path, and the file or folder that it opens."""
    if path.is_file():
        is_onnx = path.suffix == ".onnx"
        return ("export.runtimes.onnx" if is_onnx else "export.runtimes.tflite"), path
    if (path / "saved_model.pb").exists():
        return "export.runtimes.saved_model", path
    if any(path.glob("*.onnx")):
        return "export.runtimes.onnx", path
    folders = [folder for folder in path.iterdir() if any(folder.glob("*.onnx"))]
    if len(folders) == 1:
        return "export.runtimes.onnx", folders[0]
    versions = [
        folder
        for folder in path.iterdir()
        if folder.name.isdecimal() and (folder / "saved_model.pb").exists()
    ]
    if not versions:
        raise ValueError(
            message(
                "`path` must be a .tflite file, or the folder of a SavedModel or of .onnx files",
                f"{path}, a folder without saved_model.pb or .onnx files",
                "Name the file, or the folder saved_model or onnx, inside the export folder.",
            )
        )
    return "export.runtimes.saved_model", max(versions, key=lambda folder: int(folder.name))
