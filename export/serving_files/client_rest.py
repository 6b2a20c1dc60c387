"""Send the requests beside this file to TensorFlow Serving by REST, and compare the answers.

    python client_rest.py [http://localhost:8501]

It needs Python alone.
"""

import json
import pathlib
import sys
import urllib.request

MODEL = "@NAME@"
TOLERANCE = 1e-4


def predict(server, request):
    """Return the outputs for a request such as `{"signature_name": ..., "inputs": ...}`."""
    message = urllib.request.Request(
        f"{server}/v1/models/{MODEL}:predict",
        data=json.dumps(request).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(message, timeout=60) as answer:
        return json.load(answer)["outputs"]


def flat(value):
    """Return the numbers of nested lists and dicts as one list."""
    if isinstance(value, dict):
        return [number for key in sorted(value) for number in flat(value[key])]
    if isinstance(value, list):
        return [number for part in value for number in flat(part)]
    return [value]


def main():
    server = (sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8501").rstrip("/")
    worst = 0.0
    for path in sorted(pathlib.Path(__file__).parent.glob("requests/*.request.json")):
        expected = json.loads(path.with_name(path.name.replace("request", "response")).read_text())
        try:
            outputs = predict(server, json.loads(path.read_text()))
        except OSError as error:
            sys.exit(f"{server} does not answer as a server of {MODEL} does: {error}")
        pairs = list(zip(flat(outputs), flat(expected["outputs"]), strict=True))
        error = max(abs(a - b) / max(1.0, abs(b)) for a, b in pairs)
        worst = max(worst, error)
        print(f"{path.name.partition('.')[0]:12} {len(pairs)} numbers, worst error {error:.1e}")
    sys.exit(not worst <= TOLERANCE)


if __name__ == "__main__":
    main()
