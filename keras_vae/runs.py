"""The run folder: what a training leaves behind, written whole, read back, and described."""

import contextlib
import csv
import dataclasses
import functools
import itertools
import pathlib
import zlib

import keras
import numpy as np

from keras_vae import data, plotting, random
from keras_vae.checks import file_format, integer, message
from keras_vae.files import (
    final_path,
    publish,
    read_json,
    replacing_file,
    scratch_folder,
    write_json,
    write_text,
)
from keras_vae.model import VAE
from keras_vae.model_card import model_card

__all__ = ["Run", "load"]

CONFIG = "config.json"
MODEL = "model.keras"
HISTORY = "history.csv"
METRICS = "metrics.json"
SAMPLES = "samples.png"
RECONSTRUCTIONS = "reconstructions.png"
HISTORY_PICTURE = "history.png"
CARD = "README.md"
TRAINING = "training"
DETECTORS = "detectors"

FILES = {
    CONFIG,
    MODEL,
    HISTORY,
    METRICS,
    SAMPLES,
    RECONSTRUCTIONS,
    HISTORY_PICTURE,
    CARD,
    TRAINING,
    DETECTORS,
    "export",
}

FORMAT = "keras_vae run"
FORMAT_VERSION = 1

_MOST_CLASSES = 20
_RETRAIN = "Train one with `keras-vae train SOURCE --out RUN`."


@dataclasses.dataclass
class Run:
    """A run folder.

    Attributes:
        path: `pathlib.Path`.
        config: dict, what `config.json` holds: the sections `data`, `model` and `training`, the
            `seed` and the versions of the packages.
        label: int, the class that its model is given; None for none. See `uses.at`.
    """

    path: pathlib.Path
    config: dict
    label: int | None = None

    @functools.cached_property
    def vae(self):
        """The trained model."""
        path = self.path / MODEL
        if not path.exists():
            raise ValueError(message(f"{self.path} must hold {MODEL}", "no such file", _RETRAIN))
        with open(path, "rb"):
            pass  # A file that may not be read is not a damaged one.
        try:
            vae = keras.models.load_model(path)
        # A damaged file may fail at any depth of Keras, zip or HDF5, with any type of exception.
        except Exception as error:
            raise ValueError(
                message(
                    f"{path} must be a model that keras_vae saved",
                    f"a damaged file ({type(error).__name__})",
                    _RETRAIN,
                )
            ) from error
        if not isinstance(vae, VAE):
            received = f"a {type(vae).__name__}"
            raise ValueError(message(f"{path} must be a keras_vae.VAE", received, _RETRAIN))
        return vae

    @property
    def name(self):
        """The name of the folder."""
        return self.path.resolve().name

    @functools.cached_property
    def checksum(self):
        """CRC-32 of the trained model's file."""
        return zlib.crc32((self.path / MODEL).read_bytes())

    def card(self, has_files=True):
        """Return the model card as Markdown.

        Args:
            has_files: bool, whether it will stand in the run folder and may speak of its files.
        """
        return self._card(self.name, has_files)

    def _card(self, name, has_files=True):
        pictures = [file.name for file in self.path.glob("*.png")]
        return model_card(name, self.config, self.metrics, pictures, has_files)

    @property
    def metrics(self):
        """The dict of `metrics.json`, empty where there is none."""
        path = self.path / METRICS
        return read_json(path, _RETRAIN) if path.exists() else {}

    @property
    def history(self):
        """The dict of `history.csv`: a list of numbers for each name, as `write_model` has it."""
        with open(self.path / HISTORY, newline="") as file:
            rows = list(csv.DictReader(file))
        names = rows[0] if rows else ()
        return {name: [float(row[name]) for row in rows if row[name]] for name in names}

    def load_data(self, **changes):
        """Load the data that the run was trained on; `changes` replace arguments of the load.

        Args:
            **changes: arguments of `data.load`, in place of the run's own.

        Returns:
            `ImageData` or `TableData`.
        """
        if self.vae.likelihood.columns is not None:
            # As the model knows them, even where the file has changed since.
            changes["columns"] = self.vae.likelihood.columns
        try:
            loaded = data.load(**{**self.config["data"], **changes})
        except TypeError as error:
            raise ValueError(
                message(
                    f"`data` in {self.path / CONFIG} must be arguments of keras_vae.data.load",
                    f"{self.config['data']} ({error})",
                    _RETRAIN,
                )
            ) from error
        if loaded.test is None:
            raise ValueError(message(f"{self.path} must have test images", "none", _RETRAIN))
        return loaded

    def read_images(self, files):
        """Read image files as the run's data was read: an array `(N, H, W, C)` in [0, 1].

        Args:
            files: list of paths.

        Output shape:
            `(N, H, W, C)`, float32.
        """
        images = data.read_images(files, self.vae.event_shape)
        binary = self.config["data"].get("binarize", "none") != "none"
        return (images > 0.5).astype("float32") if binary else images

    def test_images(self, places):
        """Return the test images at some places: an array `(N, H, W, C)` in [0, 1].

        Args:
            places: list of int >= 0.
        """
        test = self.load_data().test
        return np.stack([_example(test, integer("place", place, 0)) for place in places])

    def write_metrics(self, metrics):
        """Replace `metrics.json`, and the numbers in the model card if there is one.

        Args:
            metrics: dict, as `evaluation.evaluate` gives it.
        """
        write_json(self.path / METRICS, metrics)
        if (self.path / CARD).exists():
            write_text(self.path / CARD, self.card())


