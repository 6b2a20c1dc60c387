"""The files of one export: written below a staging folder, compared, described."""

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
    pictures,
    publish,
    report,
    runtimes,
    saved_model,
    serving,
    tflite,
    trees,
    verify,
)
from export.float32 import in_float32

_LATENCY_CALLS = 20
# Of the picture in the card, drawn by the first file that can.
_SAMPLES, _SAMPLES_SEED = 16, 0


class Work:
    """What all the files of an export share.

    Args:
        vae: `keras_vae.VAE`, built.
        plan: `export.plan.Plan`.
        examples: pair of training images `(N, *event)` or None, and their labels or None.
        about: None, or a dict of what the VAE does not know of itself.
        check: bool, whether files are compared with the Keras model.
    """

    def __init__(self, vae, plan, examples, about, check):
        self._plan, self._check, self._has_samples = plan, check, False
        # Of images and labels those to calibrate with, and those to compare on.
        self._examples, held_out = zip(*map(calibration.split, examples), strict=True)
        has_images, has_labels = (part is not None for part in examples)
        labels = endpoints.labels_of(vae)
        lacks_labels = labels is not None and not labels.num_classes and not has_labels
        self._carried = {
            _key(target): plan.carried(target, vae.event_shape, has_images, lacks_labels)
            for target in plan.targets
        }
        self._vae = in_float32(vae)
        if self._vae is not vae:
            verify.verify_rebuilt(vae, self._vae)
        self.about = describe.describe(self._vae, plan, about)
        used = {name for names, _ in self._carried.values() for name in names}
        kept = tuple(name for name in plan.endpoints if name in used)
        self.expected = verify.references(
            self._vae, dataclasses.replace(plan, endpoints=kept), *held_out
        )

    @functools.cached_property
    def _calibration(self):
        return calibration.collect(self._vae, *self._examples)

    def stage(self, target, folder, directory):
        """Write one file below the staging folder, compare it, and return its `Record`."""
        start = time.perf_counter()
        names, left_out = self._carried[_key(target)]
        name = publish.place(target, directory)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._write(target, path, names)
        comparison, facts, samples = None, {}, None
        if self._check:
            runtime = runtimes.load(path)
            wanted = compare.endpoints_of(self.expected, names)
            comparison = compare.compare(runtime, wanted, target.gate)
            facts = {"latency_ms": _latency(runtime, wanted)}
            if "generate" in names and not comparison.failures and not self._has_samples:
                samples = _samples(runtime)
                self._has_samples = samples is not None
        if target.format.name == "tflite" and not self._plan.allow_flex:
            from export import operators

            facts["signatures"] = operators.inspect(path.read_bytes())
        seconds = time.perf_counter() - start
        return Record(target, path, name, names, left_out, comparison, facts, seconds, samples)

    def _write(self, target, path, names):
        functions = endpoints.functions(self._vae, dataclasses.replace(self._plan, endpoints=names))
        form = target.format.name
        is_flex = self._plan.allow_flex and form == "tflite"
        about = {
            **self.about,
            "precision": target.precision,
            "endpoints": list(names),
            "allow_flex": is_flex,
        }
        if form == "tflite":
            tflite.write(
                self._vae, path, functions, target.precision, self._plan, lambda: self._calibration
            )
            if not is_flex:
                about["signatures"] = tflite.signatures(path)
            metadata.append(path, about)
        elif form == "onnx":
            onnx.write(self._vae, path, functions, about)
        else:
            saved_model.write(self._vae, path, functions)
            extra = path / metadata.SAVED_MODEL_ENTRY
            extra.parent.mkdir()
            extra.write_text(metadata.dump(about), encoding="utf-8")
            serving.write_warm_up(extra.parent, compare.endpoints_of(self.expected, functions))


@dataclasses.dataclass
class Record:
    """A staged file, and what is known of it.

    Attributes:
        target: `formats.Target`.
        path: `pathlib.Path` of the staged file or folder.
        name: str, its final place relative to the export folder.
        endpoints: tuple of str, what it carries.
        left_out: dict from each other endpoint to the reason.
        comparison: `compare.Comparison`, or None if it was not compared.
        facts: dict, what the report says besides.
        seconds: float, spent on it.
        samples: `report.Samples` that it drew, or None.
    """

    target: formats.Target
    path: pathlib.Path
    name: str
    endpoints: tuple
    left_out: dict
    comparison: compare.Comparison | None
    facts: dict
    seconds: float
    samples: report.Samples | None = None

    @property
    def failures(self):
        return self.comparison.failures if self.comparison else ()

    @property
    def worst_error(self):
        return self.comparison.worst_error if self.comparison else None

    def entry(self, golden, model):
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
            "model": model,
            "gate": self.target.gate._asdict(),
            "worst_error": self.worst_error,
            "errors": self.comparison.errors if self.comparison else None,
            **self.facts,
        }


def _samples(runtime):
    """Return the `report.Samples` that a file draws, or None where they are no picture."""
    labels = runtime.labels
    if labels is not None and not labels.num_classes:
        return None
    label = labels and np.arange(_SAMPLES, dtype="int32") % labels.num_classes
    images = runtime.generate(_SAMPLES, seed=_SAMPLES_SEED, label=label).image
    if not pictures.is_shown(images):
        return None
    return report.Samples(images, _SAMPLES_SEED, labels is not None)


def _key(target):
    return target.format.name, target.precision


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
