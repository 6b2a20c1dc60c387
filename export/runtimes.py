"""Run an exported file behind one interface, whatever its format.

Only the runtime of that format is imported: neither TensorFlow nor Keras for a `.tflite` file,
and never keras_vae.
"""

import abc
import pathlib
from typing import NamedTuple

import numpy as np

from export import quiet, rows
from export.endpoints import ENDPOINTS
from export.errors import message

_TFLITE_IDENTIFIER = b"TFL3"


class Encoded(NamedTuple):
    """The parameters of q(z|x) for a batch: `z_mean` and `z_log_var`, each `(B, D)`."""

    z_mean: np.ndarray
    z_log_var: np.ndarray


class Generated(NamedTuple):
    """Images `(n, *event)` and the draws of z `(n, D)` that they are the images of."""

    image: np.ndarray
    z: np.ndarray


def load(path):
    """Load an exported file.

    Args:
        path: str or `pathlib.Path`: a `.tflite` file; or a SavedModel, either one version of it or
            the folder of its versions, of which the highest is taken.

    Returns:
        A `Runtime`.

    Raises:
        ValueError: if there is no such file, or it is damaged or of another kind.

    Example:

    ```python
    decoder = load("exported/tflite/model_float32.tflite")
    image, z = decoder.generate(16, seed=7)
    ```
    """
    path = pathlib.Path(path)
    if path.is_dir():
        return _SavedModel(_saved_model_folder(path))
    if not path.exists():
        raise ValueError(
            message(
                "`path` must be an exported file",
                f"{path}, which does not exist",
                "Export a model first, with export.export or keras-vae export.",
            )
        )
    with open(path, "rb") as file:
        head = file.read(8)
    if head[4:8] != _TFLITE_IDENTIFIER:
        raise _not_exported(path, "a file that is damaged or is no TFLite file")
    return _TFLite(path)


class Runtime(abc.ABC):
    """An exported file, loaded. It takes and gives NumPy arrays.

    Attributes:
        path: `pathlib.Path` of the file or folder.
        endpoints: tuple of str, those of decode, encode, reconstruct and generate that it has.
    """

    def __init__(self, path, row_shapes):
        self.path = path
        self._row_shapes = row_shapes
        self.endpoints = tuple(name for name in ENDPOINTS if name in row_shapes)
        for name in self.endpoints:
            if sorted(row_shapes[name]) != sorted(ENDPOINTS[name].inputs):
                raise _not_exported(path, f"`{name}` with inputs {sorted(row_shapes[name])}")
        if not self.endpoints:
            raise _not_exported(path, f"signatures {sorted(row_shapes)}")

    def decode(self, z):
        """Return images `(B, *event)`, the means of p(x|z), for z `(B, D)`.

        Raises:
            ValueError: if the file has no `decode`, or z is of another shape or not finite.
        """
        return self.run("decode", z=z)["image"]

    def encode(self, image):
        """Return `Encoded(z_mean, z_log_var)` for images `(B, *event)`; errors as in `decode`."""
        outputs = self.run("encode", image=image)
        return Encoded(outputs["z_mean"], outputs["z_log_var"])

    def reconstruct(self, image):
        """Return the decoded centre of q(z|x) for images `(B, *event)`; errors as in `decode`."""
        return self.run("reconstruct", image=image)["image"]

    def generate(self, n=None, temperature=1.0, seed=None):
        """Generate images from draws of the prior, those of `VAE.generate` for the same seed.

        Args:
            n: None or int >= 1, how many; None for one, or one for each row seed.
            temperature: float >= 0, which scales the spread of the prior, or n of them.
            seed: None, an int, or the row seeds: a list or array of int32.

        Returns:
            `Generated(image, z)`.

        Raises:
            ValueError: if the file has no `generate`, or an argument is out of its range.
        """
        seeds = rows.as_row_seeds(seed, n)
        temperature = _as_array("temperature", temperature, np.float32)
        fits = temperature.shape in ((), seeds.shape)
        if not fits or not np.all(np.isfinite(temperature)) or np.any(temperature < 0):
            expectation = f"`temperature` must be a number >= 0, or {len(seeds)} of them"
            raise ValueError(message(expectation, f"temperature={temperature.tolist()}"))
        temperature = np.broadcast_to(temperature, seeds.shape)
        outputs = self.run("generate", seed=seeds, temperature=temperature)
        return Generated(outputs["image"], outputs["z"])

    def run(self, endpoint, **inputs):
        """Run an endpoint on arrays, each of the same number of rows.

        Args:
            endpoint: str, such as "decode".
            **inputs: arrays `(B, ...)` by the endpoint's names of inputs.

        Returns:
            dict from name to array.

        Raises:
            ValueError: if the file has no such endpoint, or an array does not fit or is not
                finite.
        """
        if endpoint not in self.endpoints:
            legal = ", ".join(self.endpoints)
            raise ValueError(message(f"{self.path} has the endpoints {legal}", f"`{endpoint}`"))
        shapes = self._row_shapes[endpoint]
        return self._run(
            endpoint, {name: self._check(name, inputs[name], shapes[name]) for name in shapes}
        )

    @abc.abstractmethod
    def _run(self, endpoint, inputs):
        """Return the dict of outputs for inputs that were checked."""

    def _check(self, name, value, row_shape):
        value = _as_array(name, value, np.int32 if name == "seed" else np.float32)
        if value.shape[1:] != row_shape or not value.ndim or not len(value):
            expected = ", ".join(("B", *map(str, row_shape)))
            fix = "Add the batch axis with [None]." if value.shape == row_shape else ""
            expectation = f"{self.path} takes `{name}` of shape ({expected})"
            raise ValueError(message(expectation, f"shape {value.shape}", fix))
        if not np.all(np.isfinite(value)):
            count = np.count_nonzero(~np.isfinite(value))
            expectation = f"{self.path} takes `{name}` of finite numbers"
            raise ValueError(message(expectation, f"{count} of NaN or infinity"))
        return np.ascontiguousarray(value)


