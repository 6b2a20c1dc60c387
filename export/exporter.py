"""Export a VAE: write each file, compare it with the Keras model, and only then name it."""

import dataclasses
import pathlib

from export import (
    calibration,
    plan,
    publish,
    report,
    serving,
    thresholds,
    trees,
    vectors,
    verify,
)
from export.errors import message
from export.formats import DEFAULT_ENDPOINTS
from export.work import Work
from keras_vae.model import VAE


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
    endpoints=DEFAULT_ENDPOINTS,
    data=None,
    *,
    about=None,
    card=None,
    check=True,
    uint8=False,
    batch_sizes=(),
    num_samples=16,
    allow_flex=False,
    detector=None,
):
    """Write a VAE for other runtimes, each file compared with the Keras model.

    Every endpoint of a `ConditionalVAE` has one more input, `label`: int32 `(B,)` of classes, of
    which -1 stands for none, or float32 `(B, C)` of vectors, of which there must be one. Of a
    `SemiSupervisedVAE` -1 stands for the most likely class where there is an image, and for a draw
    in `generate`; `decode` needs a class.

    A SavedModel is a new version beside the earlier ones, `saved_model/1`, `saved_model/2` and so
    on, as TensorFlow Serving reads them; other files replace the earlier ones. A file gets its
    name only when it is whole and has been compared. One that differs too much is kept in
    `failed/`, and what it would have replaced stays. All files appear together or not at all.

    Args:
        vae: `keras_vae.VAE`, built. A mixed-precision one is rebuilt in float32.
        directory: str or `pathlib.Path` of the export folder; it is made.
        formats: str or tuple of str: "saved_model", "tflite", "onnx".
        precisions: str or tuple of str: "float32", "float16", "dynamic", "int8", "full_int8",
            "int16x8". Formats without them are written once, in float32.
        endpoints: tuple of str: "decode", "encode", "reconstruct", "generate", "score",
            "decode_png". What a file cannot carry is left out of it.
        data: training images that give integer files their ranges: an array `(N, *event)`,
            batches, or what `keras_vae.data.load` gives. Where labels are vectors, integer files
            want batches of images and labels.
        about: dict with `name`, `data_set` and `labels` (a list of str, the names of the classes),
            for the metadata.
        card: str, Markdown that the export's README begins with, such as a run's model card.
        check: bool, whether files are compared with the Keras model.
        uint8: bool, whether images come out as integers from 0 to 255.
        batch_sizes: tuple of int, batch sizes beside 1 that a TFLite file has signatures for.
        num_samples: int >= 1, the draws of z behind a `score`.
        allow_flex: bool, whether a TFLite file may need TensorFlow's own operators.
        detector: `keras_vae.anomaly.AnomalyDetector`, fitted with this VAE, whose score the graph
            can compute: `score` then also gives `anomaly_score`, its `threshold`, and
            `is_anomaly`, 1 where the score lies above it.

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
    choices = plan.check(
        formats, precisions, endpoints, uint8, num_samples, batch_sizes, allow_flex
    )
    check_vae(vae)
    if card is not None and not isinstance(card, str):
        raise ValueError(message("`card` must be Markdown, a str, or None", f"card={card!r}"))
    if detector is not None:
        choices = dataclasses.replace(choices, detector=thresholds.check(detector, vae, choices))
    directory = publish.check_directory(directory, choices.targets)
    examples = calibration.examples_of(data, vae)
    with publish.staging(directory) as folder:
        work = Work(vae, choices, examples, about, check)
        records = [work.stage(target, folder, directory) for target in choices.targets]
        results = _publish(records, work, card, folder, directory)
    failed = [_failure(one) for one in results if one.failures]
    if failed:
        raise verify.VerificationError(
            " ".join(failed) + f" See {publish.FAILED}/; earlier files are untouched."
        )
    return results


def _publish(records, work, card, folder, directory):
    """Give the staged files their names, with the report, and return the `Exported`s."""
    golden = vectors.pack(work.expected)
    with publish.locked(directory):
        for record in records:
            place = publish.place(record.target, directory)
            record.name = f"{publish.FAILED}/{place}" if record.failures else place
        results = [_result(record, directory) for record in records]
        pairs = [(record.path, directory / record.name) for record in records]
        kept = [
            record.entry(vectors.name_of(golden), work.about)
            for record in records
            if not record.failures
        ]
        if kept:
            drawn = [(record.name, record.samples) for record in records if record.samples]
            about = folder / "about"
            pairs += report.stage(about, directory, kept, golden, card, *drawn[:1])
        if any(entry["format"] == "saved_model" for entry in kept):
            staged = folder / serving.FOLDER
            serving.write(staged, work.about, work.expected)
            pairs.append((staged, directory / serving.FOLDER))
        earlier = report.golden_names(directory)
        attic = folder / "attic"
        attic.mkdir()
        publish.commit(pairs, attic)
        report.forget_unused(directory, earlier)
    return results


def _result(record, directory):
    return Exported(
        record.target.format.name,
        record.target.precision,
        directory / record.name,
        trees.tree_size(record.path),
        record.seconds,
        record.endpoints,
        record.left_out,
        record.worst_error,
        record.failures,
    )


def _failure(result):
    """Return the first thing that is wrong with a file, and how many more there are."""
    more = len(result.failures) - 1
    return f"{result.path}: {result.failures[0]}{f', and {more} more' if more else ''}."


def check_vae(vae):
    """Raise `ValueError` unless it is a `keras_vae.VAE` that is built."""
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