def load(path):
    """Open a run folder.

    Args:
        path: str or `pathlib.Path`.

    Returns:
        A `Run`; its model is loaded when it is first used.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if it is no run folder, of another version, or its `config.json` is damaged.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise FileNotFoundError(
            message("RUN must be a run folder", f"{path}, which does not exist", _RETRAIN)
        )
    if (path / TRAINING).is_dir() and not (path / CONFIG).is_file():
        raise ValueError(
            message(
                "RUN must be a run folder",
                f"{path}, whose training is not finished",
                f"Go on with `keras-vae train SOURCE --out {path} --resume`.",
            )
        )
    if not (path / CONFIG).is_file():
        raise ValueError(
            message("RUN must be a run folder", f"{path}, which holds no {CONFIG}", _RETRAIN)
        )
    config = read_json(path / CONFIG, _RETRAIN)
    fix = f"Use the keras_vae that wrote it, or train it again. {_versions(config)}"
    file_format(path / CONFIG, config, FORMAT, FORMAT_VERSION, fix)
    sections = {name: config.get(name) for name in ("data", "model", "training")}
    if not all(isinstance(section, dict) for section in sections.values()):
        raise ValueError(
            message(f"{path / CONFIG} must describe {', '.join(sections)}", sections, _RETRAIN)
        )
    return Run(path, config)


@contextlib.contextmanager
def create(path, config):
    """Yield a `Run` in a temporary folder that gets the name `path` if all goes well.

    It replaces the run that is there; what is not a run's own file there stays.

    Args:
        path: str or `pathlib.Path`.
        config: dict, the sections `data`, `model` and `training`, and the `seed`; what changes in
            the run's `config` until the end is written too.
    """
    path = final_path(path)
    with scratch_folder(path) as partial:
        run = Run(partial, {"format": FORMAT, "format_version": FORMAT_VERSION, **config})
        yield run
        write_json(partial / CONFIG, run.config)
        write_text(partial / CARD, run._card(path.name))
        there = {child.name for child in path.iterdir()} if path.is_dir() else set()
        # An interrupted training can be gone on with.
        done = FILES - ({TRAINING} if run.config["training"].get("interrupted") else set())
        publish(partial, path, keep=there - done)
    run.path = path


def write_model(run, vae, history):
    """Write the model and the history of its training into a run.

    Args:
        run: `Run`.
        vae: `VAE`.
        history: dict from name to a list of one number an epoch, of the first epochs where there
            are fewer.
    """
    with replacing_file(run.path / MODEL) as partial:
        vae.save(partial)
    write_history(run.path / HISTORY, history)


def write_history(path, history):
    """Write a CSV file of one row an epoch, whole or not at all; arguments as of `write_model`."""
    with replacing_file(path) as partial, open(partial, "w", newline="") as file:
        writer = csv.writer(file)
        names = list(history)
        writer.writerow(["epoch", *names])
        for epoch, values in enumerate(itertools.zip_longest(*history.values()), start=1):
            writer.writerow([epoch, *values])


def write_pictures(run, vae, history, images, seed, labels=None):
    """Write the curves of training into a run, and of images samples and reconstructions.

    Args:
        run, vae, history: see `write_model`.
        images: array `(N, *event)`.
        seed: int, of the samples.
        labels: None, or those of the images.
    """
    if len(vae.event_shape) == 3:
        _write_samples(vae, run.path / SAMPLES, seed)
        plotting.pixels.save_pairs(
            images, vae.reconstruct(images, labels), run.path / RECONSTRUCTIONS
        )
    plotting.curves.save_history(history, run.path / HISTORY_PICTURE)


def _write_samples(vae, path, seed):
    """Write a picture of generated images, of a model of classes a row for each from the same z."""
    count = getattr(vae, "num_classes", None)
    if not count:
        plotting.save_grid(vae.generate(64, seed=seed), path)
        return
    count = min(count, _MOST_CLASSES)
    seeds, labels = np.tile(random.row_seeds(seed, 10), count), np.repeat(np.arange(count), 10)
    plotting.save_grid(vae.generate(10 * count, seed=seeds, label=labels), path, 10)


def _example(dataset, place):
    for batch in dataset.unbatch().skip(place).take(1):
        return np.asarray(batch)
    raise ValueError(message("A place must be that of a test image", f"{place}", "Count from 0."))


def _versions(config):
    versions = config.get("versions")
    if not isinstance(versions, dict):
        return ""
    return "It was written by " + ", ".join(f"{name} {v}" for name, v in versions.items()) + "."
