"""Write the endpoints of a VAE as one TFLite file of built-in operators."""

import re
import tempfile

import tensorflow as tf

from export import endpoints, quiet, saved_model
from export.errors import message

# Such as: error: loc(callsite(fused["Igamma:", "decoder/gate/Igamma@__inference_decode_203"] at
# ...)): 'tf.Igamma' op is neither a custom op nor a flex op
_UNSUPPORTED = re.compile(
    r"""error: loc\([^\n]*?fused\["\w+:", "(?P<layer>[^"@]*)[^\n]*: 'tf\.(?P<operator>\w+)' op"""
)


def write(vae, path):
    """Write a `.tflite` file with a signature for each endpoint and a batch size of 1.

    Args:
        vae: `keras_vae.VAE`, built, in float32.
        path: `pathlib.Path` of the file to write.

    Raises:
        ValueError: if a layer needs an operator that TFLite does not have.
        OSError: if the disk is full or refuses.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        saved_model.write(vae, folder, batch_size=1)
        path.write_bytes(_convert(folder))


def _convert(folder):
    converter = tf.lite.TFLiteConverter.from_saved_model(
        folder, signature_keys=list(endpoints.ENDPOINTS)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    converter.allow_custom_ops = False
    try:
        with quiet.native_stderr():
            return converter.convert()
    # The converter's own class of error is not public.
    except Exception as error:
        raise _refusal(error) from error


def _refusal(error):
    """Return the error that names the operators that TFLite lacks, and their layers."""
    found = dict.fromkeys(
        f"{match['operator']} (at {match['layer']})" for match in _UNSUPPORTED.finditer(str(error))
    )
    return ValueError(
        message(
            "TFLite takes networks of its built-in operators",
            ", ".join(found) or str(error).strip().split("\n")[0],
            "Build that layer of other operators, or leave 'tflite' out of the formats.",
        )
    )
