"""Write the endpoints of a VAE as ONNX files, one for each."""

import contextlib
import logging
import re

import numpy as np
import tensorflow as tf

from export import endpoints, formats, metadata, quiet
from export.errors import message

_OPSET = 18
# Such as: Bad node spec for node. Name: decoder/gate/Igamma OpType: Igamma
_NODE = re.compile(r"Name: (?P<layer>\S+) OpType: (?P<operator>\S+)")


def write(vae, path, functions, about):
    """Write a folder of ONNX files, `decode.onnx` and so on, whose batch size is open.

    Args:
        vae: `keras_vae.VAE`, built, in float32.
        path: `pathlib.Path` of the folder to write.
        functions: dict from endpoint to function.
        about: dict, the metadata that each file carries.

    Raises:
        ImportError: if the converter is not installed.
        ValueError: if a layer needs an operator that the converter does not know.
        OSError: if the disk is full or refuses.
    """
    try:
        import onnx
        import tf2onnx
    except ImportError as error:
        raise ImportError(
            "The format onnx needs its converter: pip install 'keras-vae[onnx]'."
        ) from error
    path.mkdir()
    for name, function in functions.items():
        # Both raise errors of any kind for what they do not know.
        try:
            model = _convert(tf2onnx, vae, name, function)
            model.metadata_props.add(key=metadata.KEY, value=metadata.dump(about))
            onnx.checker.check_model(model, full_check=True)
        except MemoryError:
            raise
        except Exception as error:
            raise _refusal(name, error) from error
        (path / f"{name}.onnx").write_bytes(model.SerializeToString())


def _convert(tf2onnx, vae, name, function):
    signature = endpoints.signature(vae, name, None)

    def renamed(*inputs):
        outputs = function(*inputs)
        return {formats.onnx_output(name, key): value for key, value in outputs.items()}

    with quiet.native_stderr(), _quiet_converter():
        traced = tf.function(renamed, signature, autograph=False)
        model, _ = tf2onnx.convert.from_function(
            traced,
            input_signature=signature,
            opset=_OPSET,
            custom_op_handlers={"Erfc": (_erfc, [])},
        )
    _name_batch(model.graph)
    return model


def _erfc(context, node, name, arguments):
    """Write 1 - erf(x) for erfc(x), which ONNX does not have: Keras's GELU is made of it."""
    one = context.make_const(f"{name}_one", np.array(1.0, np.float32))
    erf = context.make_node("Erf", node.input, name=f"{name}_erf")
    context.replace_inputs(node, [one.output[0], erf.output[0]])
    node.type = "Sub"


def _refusal(name, error):
    reason = str(error).strip().partition("\n")[0] or type(error).__name__
    node = _NODE.search(str(error))
    if node:
        reason = f"{node['operator']} (at {node['layer']})"
    return ValueError(
        message(
            "ONNX takes networks of operators that tf2onnx knows",
            f"`{name}` with {reason}",
            "Build that layer of other operators, or leave 'onnx' out of the formats.",
        )
    )


def _name_batch(graph):
    """Call the open first dimension of every input and output by one name."""
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


@contextlib.contextmanager
def _quiet_converter():
    """Let the converter speak in its exception alone."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
