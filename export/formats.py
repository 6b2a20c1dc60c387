"""The one table of formats: precisions, endpoints, where files go, how exact they have to be."""

import dataclasses
from typing import NamedTuple

from export.errors import close_names, message

# Largest difference between the z of an exported `generate` and of the Keras model: only a sampler
# with the same integers is so near. The couplings of a flow prior round by some 1e-6.
Z_TOLERANCE = 1e-5


# The input that every endpoint has besides, in files of a model with labels.
LABEL = "label"
# The output that says whether an image is an anomaly; it follows from two others.
DECISION = "is_anomaly"


class Endpoint(NamedTuple):
    """The names of an endpoint's inputs and outputs, and of outputs that only some files have.

    In files of a model with labels it has one more input: `takes` tells all of them.
    """

    inputs: tuple
    outputs: tuple
    extra: tuple = ()

    def takes(self, has_labels):
        """Return the inputs in a file, of a model with labels or without, in their order."""
        return (*self.inputs, LABEL) if has_labels else self.inputs

    def given(self, names):
        """Return the outputs of a file that gives these names, in their order."""
        return (*self.outputs, *(name for name in self.extra if name in names))


ENDPOINTS = {
    "decode": Endpoint(("z",), ("image",)),
    "encode": Endpoint(("image",), ("z_mean", "z_log_var")),
    "reconstruct": Endpoint(("image",), ("image",)),
    "generate": Endpoint(("seed", "temperature"), ("image", "z")),
    "score": Endpoint(
        ("image",),
        ("negative_elbo", "reconstruction_loss", "kl_loss"),
        ("anomaly_score", "threshold", DECISION),
    ),
    "decode_png": Endpoint(("z",), ("image_bytes",)),
}
DEFAULT_ENDPOINTS = ("decode", "encode", "reconstruct", "generate")


class Gate(NamedTuple):
    """How near to the Keras model a file has to be.

    Attributes:
        image: float, the largest error of an image, as a part of the largest magnitude of the
            Keras model's images, or of 1 if that is less.
        psnr: float, the least PSNR in dB, the mean over the images; of `reconstruct`, in which the
            errors of two networks add up, 3 dB less.
        other: float, as `image` for outputs other than images and z.
    """

    image: float
    psnr: float
    other: float


class Precision(NamedTuple):
    """What the numbers of a file are.

    Attributes:
        words: str, for people.
        is_calibrated: bool, whether its ranges come from examples.
        cannot: tuple of str, the endpoints that it cannot carry.
    """

    words: str
    is_calibrated: bool = False
    cannot: tuple = ()


PRECISIONS = {
    "float32": Precision("32-bit floats"),
    "float16": Precision("weights of 16-bit floats"),
    "dynamic": Precision("8-bit weights, 32-bit floats between the layers"),
    "int8": Precision("8-bit weights and layers; inputs and outputs stay floats", True),
    "full_int8": Precision(
        "8-bit weights, layers, inputs and outputs, for processors without floats",
        True,
        ("generate", "score"),
    ),
    "int16x8": Precision("8-bit weights, 16-bit layers", True),
}


@dataclasses.dataclass(frozen=True)
class Format:
    """One row of the table.

    Attributes:
        name: str, as in `export(formats=...)`.
        words: str, for people.
        path: str, where an export stands below the export folder; `{precision}` and `{version}`
            are filled in.
        gates: dict from each precision that the format has to its `Gate`.
        options: tuple of str, the options of `export` that act on it.
        cannot: tuple of str, the endpoints that it cannot carry.
        runtime: str, the package that runs it.
    """

    name: str
    words: str
    path: str
    gates: dict
    options: tuple
    cannot: tuple
    runtime: str

    @property
    def is_versioned(self):
        """Whether a new export stands beside the earlier ones rather than in their place."""
        return "{version}" in self.path


_EXACT = Gate(image=1e-5, psnr=100.0, other=1e-5)

