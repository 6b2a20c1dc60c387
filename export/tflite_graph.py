"""The graphs inside a TFLite file: what the quantiser has to be told of them, and its slips."""

import re

import numpy as np
from ai_edge_litert.tools import flatbuffer_utils

# Names the outputs of the networks, which the converter names after the signature.
NETWORKS = "networks/"
# What computes with weights, which signatures share.
_WEIGHTED = (
    "FULLY_CONNECTED",
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "TRANSPOSE_CONV",
    "BATCH_MATMUL",
)
# The converter tells the tensors of several graphs apart by a number at the end.
_NUMBER = re.compile(r"(?<![_\d:/])\d+$")


def signatures(content):
    """Return the names of the signatures of a TFLite file."""
    return [definition.signatureKey.decode() for definition in read(content).signatureDefs]


def inputs_of(content, name):
    """Return the set of the names of the tensors that are an input `name` of some signature."""
    model = read(content)
    return {
        model.subgraphs[definition.subgraphIndex].tensors[given.tensorIndex].name.decode()
        for definition in model.signatureDefs
        for given in definition.inputs
        if given.name.decode() == name
    }


def flatten_biases(content):
    """Give the biases of transposed convolutions one dimension, where they have more.

    Some versions of the converter give them four, which XNNPACK and the quantiser do not take.
    """
    model = read(content)
    changed = False
    for graph, operator in _operators(model):
        name = flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex)
        if name == "TRANSPOSE_CONV" and len(operator.inputs) > 3 and operator.inputs[3] >= 0:
            bias = graph.tensors[operator.inputs[3]]
            if len(bias.shape) > 1:
                bias.shape, changed = np.array([np.prod(bias.shape)], np.int32), True
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model)) if changed else content


def name_outputs(content):
    """Name the float images and means, which the networks give, as outputs of the networks."""
    model = read(content)
    for definition in model.signatureDefs:
        tensors = model.subgraphs[definition.subgraphIndex].tensors
        for output in definition.outputs:
            name, tensor = output.name.decode(), tensors[output.tensorIndex]
            is_float = flatbuffer_utils.type_to_name(tensor.type) == "FLOAT32"
            if name in ("image", "z_mean") and is_float:
                tensor.name = f"{NETWORKS}{definition.signatureKey.decode()}/{name}".encode()
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def restore_outputs(content):
    """Make the outputs of each signature those of its graph.

    Where an operator in integers reads an output, the quantiser gives the integers in its place,
    and the runtime then drops the output that the signature names.
    """
    model = read(content)
    for definition in model.signatureDefs:
        indices = [output.tensorIndex for output in definition.outputs]
        model.subgraphs[definition.subgraphIndex].outputs = np.array(indices, np.int32)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def narrow_layers(content, least):
    """Return the names of the dense layers whose units have fewer weights than `least`."""
    model = read(content)
    names = []
    for graph, operator in _operators(model):
        if flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex) == "FULLY_CONNECTED":
            _, weights = graph.tensors[operator.inputs[1]].shape
            if weights < least:
                names.append(graph.tensors[operator.outputs[0]].name.decode())
    return list(dict.fromkeys(names))


def tensors_alike(content):
    """Return all names of tensors, in groups that stand for one another in several signatures.

    They have the same name but for the number at its end, or go into or come out of operators
    with the same weights.
    """
    model = read(content)
    roles = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            name = tensor.name.decode()
            roles.setdefault(name, set()).add(("name", _NUMBER.sub("", name)))
    for graph, operator in _operators(model):
        given = [graph.tensors[index] for index in operator.inputs if index >= 0]
        weights = [tensor.buffer for tensor in given if _is_constant(model, tensor)]
        data = [tensor for tensor in given if not _is_constant(model, tensor)]
        kind = flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex)
        if kind not in _WEIGHTED or len(data) != 1:
            continue
        key = (kind, *sorted(weights))
        roles[data[0].name.decode()].add(("into", key))
        roles[graph.tensors[operator.outputs[0]].name.decode()].add(("out of", key))
    return _joined(roles)


def _joined(roles):
    """Return the names that share roles, directly or by way of others, as a list of groups."""
    groups = {}
    for name, own in roles.items():
        merged = ({name}, set(own))
        for group in list(dict.fromkeys(groups[role] for role in own if role in groups)):
            merged[0].update(group[0])
            merged[1].update(group[1])
        group = (frozenset(merged[0]), frozenset(merged[1]))
        for role in group[1]:
            groups[role] = group
    return [sorted(group[0]) for group in dict.fromkeys(groups.values())]


def _operators(model):
    for graph in model.subgraphs:
        for operator in graph.operators:
            yield graph, operator


def _is_constant(model, tensor):
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def read(content):
    """Return a TFLite file as the object tree of its schema."""
    return flatbuffer_utils.read_model_from_bytearray(bytearray(content))
