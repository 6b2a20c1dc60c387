"""Export a VAE: write each file, compare it with the Keras model, and only then name it."""

import dataclasses
import functools
import pathlib
import time

import numpy as np

from export import (
    calibration,
    compare,
    describe,
    endpoints,
    formats,
    metadata,
    onnx,
    plan,
    publish,
    report,
    runtimes,
    saved_model,
    serving,
    tflite,
    trees,
    vectors,
    verify,
)
from export.errors import message
from export.float32 import in_float32
from keras_vae.model import VAE

_LATENCY_CALLS = 20


@dataclasses.dataclass(frozen=True)
class Exported:
    """One exported file or folder.

    Attributes:
        format: str, as in `export(formats=...)`.
        precision: str, as in `export(precisions=...)`.
        path: `pathlib.Path`.
        size: int, bytes.
        seconds: float, spent on writing and comparing it.
        endpoints: tuple of str, what it carries.
        left_out: dict from each endpoint that was asked for and left out to the reason.
        worst_error: float, the largest difference of an output from the Keras model, as a part of
            the largest magnitude of that output, or of 1 if that is less; None if not compared.
        failures: tuple of str, what is out of bounds.
    """

    format: str
    precision: str
    path: pathlib.Path
    size: int
    seconds: float
    endpoints: tuple
    left_out: dict
    worst_error: float | None
    failures: tuple = ()


def export(
    vae,
    directory,
    formats=("saved_model", "tflite"),
    precisions=("float32",),
    endpoints=formats.DEFAULT_ENDPOINTS,
    data=None,
    *,
    about=None,
    card=None,
    check=True,
    **options,
):
    """Write a VAE for other runtimes, each file compared with the Keras model.

    A SavedModel is a new version beside the earlier ones, `saved_model/1`, `saved_model/2` and so
    on, as TensorFlow Serving reads them; other files replace the earlier ones. A file gets its
    name only when it is whole and has been compared. One that differs too much is kept in
    `failed/`, and what it would have replaced stays.

    Args:
        vae: `keras_vae.VAE`, built. A mixed-precision one is rebuilt in float32.
        directory: str or `pathlib.Path` of the export folder; it is made.
        formats: str or tuple of str: "saved_model", "tflite", "onnx".
        precisions: str or tuple of str: "float32", "float16", "dynamic", "int8", "full_int8",
            "int16x8". Formats without them are written once, in float32.
        endpoints: tuple of str: "decode", "encode", "reconstruct", "generate", "score",
            "decode_png". What a file cannot carry is left out of it.
        data: training images that give integer files their ranges: an array `(N, *event)`,
            batches, or what `keras_vae.data.load` gives.
        about: dict with `name`, `data_set` and `labels` (a list of str), for the metadata.
        card: str, Markdown that the export's README begins with, such as a run's model card.
        check: bool, whether files are compared with the Keras model.
        **options: `uint8=True` for images of integers from 0 to 255; `batch_sizes=(8, 32)` for
            signatures of other batch sizes in a TFLite file; `num_samples=16`, the draws of z
            behind a `score`; `allow_flex=True` for TFLite files that need TensorFlow's operators.

    Returns:
        list of `Exported`, one for each format and precision.

    Raises:
        ImportError: if a format or precision needs a package that is not installed.
        ValueError: if an argument is wrong, or a format cannot take one of the layers.
        VerificationError: if a file does not give what the Keras model gives.
        OSError: if the disk is full or refuses.

    Example:

    ```python
    export(vae, "exported", formats=("saved_model", "tflite"), precisions=("float32", "int8"),
           data=data)
    ```
    """
    choices = plan.check(formats, precisions, endpoints, **options)
    _check_vae(vae)
    images = calibration.images_of(data, vae.event_shape)
    for target in choices.targets:
        choices.carried(target, vae.event_shape, images is not None)
    directory = pathlib.Path(directory)
    with publish.staging(directory) as folder:
        work = _Work(vae, choices, images, about, check)
        records = [work.stage(target, folder, directory) for target in choices.targets]
        golden = vectors.pack(work.expected)
        for record in records:
            record.publish(directory)
        kept = [record.entry(vectors.name_of(golden)) for record in records if not record.failures]
        report.write(directory, kept, golden, work.about, card)
        if any(entry["format"] == "saved_model" for entry in kept):
            serving.write(directory / serving.FOLDER, work.about, work.expected)
    results = [record.result for record in records]
    failed = [_failure(one) for one in results if one.failures]
    if failed:
        raise verify.VerificationError(
            " ".join(failed) + f" See {publish.FAILED}/; earlier files are untouched."
        )
    return results