# The bounds are half as much again, or some 3 dB less, than what was measured over all endpoints
# on MNIST (conv, 16 latent dimensions) and on digits (conv and mlp, Bernoulli and Gaussian).
FORMATS = {
    row.name: row
    for row in (
        Format(
            "saved_model",
            "TensorFlow and TensorFlow Serving",
            "saved_model/{version}",
            {"float32": _EXACT},
            ("uint8",),
            (),
            "tensorflow",
        ),
        Format(
            "tflite",
            "LiteRT on phones, in browsers and on small devices",
            "tflite/model_{precision}.tflite",
            {
                "float32": _EXACT,
                "float16": Gate(image=2e-3, psnr=75.0, other=1e-3),
                "dynamic": Gate(image=0.08, psnr=50.0, other=0.03),
                "int8": Gate(image=0.2, psnr=38.0, other=0.04),
                "full_int8": Gate(image=0.2, psnr=38.0, other=0.04),
                "int16x8": Gate(image=0.1, psnr=48.0, other=0.03),
            },
            ("uint8", "batch_sizes", "allow_flex"),
            ("decode_png",),
            "ai-edge-litert",
        ),
        Format(
            "onnx",
            "ONNX Runtime, one file an endpoint",
            "onnx/{precision}",
            {"float32": _EXACT},
            ("uint8",),
            ("decode_png",),
            "onnxruntime",
        ),
    )
}


class Target(NamedTuple):
    """A format in one of its precisions."""

    format: Format
    precision: str

    @property
    def gate(self):
        return self.format.gates[self.precision]


def names(argument, value, options):
    """Return the names that `value` gives, each once and in their order.

    Args:
        argument: str, what the value is called, for the error.
        value: str, or an iterable of str.
        options: the legal names.

    Raises:
        ValueError: if a name is unknown, or there is none.
    """
    legal = ", ".join(repr(name) for name in options)
    if not isinstance(value, (str, tuple, list, set, frozenset)):
        raise ValueError(message(f"`{argument}` must be a tuple of {legal}", repr(value)))
    given = [value] if isinstance(value, str) else list(value)
    if not given:
        raise ValueError(message(f"`{argument}` must name at least one of {legal}", "none"))
    for name in given:
        if name not in options:
            fix = close_names(name, options)
            raise ValueError(message(f"`{argument}` must be among {legal}", repr(name), fix))
    return list(dict.fromkeys(given))


def targets(formats, precisions=("float32",)):
    """Return the `Target`s of some formats: each in those precisions that it has, else float32.

    Args:
        formats: str, or an iterable of str.
        precisions: str, or an iterable of str.

    Raises:
        ValueError: if a name is unknown, or a precision is of none of the formats.
    """
    chosen = [FORMATS[name] for name in names("formats", formats, FORMATS)]
    precisions = names("precisions", precisions, PRECISIONS)
    for precision in precisions:
        if not any(precision in row.gates for row in chosen):
            having = [row.name for row in FORMATS.values() if precision in row.gates]
            legal = "; ".join(f"{row.name}: {', '.join(row.gates)}" for row in chosen)
            raise ValueError(
                message(
                    f"`precisions` must be among those of the formats ({legal})",
                    repr(precision),
                    f"Add {' or '.join(map(repr, having))} to the formats.",
                )
            )
    return [
        Target(row, precision)
        for row in chosen
        for precision in ([name for name in precisions if name in row.gates] or ["float32"])
    ]


def signature(endpoint, batch_size):
    """Return the name of the signature of an endpoint for a fixed batch size in a file."""
    return endpoint if batch_size in (1, None) else f"{endpoint}_batch{batch_size}"


def endpoint_of(signature):
    """Return the endpoint and the batch size of a signature that `signature` named."""
    endpoint, _, batch_size = signature.partition("_batch")
    return endpoint, int(batch_size or 1)


def onnx_output(endpoint, output):
    """Return the name of an output in an ONNX graph, where no input may be called the same."""
    return f"{output}_out" if output in ENDPOINTS[endpoint].inputs else output
