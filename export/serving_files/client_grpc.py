"""Send the requests beside this file to TensorFlow Serving by gRPC, and compare the answers.

pip install tensorflow-serving-api
python client_grpc.py [localhost:8500]
"""

import pathlib
import sys

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

TOLERANCE = 1e-4


def main():
    channel = grpc.insecure_channel(sys.argv[1] if len(sys.argv) > 1 else "localhost:8500")
    service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    worst = 0.0
    for path in sorted(pathlib.Path(__file__).parent.glob("requests/*.request.pb")):
        request = predict_pb2.PredictRequest.FromString(path.read_bytes())
        expected = predict_pb2.PredictResponse.FromString(
            path.with_name(path.name.replace("request", "response")).read_bytes()
        )
        outputs = service.Predict(request, timeout=60).outputs
        for name, tensor in expected.outputs.items():
            want, have = tf.make_ndarray(tensor), tf.make_ndarray(outputs[name])
            error = np.max(np.abs(have - want) / np.maximum(1.0, np.abs(want)))
            worst = max(worst, error)
            print(f"{request.model_spec.signature_name:12} {name}: worst error {error:.1e}")
    sys.exit(not worst <= TOLERANCE)


if __name__ == "__main__":
    main()
