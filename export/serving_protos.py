"""The few messages of TensorFlow Serving that an export writes.

`tensorflow-serving-api`, which has them all, asks for the TensorFlow of its own version, so that
installing it would replace that of a running kernel. The fields are those of its predict.proto,
model.proto and prediction_log.proto. A tensor is declared as bytes, which on the wire is the same
as a TensorProto.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "tensorflow.serving"
_TYPES = descriptor_pb2.FieldDescriptorProto
_MESSAGES = {
    "ModelSpec": {"name": (1, _TYPES.TYPE_STRING), "signature_name": (3, _TYPES.TYPE_STRING)},
    "PredictRequest": {"model_spec": (1, "ModelSpec"), "inputs": (2, "map")},
    "PredictResponse": {"outputs": (1, "map"), "model_spec": (2, "ModelSpec")},
    "PredictLog": {"request": (1, "PredictRequest"), "response": (2, "PredictResponse")},
    "PredictionLog": {"predict_log": (6, "PredictLog")},
}


def _build():
    file = descriptor_pb2.FileDescriptorProto(
        name="keras_vae_serving.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            added = message.field.add(name=field, number=number, label=_TYPES.LABEL_OPTIONAL)
            if kind == "map":
                _make_map(message, added)
            elif isinstance(kind, str):
                added.type, added.type_name = _TYPES.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


def _make_map(message, field):
    """Make a field a map from a name to a tensor."""
    name = f"{field.name.capitalize()}Entry"
    entry = message.nested_type.add(name=name)
    entry.options.map_entry = True
    for key, number, kind in (("key", 1, _TYPES.TYPE_STRING), ("value", 2, _TYPES.TYPE_BYTES)):
        entry.field.add(name=key, number=number, type=kind, label=_TYPES.LABEL_OPTIONAL)
    field.label, field.type = _TYPES.LABEL_REPEATED, _TYPES.TYPE_MESSAGE
    field.type_name = f".{_PACKAGE}.{message.name}.{name}"


_CLASSES = _build()
PredictRequest = _CLASSES["PredictRequest"]
PredictResponse = _CLASSES["PredictResponse"]
PredictionLog = _CLASSES["PredictionLog"]
