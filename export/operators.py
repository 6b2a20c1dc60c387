"""What a TFLite file is made of: its operators, and what the delegates of phones leave out."""

import collections
import re

from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools import flatbuffer_utils

from export import quiet
from export.tflite_graph import read

_DELEGATE = "DELEGATE"
# What TensorFlow's own GPU delegate takes, from tensorflow/lite/tools/versioning/
# gpu_compatibility.cc. The analyser that used that file calls every model compatible since
# TensorFlow 2.18: https://github.com/tensorflow/tensorflow/issues/77042.
_GPU_OPERATORS = frozenset(
    re.findall(
        r"\w+",
        """
    ABS ADD ADD_N ATAN2 AVERAGE_POOL_2D BATCH_MATMUL CAST CEIL CONCATENATION CONV_2D COS CUMSUM
    DENSIFY DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV ELU EQUAL EXP FLOOR FLOOR_DIV
    FLOOR_MOD FULLY_CONNECTED GATHER GELU GREATER GREATER_EQUAL HARD_SWISH LEAKY_RELU LESS
    LESS_EQUAL LOG LOGICAL_AND LOGISTIC LSTM MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG
    NOT_EQUAL ONE_HOT PACK PAD PADV2 POW PRELU QUANTIZE REDUCE_MAX REDUCE_MIN REDUCE_PROD RELU
    RELU6 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RSQRT SELECT SELECT_V2
    SIGN SIN SLICE SOFTMAX SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE
    STRIDED_SLICE SUB SUM TANH TILE TRANSPOSE TRANSPOSE_CONV
    """,
    )
)
_GPU_INTEGERS = frozenset(("INT16", "INT32", "UINT32", "INT64"))


def inspect(content):
    """Return what each signature of a TFLite file is made of.

    Args:
        content: bytes of a file of built-in operators.

    Returns:
        dict from signature to a dict: `operators`, their counts by name; `xnnpack_partitions`, how
        many stretches XNNPACK takes; `outside_xnnpack`, the counts of those it leaves out; and
        `gpu_objections`, what the GPU delegate does not take, and why.
    """
    model = read(content)
    found = {}
    for definition in model.signatureDefs:
        operators, outside, partitions = _execution(_first(content, definition.subgraphIndex))
        found[definition.signatureKey.decode()] = {
            "operators": operators,
            "xnnpack_partitions": partitions,
            "outside_xnnpack": outside,
            "gpu_objections": _gpu_objections(model, model.subgraphs[definition.subgraphIndex]),
        }
    return found


def _first(content, index):
    """Return a file with one of its subgraphs in the first place, where the runtime looks."""
    model = read(content)
    places = {0: index, index: 0}
    graphs = model.subgraphs
    graphs[0], graphs[index] = graphs[index], graphs[0]
    for definition in model.signatureDefs:
        place = definition.subgraphIndex
        definition.subgraphIndex = places.get(place, place)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _execution(content):
    """Return the counts of all operators, of those outside XNNPACK, and of its partitions."""
    with quiet.native_stderr():
        interpreter = Interpreter(model_content=content)
        interpreter.allocate_tensors()
    # The runtime's only account of what it has made of the graph.
    nodes = interpreter._get_ops_details()
    operators = [node for node in nodes if node["op_name"] != _DELEGATE]
    # Where a tensor comes from: a partition, if one gives it, else the operator itself.
    source = {tensor: node for node in operators for tensor in node["outputs"]}
    for node in nodes:
        if node["op_name"] == _DELEGATE:
            source |= dict.fromkeys(node["outputs"], node)
    run, waiting = {}, [detail["index"] for detail in interpreter.get_output_details()]
    while waiting:
        node = source.get(waiting.pop())
        if node is not None and node["index"] not in run:
            run[node["index"]] = node["op_name"]
            waiting.extend(node["inputs"])
    outside = collections.Counter(run.values())
    partitions = outside.pop(_DELEGATE, 0)
    everything = collections.Counter(node["op_name"] for node in operators)
    return dict(everything.most_common()), dict(outside.most_common()), partitions


def _gpu_objections(model, subgraph):
    found = {}
    for operator in subgraph.operators:
        name = flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex)
        types = {
            flatbuffer_utils.type_to_name(subgraph.tensors[index].type)
            for index in operator.outputs
        }
        if name not in _GPU_OPERATORS:
            found[f"{name}: no such operator"] = None
        elif types & _GPU_INTEGERS:
            found[f"{name}: not on {', '.join(sorted(types & _GPU_INTEGERS))}"] = None
    return list(found)
