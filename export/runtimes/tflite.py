"""Run a TFLite file in LiteRT."""

import numpy as np

from export import metadata, quiet
from export.formats import ENDPOINTS
from export.runtimes.base import Runtime, not_exported

_IDENTIFIER = b"TFL3"


def open_file(path):
    """Return the `Runtime` of a TFLite file."""
    with open(path, "rb") as file:
        head = file.read(8)
    if head[4:8] != _IDENTIFIER:
        raise not_exported(path, "a file that is damaged or is no TFLite file")
    return _TFLite(path)


class _TFLite(Runtime):
    """A `.tflite` file, run in batches of the sizes that it has signatures for."""

    def __init__(self, path):
        try:
            about = metadata.read_tflite(path)
            with quiet.native_stderr():
                self._interpreter = _interpreter_class(about)(model_path=str(path))
                self._interpreter.allocate_tensors()
                runners = {
                    name: self._interpreter.get_signature_runner(name)
                    for name in self._interpreter.get_signature_list()
                }
        except (ValueError, RuntimeError) as error:
            if "Select TensorFlow op" in str(error):
                raise _no_flex(path) from error
            raise not_exported(path, f"a file that LiteRT refuses: {error}") from error
        self._runners, row_shapes = {}, {}
        for name, runner in runners.items():
            endpoint = name.partition("_batch")[0]
            shapes = {key: tuple(d["shape"]) for key, d in runner.get_input_details().items()}
            batch_size = int(next(iter(shapes.values()))[0])
            self._runners.setdefault(endpoint, {})[batch_size] = runner
            row_shapes[endpoint] = {
                key: tuple(int(size) for size in shape[1:]) for key, shape in shapes.items()
            }
        super().__init__(path, row_shapes, about)
        sizes = {size for runners in self._runners.values() for size in runners}
        self.batch_sizes = tuple(sorted(sizes))

    def _run(self, endpoint, inputs):
        runners = self._runners[endpoint]
        names = ENDPOINTS[endpoint].given(next(iter(runners.values())).get_output_details())
        (count,) = {len(value) for value in inputs.values()}
        results = []
        done = 0
        while done < count:
            # One of the batch sizes is 1.
            size = max(size for size in runners if size <= count - done)
            rows = {name: value[done : done + size] for name, value in inputs.items()}
            results.append(_call(runners[size], rows))
            done += size
        return {name: np.concatenate([result[name] for result in results]) for name in names}


def _interpreter_class(about):
    if not (about or {}).get("allow_flex"):
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ImportError(
                "A .tflite file runs in LiteRT: pip install ai-edge-litert."
            ) from error
        return Interpreter
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ImportError(
            "The file needs TensorFlow's own operators: pip install tensorflow."
        ) from error
    return tf.lite.Interpreter


def _no_flex(path):
    return ValueError(
        f"{path} needs TensorFlow's own operators, which the interpreter here does not have. Run "
        "it on a device whose app brings them. To export it without comparing it, say check=False "
        "(--no-check)."
    )


def _call(runner, inputs):
    """Run a signature on floats, whatever it takes and gives itself."""
    details = runner.get_input_details()
    outputs = runner(
        **{name: _quantize(value, details[name]) for name, value in inputs.items()},
    )
    details = runner.get_output_details()
    return {name: _dequantize(value, details[name]) for name, value in outputs.items()}


def _quantize(value, details):
    scale, zero_point = details["quantization"]
    if not scale:
        return value
    limits = np.iinfo(details["dtype"])
    steps = np.rint(value / np.float32(scale)) + zero_point
    return np.clip(steps, limits.min, limits.max).astype(details["dtype"])


def _dequantize(value, details):
    scale, zero_point = details["quantization"]
    if not scale:
        return value
    return (value.astype(np.float32) - zero_point) * np.float32(scale)
