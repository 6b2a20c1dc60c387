"""The bundle for TensorFlow Serving, run the way the server loads and batches a SavedModel."""

import concurrent.futures
import contextlib
import http.server
import json
import re
import subprocess
import sys
import threading

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2, prediction_service_pb2_grpc
from tensorflow_serving.config import model_server_config_pb2

from export import export

pytestmark = pytest.mark.slow

ENDPOINTS = ("decode", "encode", "reconstruct", "generate", "score", "decode_png")
TOLERANCE = 1e-5

# Loads by tag into a session, as the server does, where keras_vae cannot be imported; answers a
# file of serialized requests with a file of serialized responses.
SERVER = """
import sys

class Blocker:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("keras_vae", "export", "keras_vae_cli"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocker())
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

model, requests, responses = sys.argv[1:]
with tf.compat.v1.Session(graph=tf.Graph()) as session, tf.io.TFRecordWriter(responses) as writer:
    signatures = tf.compat.v1.saved_model.loader.load(session, ["serve"], model).signature_def
    for record in tf.compat.v1.io.tf_record_iterator(requests):
        request = predict_pb2.PredictRequest.FromString(record)
        signature = signatures[request.model_spec.signature_name]
        assert signature.method_name == "tensorflow/serving/predict"
        feed = {
            signature.inputs[name].name: tf.make_ndarray(tensor)
            for name, tensor in request.inputs.items()
        }
        fetch = {name: tensor.name for name, tensor in signature.outputs.items()}
        answer = predict_pb2.PredictResponse()
        for name, value in session.run(fetch, feed).items():
            answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        writer.write(answer.SerializeToString())
"""


@pytest.fixture(scope="module")
def folder(trained_vae, images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    about = {"name": "my digits"}
    export(trained_vae, folder, "saved_model", endpoints=ENDPOINTS, data=images, about=about)
    return folder


@pytest.fixture(scope="module")
def serve(folder, run_python, tmp_path_factory):
    """A function that has a separate process answer requests: a list of dicts of arrays."""

    def run(requests):
        path = tmp_path_factory.mktemp("requests")
        with tf.io.TFRecordWriter(str(path / "in")) as writer:
            for request in requests:
                writer.write(request.SerializeToString())
        run_python(SERVER, folder / "saved_model/1", path / "in", path / "out")
        return [
            predict_pb2.PredictResponse.FromString(record.numpy())
            for record in tf.data.TFRecordDataset(str(path / "out"))
        ]

    return run


def request_for(signature, **arrays):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "vae", signature
    for name, value in arrays.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(np.asarray(value)))
    return request


def outputs_of(response):
    return {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}


def pairs_of(folder):
    """The golden requests and responses, read with the server's own messages."""
    pairs = {}
    for path in (folder / "serving/requests").glob("*.request.pb"):
        answer = path.with_name(path.name.replace("request", "response")).read_bytes()
        pairs[path.name.partition(".")[0]] = (
            predict_pb2.PredictRequest.FromString(path.read_bytes()),
            predict_pb2.PredictResponse.FromString(answer),
        )
    return pairs


def test_the_golden_pairs_are_what_the_model_answers(folder, serve):
    pairs = pairs_of(folder)
    assert set(pairs) == set(ENDPOINTS) - {"decode_png"}
    answers = serve([request for request, _ in pairs.values()])
    for (request, expected), answer in zip(pairs.values(), answers, strict=True):
        assert request.model_spec.name == "my_digits"
        found = outputs_of(answer)
        for name, value in outputs_of(expected).items():
            np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=TOLERANCE)


