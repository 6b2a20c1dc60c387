"""How an exported file is run, in Markdown: code for each format, with the file's own shapes."""

from export.formats import ENDPOINTS, LABEL, onnx_output
from export.labels import Labels

_RUNS = {
    "tflite": """\
`{path}` runs in LiteRT, on phones, in browsers and in Python
(`pip install ai-edge-litert`){others}. Each endpoint is a signature; a further batch size is one
too, such as `decode_batch8`. Of a full_int8 file the app quantises the inputs and dequantises the
outputs, by the scales that the file gives.

```python
import numpy as np
from ai_edge_litert.interpreter import Interpreter

{name} = Interpreter("{path}").get_signature_runner("{endpoint}")
{output} = {name}({arguments})["{output}"]
```""",
    "onnx": """\
`{path}` holds one file an endpoint, for ONNX Runtime (`pip install onnxruntime`), with an open
batch size. {renamed}

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("{path}/{endpoint}.onnx")
({output},) = session.run(["{onnx_output}"], dict({arguments}))
```""",
    "saved_model": """\
`{path}` runs in TensorFlow:

```python
import numpy as np
import tensorflow as tf

{name} = tf.saved_model.load("{path}").signatures["{endpoint}"]
{output} = {name}({tensors})["{output}"]
```

TensorFlow Serving takes the folder around it: `docker compose up` in `serving/`, then
`python client_rest.py` or `python client_grpc.py` there, which send the golden requests beside them
and compare the answers (there is none for `decode_png`). The server serves the highest version.""",
}


def usage(files):
    """Return how to run the files of a report, in Markdown.

    Args:
        files: list of dicts, the entries of the report.
    """
    parts = []
    for form in dict.fromkeys(entry["format"] for entry in files):
        own = [entry for entry in files if entry["format"] == form]
        parts.append(_RUNS[form].format(**_words(own[0], own[1:])))
    first = files[0]["path"]
    return "\n\n".join(
        [
            *parts,
            "Or any of them by one interface, with no more than its own runtime:\n\n"
            f"```python\nfrom export import load\n\n{_by_load(files[0], first)}\n```",
        ]
    )


def _words(entry, others):
    """Return what the text of a format wants to know of its first file."""
    endpoint = entry["endpoints"][0]
    output = ENDPOINTS[endpoint].outputs[0]
    arguments = _arguments(entry, endpoint)
    renamed = [
        f"`{name}` gives `{onnx_output(name, output)}`."
        for name in entry["endpoints"]
        for output in ENDPOINTS[name].outputs
        if onnx_output(name, output) != output
    ]
    paths = ", ".join(f"`{other['path']}`" for other in others)
    return {
        "path": entry["path"],
        "others": f", and so do {paths}" if paths else "",
        "endpoint": endpoint,
        "name": endpoint,
        "output": output,
        "onnx_output": onnx_output(endpoint, output),
        "arguments": ", ".join(f"{name}={value}" for name, value in arguments.items()),
        "tensors": ", ".join(f"{name}=tf.constant({v})" for name, v in arguments.items()),
        "renamed": " ".join(renamed),
    }


def _arguments(entry, endpoint):
    """Return the inputs of an endpoint for one row, as Python makes them."""
    model = entry["model"]
    labels = Labels.of(model)
    real = "int8" if entry["precision"] == "full_int8" else "float32"
    image = ", ".join(map(str, model["image_shape"]))
    values = {
        "z": f'np.zeros((1, {model["latent_dim"]}), "{real}")',
        "image": f'np.zeros((1, {image}), "{real}")',
        "seed": 'np.array([7], "int32")',
        "temperature": 'np.array([1.0], "float32")',
    }
    if labels is not None:
        example = list(labels.example) if labels.num_classes else [list(labels.example)]
        values[LABEL] = f'np.array({example}, "{labels.dtype}")'
    return {name: values[name] for name in ENDPOINTS[endpoint].takes(labels is not None)}


def _by_load(entry, path):
    labels = Labels.of(entry["model"])
    if labels is not None and "decode" in entry["endpoints"]:
        zeros = [0.0] * entry["model"]["latent_dim"]
        return f'load("{path}").decode([{zeros}], {labels.in_python})'
    return f'print(load("{path}"))'
