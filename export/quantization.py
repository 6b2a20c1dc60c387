"""Turn the networks of a TFLite file into numbers of fewer bits, and leave its sampler alone.

The converter's own quantiser takes the whole graph: as float16 and int8 it rounds the constants
and the z of `generate` too, and at 16 bits it refuses the sampler's integers. LiteRT's quantiser
chooses operator by operator.
"""

import contextlib
import io
import logging
import re
import warnings

import numpy as np

from export import formats, tflite_graph
from export.errors import message

_INSTALL = (
    "Every precision but float32 needs LiteRT's quantiser: pip install 'keras-vae[quantize]'."
)
# A unit of a dense layer with fewer weights than this shares its scale with the whole layer: a
# scale of its own takes as much room as some dozen weights.
_LEAST_WEIGHTS = 64
# Weights fewer than this stay floats where the arithmetic is of floats.
_LEAST_LAYER = 1024
# Ranges become wider by this part of them, since what lies outside is clipped: one of 64 images
# beside the examples had a z_log_var that was off by 0.044, where 0.0035 is the rounding of the
# weights. It costs int8 some 0.5 dB.
_MARGIN = 0.25


def quantize(content, precision, vae, calibration):
    """Return a copy of a TFLite file in another precision.

    Args:
        content: bytes of the file, in float32.
        precision: str, one of `formats.PRECISIONS` but float32.
        vae: `keras_vae.VAE` of the file.
        calibration: function that returns the `export.calibration.Calibration`, the examples that
            give the ranges; it is called only where the precision wants them.

    Raises:
        ImportError: if the quantiser is not installed.
    """
    try:
        from litert_quantizer import quantizer
    except ImportError as error:
        raise ImportError(_INSTALL) from error
    content = tflite_graph.name_outputs(content)
    with _quiet():
        try:
            worker = quantizer.Quantizer(content)
            scope = _scope(vae)
            if precision == "float16":
                _choose_float16(worker, scope)
            elif precision == "dynamic":
                _choose_dynamic(worker, scope)
            else:
                _choose_integers(
                    worker, scope, precision, tflite_graph.narrow_layers(content, _LEAST_WEIGHTS)
                )
            ranges = None
            if formats.PRECISIONS[precision].is_calibrated:
                ranges = _ranges(content, worker, calibration())
            # Its exceptions are of any kind.
            content = worker.quantize(ranges).quantized_model
        except MemoryError:
            raise
        except Exception as error:
            raise ValueError(
                message(
                    f"{precision} needs networks of operators that LiteRT's quantiser takes",
                    str(error).strip().partition("\n")[0],
                    "Choose float32, or build the networks of dense and convolutional layers.",
                )
            ) from error
        return tflite_graph.restore_outputs(content)


def _scope(vae):
    """Return the pattern of the names of operators inside the networks."""
    networks = "|".join(re.escape(network.name) for network in (vae.encoder, vae.decoder))
    return rf"(^|[/;])({networks})(_\d+)?/|^{tflite_graph.NETWORKS}"


def _choose_float16(worker, scope):
    from litert_quantizer import qtyping, quantizer

    config = qtyping.OpQuantizationConfig(
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=16, dtype=qtyping.TensorDataType.FLOAT
        ),
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )
    operation = qtyping.TFLOperationName
    for name in (
        operation.FULLY_CONNECTED,
        operation.CONV_2D,
        operation.DEPTHWISE_CONV_2D,
        operation.CONV_2D_TRANSPOSE,
    ):
        worker.update_quantization_recipe(
            scope, name, config, quantizer.AlgorithmName.FLOAT_CASTING
        )


def _choose_dynamic(worker, scope):
    from litert_quantizer import qtyping

    config = qtyping.OpQuantizationConfig(
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=8, symmetric=True, granularity=qtyping.QuantGranularity.CHANNELWISE
        ),
        compute_precision=qtyping.ComputePrecision.INTEGER,
        min_weight_elements=_LEAST_LAYER,
    )
    worker.update_quantization_recipe(scope, qtyping.TFLOperationName.ALL_SUPPORTED, config)


def _choose_integers(worker, scope, precision, narrow):
    from litert_quantizer import qtyping, quantizer

    operation, granularity = qtyping.TFLOperationName, qtyping.QuantGranularity
    bits = 16 if precision == "int16x8" else 8
    worker.add_static_config(scope, operation.ALL_SUPPORTED, bits, 8)
    for name in narrow:
        if re.search(scope, name):
            layer = f"^{re.escape(name)}"
            worker.add_static_config(
                layer, operation.FULLY_CONNECTED, bits, 8, granularity.TENSORWISE
            )
    if precision == "full_int8":
        worker.add_static_config(".*", operation.INPUT, bits, 8)
        worker.add_static_config(".*", operation.OUTPUT, bits, 8)
    else:
        none = quantizer.AlgorithmName.NO_QUANTIZE
        worker.update_quantization_recipe(".*", operation.INPUT, algorithm_key=none)
        worker.update_quantization_recipe(".*", operation.OUTPUT, algorithm_key=none)


def _ranges(content, worker, calibration):
    """Return the smallest and the largest value of each tensor over all the examples, and more.

    Pixels get no more than their examples have. Tensors that stand for one another in several
    signatures get one range, so that `decode` and `generate` give equal images for equal z, and
    the signatures can share their weights.
    """
    from litert_quantizer import calibrator, recipe_manager
    from litert_quantizer.utils import qsv_utils

    recipe = recipe_manager.RecipeManager()
    recipe.load_quantization_recipe(worker.get_quantization_recipe())
    examples = {}
    for signature in tflite_graph.signatures(content):
        examples[signature] = calibration.batches(*formats.endpoint_of(signature))
    # Its default is a moving average, which cuts off what the last examples do not reach.
    observer = calibrator.Calibrator(
        bytes(content), num_threads=1, qsv_update_func=qsv_utils.min_max_update
    )
    observer.calibrate(examples, recipe)
    ranges = observer.get_model_qsvs()
    pixels = tflite_graph.inputs_of(content, "image")
    for names in tflite_graph.tensors_alike(content):
        margin = 0.0 if pixels.intersection(names) else _MARGIN
        _widen([ranges[name] for name in names if "min" in ranges.get(name, ())], margin)
    return ranges


def _widen(ranges, margin):
    """Give every range the smallest and the largest value of them all, farther from zero."""
    if ranges:
        low = np.min([found["min"].min() for found in ranges]) * (1.0 + margin)
        high = np.max([found["max"].max() for found in ranges]) * (1.0 + margin)
        for found in ranges:
            found["min"] = np.full_like(found["min"], low)
            found["max"] = np.full_like(found["max"], high)


@contextlib.contextmanager
def _quiet():
    """Keep the quantiser's bars and notes to itself."""
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            # That it keeps all tensors in memory to observe them is its own business.
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logging.root.setLevel(level)
