"""Write the endpoints of a VAE as one TFLite file."""

import re
import tempfile

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from export import formats, quiet, saved_model, tflite_graph
from export.errors import message

# Such as: error: loc(callsite(fused["Igamma:", "decoder/gate/Igamma@__inference_decode_203"] at
# ...)): 'tf.Igamma' op is neither a custom op nor a flex op
_UNSUPPORTED = re.compile(
    r"""error: loc\([^\n]*?fused\["\w+:", "(?P<layer>[^"@]*)[^\n]*: 'tf\.(?P<operator>\w+)' op"""
)


def write(vae, path, functions, precision, plan, calibration):
    """Write a `.tflite` file with a signature for each endpoint.

    Its batch size is 1; other batch sizes are signatures of their own, which share the weights.

    Args:
        vae: `keras_vae.VAE`, built, in float32.
        path: `pathlib.Path` of the file to write.
        functions: dict from endpoint to function.
        precision: str, one of `formats.PRECISIONS`.
        plan: `export.plan.Plan`.
        calibration: function that returns the `export.calibration.Calibration`.

    Raises:
        ImportError: if the precision needs a package that is not installed.
        ValueError: if a layer needs an operator that TFLite does not have.
        OSError: if the disk is full or refuses.
    """
    batch_sizes = (1, *plan.batch_sizes)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        saved_model.write(vae, folder, functions, batch_sizes)
        signatures = [formats.signature(name, size) for name in functions for size in batch_sizes]
        content = _convert(folder, signatures, plan.allow_flex)
    content = tflite_graph.flatten_biases(content)
    if precision != "float32":
        from export import quantization

        content = quantization.quantize(content, precision, vae, calibration)
    path.write_bytes(content)


def signatures(path):
    """Return the names, shapes, types and scales of what each signature of a file takes and gives.

    Args:
        path: `pathlib.Path` of a file of built-in operators.
    """
    with quiet.native_stderr():
        interpreter = Interpreter(model_path=str(path))
        runners = {
            name: interpreter.get_signature_runner(name)
            for name in interpreter.get_signature_list()
        }
    return {
        name: {
            "inputs": _specs(runner.get_input_details()),
            "outputs": _specs(runner.get_output_details()),
        }
        for name, runner in runners.items()
    }


def _specs(details):
    found = {}
    for name, detail in details.items():
        found[name] = {
            "shape": [int(size) for size in detail["shape"]],
            "dtype": np.dtype(detail["dtype"]).name,
        }
        scale, zero_point = detail["quantization"]
        if scale:
            found[name] |= {"scale": float(scale), "zero_point": int(zero_point)}
    return found


def _convert(folder, signatures, allow_flex):
    converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=signatures)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if allow_flex:
        converter.target_spec.supported_ops.append(tf.lite.OpsSet.SELECT_TF_OPS)
    converter.allow_custom_ops = False
    try:
        with quiet.native_stderr():
            return converter.convert()
    # The converter's own class of error is not public.
    except Exception as error:
        raise _refusal(error, allow_flex) from error


def _refusal(error, allow_flex):
    """Return the error that names the operators that TFLite lacks, and their layers."""
    found = dict.fromkeys(
        f"{match['operator']} (at {match['layer']})" for match in _UNSUPPORTED.finditer(str(error))
    )
    return ValueError(
        message(
            "TFLite takes networks of its built-in operators",
            ", ".join(found) or str(error).strip().split("\n")[0],
            "Build that layer of other operators, or leave 'tflite' out of the formats"
            + ("." if allow_flex else ", or ship TensorFlow's with the app (allow_flex=True)."),
        )
    )