def test_batches_that_the_server_joins_and_pads_give_the_rows_of_single_requests(serve):
    rng = np.random.default_rng(0)
    rows = {
        "decode": {"z": rng.normal(size=(5, 2)).astype("float32")},
        "encode": {"image": rng.random((5, 4, 4, 1)).astype("float32")},
        "reconstruct": {"image": rng.random((5, 4, 4, 1)).astype("float32")},
        "generate": {
            "seed": np.array([3, -9, 2**31 - 1, 0, 5], np.int32),
            "temperature": rng.uniform(0, 1, 5).astype("float32"),
        },
        "score": {"image": rng.random((5, 4, 4, 1)).astype("float32")},
        "decode_png": {"z": rng.normal(size=(5, 2)).astype("float32")},
    }
    requests = []
    for name, arrays in rows.items():
        single = [
            request_for(name, **{key: value[i : i + 1] for key, value in arrays.items()})
            for i in range(5)
        ]
        # The server pads a batch of five to an allowed size with copies of its first row.
        padded = {
            key: np.concatenate([value, np.repeat(value[:1], 3, axis=0)])
            for key, value in arrays.items()
        }
        requests += [*single, request_for(name, **padded)]
    answers = [outputs_of(answer) for answer in serve(requests)]
    for index, name in enumerate(rows):
        *single, batch = answers[6 * index : 6 * index + 6]
        for key, value in batch.items():
            assert len(value) == 8, "every output has the batch's first dimension"
            alone = np.concatenate([row[key] for row in single])
            if value.dtype == object:
                assert list(alone) == list(value[:5])
            else:
                np.testing.assert_allclose(
                    value[:5], alone, rtol=1e-5, atol=TOLERANCE, err_msg=f"{name} {key}"
                )


def test_no_input_is_a_scalar(folder):
    model = tf.saved_model.load(str(folder / "saved_model/1"))
    for name in ENDPOINTS:
        for spec in model.signatures[name].structured_input_signature[1].values():
            assert spec.shape.rank >= 1 and spec.shape[0] is None


def test_the_warm_up_requests_run(folder, serve):
    path = folder / "saved_model/1/assets.extra/tf_serving_warmup_requests"
    logs = [
        prediction_log_pb2.PredictionLog.FromString(record.numpy())
        for record in tf.data.TFRecordDataset(str(path))
    ]
    requests = [log.predict_log.request for log in logs]
    assert [r.model_spec.signature_name for r in requests] == list(ENDPOINTS)
    assert all(answer.outputs for answer in serve(requests))


def test_the_configurations_are_the_servers(folder):
    serving = folder / "serving"
    config = text_format.Parse(
        (serving / "models.config").read_text(), model_server_config_pb2.ModelServerConfig()
    )
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path) == ("my_digits", "/models/my_digits")
    # A text proto of BatchingParameters, whose fields are wrapped numbers.
    batching = dict(
        re.fullmatch(r"(\w+) { value: (\d+) }", line).groups()
        for line in (serving / "batching.config").read_text().splitlines()
    )
    assert set(batching) == {
        "max_batch_size",
        "batch_timeout_micros",
        "max_enqueued_batches",
        "num_batch_threads",
    }
    compose = (serving / "docker-compose.yml").read_text()
    assert "../saved_model:/models/my_digits:ro" in compose and "@" not in compose


@contextlib.contextmanager
def rest_server(folder):
    """Answer REST requests as the server does, by the SavedModel itself."""
    model = tf.saved_model.load(str(folder / "saved_model/1"))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/models/my_digits:predict"
            function = model.signatures[body["signature_name"]]
            specs = function.structured_input_signature[1]
            outputs = function(
                **{k: tf.constant(v, specs[k].dtype) for k, v in body["inputs"].items()}
            )
            values = {name: value.numpy().tolist() for name, value in outputs.items()}
            answer = {"outputs": values if len(values) > 1 else next(iter(values.values()))}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


@contextlib.contextmanager
def grpc_server(folder):
    """Answer gRPC requests as the server does, by the SavedModel itself."""
    model = tf.saved_model.load(str(folder / "saved_model/1"))

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            function = model.signatures[request.model_spec.signature_name]
            inputs = {k: tf.constant(tf.make_ndarray(v)) for k, v in request.inputs.items()}
            answer = predict_pb2.PredictResponse()
            for name, value in function(**inputs).items():
                answer.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
            return answer

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None)


@pytest.mark.parametrize(
    ("client", "server"), [("client_rest.py", rest_server), ("client_grpc.py", grpc_server)]
)
def test_the_clients_send_the_golden_requests_and_compare(folder, client, server):
    with server(folder) as address:
        result = subprocess.run(
            [sys.executable, folder / "serving" / client, address],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert result.returncode == 0, result.stdout + result.stderr
    for name in set(ENDPOINTS) - {"decode_png"}:
        assert name in result.stdout


def test_a_client_notices_another_model(folder, trained_vae, make_vae, images, tmp_path):
    other = make_vae(network_seed=5)
    export(other, tmp_path, "saved_model", endpoints=ENDPOINTS, about={"name": "my digits"})
    with rest_server(tmp_path) as address:
        result = subprocess.run(
            [sys.executable, folder / "serving/client_rest.py", address],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert result.returncode == 1
