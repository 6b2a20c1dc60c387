"""What TensorFlow Serving wants beside a SavedModel: configurations, clients, golden requests."""

import importlib.resources
import json
import re

import numpy as np
import tensorflow as tf

from export import serving_protos

FOLDER = "serving"
WARM_UP = "tf_serving_warmup_requests"
_DEFAULT_NAME = "vae"
# The rows of a golden request.
_ROWS = 2


def model_name(about):
    """Return what the server calls the model: the export's name, where it makes a plain one."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", about["name"] or "").strip("_")
    return name or _DEFAULT_NAME


def write(folder, about, expected):
    """Write the bundle.

    Args:
        folder: `pathlib.Path` of the folder to write; its place is beside `saved_model`.
        about: dict, the metadata of the export.
        expected: dict from endpoint to inputs and outputs, what the Keras model gave.
    """
    name = model_name(about)
    requests = folder / "requests"
    requests.mkdir(parents=True)
    templates = importlib.resources.files("export") / "serving_files"
    for template in sorted(templates.iterdir(), key=lambda file: file.name):
        if template.is_file():
            text = template.read_text(encoding="utf-8")
            (folder / template.name).write_text(text.replace("@NAME@", name), encoding="utf-8")
    for endpoint, (inputs, outputs) in expected.items():
        if endpoint != "decode_png":
            _write_pair(requests, name, endpoint, _head(inputs), _head(outputs))


def write_warm_up(folder, expected):
    """Write the requests that a server runs before it takes others.

    Args:
        folder: `pathlib.Path` of `assets.extra` inside the SavedModel.
        expected: dict from endpoint to inputs and outputs.
    """
    with tf.io.TFRecordWriter(str(folder / WARM_UP)) as writer:
        for endpoint, (inputs, _) in expected.items():
            log = serving_protos.PredictionLog()
            log.predict_log.request.CopyFrom(_request(_DEFAULT_NAME, endpoint, _head(inputs)))
            writer.write(log.SerializeToString())


def _write_pair(folder, name, endpoint, inputs, outputs):
    """Write one request and its answer, for REST and for gRPC."""
    request = {
        "signature_name": endpoint,
        "inputs": {key: value.tolist() for key, value in inputs.items()},
    }
    # With a single output the server leaves out its name.
    values = {key: value.tolist() for key, value in outputs.items()}
    response = {"outputs": values if len(values) > 1 else next(iter(values.values()))}
    for kind, value in (("request", request), ("response", response)):
        (folder / f"{endpoint}.{kind}.json").write_text(json.dumps(value), encoding="utf-8")
    answer = serving_protos.PredictResponse()
    _fill(answer, name, endpoint, answer.outputs, outputs)
    messages = (("request", _request(name, endpoint, inputs)), ("response", answer))
    for kind, value in messages:
        (folder / f"{endpoint}.{kind}.pb").write_bytes(value.SerializeToString())


def _request(name, endpoint, inputs):
    request = serving_protos.PredictRequest()
    _fill(request, name, endpoint, request.inputs, inputs)
    return request


def _fill(value, name, endpoint, field, arrays):
    value.model_spec.name, value.model_spec.signature_name = name, endpoint
    for key, array in arrays.items():
        field[key] = tf.make_tensor_proto(np.asarray(array)).SerializeToString()


def _head(arrays):
    return {name: value[:_ROWS] for name, value in arrays.items()}