class _TFLite(Runtime):
    """A `.tflite` file in LiteRT, one row at a time: its batch size is 1."""

    def __init__(self, path):
        from ai_edge_litert.interpreter import Interpreter

        try:
            with quiet.native_stderr():
                self._interpreter = Interpreter(model_path=str(path))
                self._interpreter.allocate_tensors()
                self._runners = {
                    name: self._interpreter.get_signature_runner(name)
                    for name in self._interpreter.get_signature_list()
                }
        except (ValueError, RuntimeError) as error:
            raise _not_exported(path, f"a file that LiteRT refuses: {error}") from error
        row_shapes = {
            name: {
                key: tuple(int(size) for size in details["shape"][1:])
                for key, details in runner.get_input_details().items()
            }
            for name, runner in self._runners.items()
        }
        super().__init__(path, row_shapes)

    def _run(self, endpoint, inputs):
        runner = self._runners[endpoint]
        count = {len(value) for value in inputs.values()}
        results = [
            runner(**{name: value[row : row + 1] for name, value in inputs.items()})
            for row in range(count.pop())
        ]
        names = ENDPOINTS[endpoint].outputs
        return {name: np.concatenate([result[name] for result in results]) for name in names}


class _SavedModel(Runtime):
    """A SavedModel in TensorFlow."""

    def __init__(self, path):
        import tensorflow as tf

        try:
            with quiet.native_stderr():
                self._model = tf.saved_model.load(str(path))
        # TensorFlow raises errors of half a dozen kinds, depending on which file is damaged.
        except Exception as error:
            raise _not_exported(path, f"a folder that TensorFlow refuses: {error}") from error
        self._functions = dict(self._model.signatures)
        row_shapes = {
            name: {
                key: tuple(spec.shape[1:])
                for key, spec in function.structured_input_signature[1].items()
            }
            for name, function in self._functions.items()
        }
        super().__init__(path, row_shapes)

    def _run(self, endpoint, inputs):
        import tensorflow as tf

        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        outputs = self._functions[endpoint](**tensors)
        return {name: outputs[name].numpy() for name in ENDPOINTS[endpoint].outputs}


def _as_array(name, value, dtype):
    try:
        return np.asarray(value, dtype)
    except (TypeError, ValueError) as error:
        expectation = f"`{name}` must be an array of numbers, its rows of one length"
        raise ValueError(message(expectation, f"{name}={value!r}")) from error


def _saved_model_folder(path):
    if (path / "saved_model.pb").exists():
        return path
    versions = [
        folder
        for folder in path.iterdir()
        if folder.name.isdecimal() and (folder / "saved_model.pb").exists()
    ]
    if not versions:
        raise ValueError(
            message(
                "`path` must be a .tflite file or the folder of a SavedModel",
                f"{path}, a folder without saved_model.pb",
                "Name the file, or the saved_model folder, inside the export folder.",
            )
        )
    return max(versions, key=lambda folder: int(folder.name))


def _not_exported(path, received):
    return ValueError(
        message(
            f"{path} must be a file that this package exported", received, "Export the model again."
        )
    )