def _failure(result):
    """Return the first thing that is wrong with a file, and how many more there are."""
    more = len(result.failures) - 1
    return f"{result.path}: {result.failures[0]}{f', and {more} more' if more else ''}."


class _Work:
    """What all the files of an export share."""

    def __init__(self, vae, choices, images, about, check):
        self.plan, self.images, self.check = choices, images, check
        self.vae = in_float32(vae)
        if self.vae is not vae:
            verify.verify_rebuilt(vae, self.vae)
        self.about = describe.describe(self.vae, choices, about)
        self.expected = verify.references(self.vae, choices, images)

    @functools.cached_property
    def calibration(self):
        return calibration.collect(self.vae, self.images)

    def stage(self, target, folder, directory):
        """Write one file below the staging folder, compare it, and return its `_Record`."""
        start = time.perf_counter()
        names, left_out = self.plan.carried(target, self.vae.event_shape, self.images is not None)
        relative = publish.place(target, directory)
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        functions = endpoints.functions(self.vae, dataclasses.replace(self.plan, endpoints=names))
        about = {
            **self.about,
            "precision": target.precision,
            "endpoints": list(names),
            "allow_flex": self.plan.allow_flex and target.format.name == "tflite",
        }
        self._write(target, path, functions, about)
        comparison, facts = None, {}
        if self.check:
            runtime = runtimes.load(path)
            wanted = compare.endpoints_of(self.expected, names)
            comparison = compare.compare(runtime, wanted, target.gate)
            facts = {"latency_ms": _latency(runtime, wanted)}
        if target.format.name == "tflite" and not self.plan.allow_flex:
            from export import operators

            facts["signatures"] = operators.inspect(path.read_bytes())
        seconds = time.perf_counter() - start
        return _Record(target, path, relative, names, left_out, comparison, facts, seconds)

    def _write(self, target, path, functions, about):
        if target.format.name == "tflite":
            tflite.write(
                self.vae, path, functions, target.precision, self.plan, lambda: self.calibration
            )
            metadata.append(path, about)
        elif target.format.name == "onnx":
            onnx.write(self.vae, path, functions, about)
        else:
            saved_model.write(self.vae, path, functions)
            extra = path / metadata.SAVED_MODEL_ENTRY
            extra.parent.mkdir()
            extra.write_text(metadata.dump(about), encoding="utf-8")
            serving.write_warm_up(extra.parent, compare.endpoints_of(self.expected, functions))


@dataclasses.dataclass
class _Record:
    """A staged file, and what is known of it."""

    target: formats.Target
    path: pathlib.Path
    name: str
    endpoints: tuple
    left_out: dict
    comparison: compare.Comparison | None
    facts: dict
    seconds: float

    @property
    def failures(self):
        return self.comparison.failures if self.comparison else ()

    def publish(self, directory):
        if self.failures:
            self.path = publish.set_aside(self.path, self.name, directory)
        else:
            self.path = publish.publish(self.target, self.path, directory)
            self.name = self.path.relative_to(directory).as_posix()

    @property
    def result(self):
        return Exported(
            self.target.format.name,
            self.target.precision,
            self.path,
            trees.tree_size(self.path),
            self.seconds,
            self.endpoints,
            self.left_out,
            self.comparison.worst_error if self.comparison else None,
            self.failures,
        )

    def entry(self, golden):
        """Return what the report says of the file."""
        return {
            "path": self.name,
            "format": self.target.format.name,
            "precision": self.target.precision,
            "size": trees.tree_size(self.path),
            "sha256": trees.tree_sha256(self.path),
            "seconds": round(self.seconds, 2),
            "endpoints": list(self.endpoints),
            "left_out": self.left_out,
            "golden": golden,
            "gate": self.target.gate._asdict(),
            "worst_error": self.comparison.worst_error if self.comparison else None,
            "errors": self.comparison.errors if self.comparison else None,
            **self.facts,
        }


def _latency(runtime, wanted):
    """Return the median milliseconds of a call with one row, for each endpoint."""
    medians = {}
    for name, (inputs, _) in wanted.items():
        row = {key: value[:1] for key, value in inputs.items()}
        seconds = []
        for _ in range(_LATENCY_CALLS):
            start = time.perf_counter()
            runtime.run(name, **row)
            seconds.append(time.perf_counter() - start)
        medians[name] = round(1e3 * float(np.median(seconds)), 4)
    return medians


def _check_vae(vae):
    if not isinstance(vae, VAE):
        raise ValueError(
            message(
                "`vae` must be a keras_vae.VAE",
                repr(vae),
                "Load a saved one with keras.models.load_model.",
            )
        )
    if not vae.built:
        raise ValueError(
            message(
                "`vae` must be built",
                "a VAE that has seen no data",
                "Train it, load its weights, or call it on a batch.",
            )
        )
