"""A page that draws with an exported decoder in the browser, without a server."""

import dataclasses
import html
import importlib.resources
import pathlib
import shutil
import string
import tempfile

import numpy as np

from export import calibration, describe, endpoints, exporter, formats, report, trees, web_runtime
from export.errors import message
from export.float32 import in_float32
from export.serve import FORMAT, FORMAT_VERSION, SITE, is_site
from keras_vae import evaluation, files, latent

ENDPOINTS = ("decode", "generate")
PRECISIONS = tuple(
    name
    for name in formats.FORMATS["tflite"].gates
    if not set(ENDPOINTS) & set(formats.PRECISIONS[name].cannot)
)
_CHANNELS = (1, 3, 4)
# Examples, and draws of the prior, that order the units and set the ends of the sliders.
_EXAMPLES, _DRAWS, _BATCH = 2000, 1000, 128
# The part of them that the sliders leave out at each end.
_TAIL = 0.001
_LEAST_WIDTH = 1e-3
_PAGE = "index.html"
_BY_VARIANCE = "The most active first, by the variance of their z over {count} examples."
_BY_NUMBER = "In their own order, since no data tell which are active."


@dataclasses.dataclass(frozen=True)
class Site:
    """What `web` wrote.

    Attributes:
        path: `pathlib.Path` of the folder.
        file: `pathlib.Path` of the TFLite file in it.
        precision: str.
        is_vendored: bool, whether the site holds all that it needs.
        note: str, why it does not where it was to, if possible; else empty.
    """

    path: pathlib.Path
    file: pathlib.Path
    precision: str
    is_vendored: bool
    note: str


def web(
    vae,
    directory,
    precision="float32",
    data=None,
    *,
    about=None,
    exported=None,
    runtime="auto",
):
    """Write a static page that draws with a VAE's exported decoder in the visitor's browser.

    Any static host serves the folder; `keras-vae export serve` does on this machine. A site that
    is there is replaced, and what is none of its files stays.

    Args:
        vae: `keras_vae.VAE` of images of 1, 3 or 4 channels, built; of labels it takes classes.
        directory: str or `pathlib.Path`, new, empty or an earlier site.
        precision: str, of `PRECISIONS`.
        data: as of `export`; held-out images of it, where it has them, order the latent units by
            how active they are.
        about: as of `export`.
        exported: None, or the folder of an earlier export, whose TFLite file is taken if it is of
            this very model and was compared with it; else one is exported.
        runtime: "vendored", "cdn" or "auto": whether npm fetches LiteRT's runtime into the site,
            or the browser its wasm files from a CDN; "auto" for the first where it can be done.

    Returns:
        A `Site`.

    Raises:
        ValueError: if the model draws no images that a page can show, an argument is wrong, or
            the folder holds something else.
        RuntimeError: if the runtime is to be vendored, and npm is missing or fails.
        VerificationError: if the file does not give what the Keras model gives.

    Example:

    ```python
    web(vae, "site", data=kv.data.load("digits"))
    ```
    """
    if precision not in PRECISIONS:
        legal = ", ".join(map(repr, PRECISIONS))
        raise ValueError(message(f"`precision` must be one of {legal}", f"{precision!r}"))
    web_runtime.check(runtime)
    exporter.check_vae(vae)
    _check_model(vae)
    directory = _check_directory(directory)
    units = _units(vae, data)
    with files.scratch_folder(directory) as partial:
        file = _model_file(vae, partial, precision, data, about, exported)
        of_runtime = web_runtime.write(partial, runtime)
        title = (about or {}).get("name") or "Variational autoencoder"
        settings = {
            **_model_settings(vae, partial / file, precision, about),
            **units,
            **_runtime_settings(of_runtime),
        }
        files.write_json(
            partial / SITE, {"format": FORMAT, "format_version": FORMAT_VERSION, **settings}
        )
        _write_page(partial, title, of_runtime)
        own = {child.name for child in partial.iterdir()} | _model_names()
        there = {child.name for child in directory.iterdir()} if directory.exists() else set()
        files.publish(partial, directory, keep=there - own)
    return Site(directory, directory / file, precision, of_runtime.is_vendored, of_runtime.note)


def _check_model(vae):
    shape = tuple(vae.event_shape)
    if vae.likelihood.columns is not None:
        received = "a model of a table"
    elif len(shape) != 3 or shape[-1] not in _CHANNELS:
        received = f"images of shape {shape}"
    else:
        _check_labels(endpoints.labels_of(vae))
        return
    raise ValueError(
        message(
            "A page shows images (height, width, channels) of 1, 3 or 4 channels",
            received,
            "Export it with keras-vae export, and use it with export.load.",
        )
    )


def _check_labels(labels):
    if labels is not None and not labels.num_classes:
        raise ValueError(
            message(
                "A page lets its visitor choose among classes",
                f"a model whose labels are vectors of {labels.condition_dim} numbers",
                "Train one with num_classes.",
            )
        )


def _check_directory(directory):
    """Return the absolute path of the site's folder, if a site may be written there."""
    directory = files.final_path(directory)
    files.check_place(directory)
    files.recover(directory)
    if directory.exists() and not directory.is_dir():
        raise ValueError(
            message("--out must be a folder", f"{directory}, a file", "Choose another name.")
        )
    if directory.exists() and any(directory.iterdir()) and not is_site(directory):
        raise ValueError(
            message(
                "--out must be new, empty, or a site of an earlier export",
                f"{directory}, which holds something else",
                "Choose another name, or empty it.",
            )
        )
    return directory


def _model_names():
    """Return the names that the file of a site can have."""
    path = formats.FORMATS["tflite"].path
    return {pathlib.Path(path.format(precision=name)).name for name in PRECISIONS}


def _model_file(vae, folder, precision, data, about, exported):
    """Put the TFLite file into a folder, and return its name."""
    found = None if exported is None else _find(vae, pathlib.Path(exported), precision, about)
    with tempfile.TemporaryDirectory() as scratch:
        if found is None:
            (one,) = exporter.export(
                vae, scratch, "tflite", precision, ENDPOINTS, data=data, about=about
            )
            found = one.path
        shutil.copyfile(found, folder / found.name)
    return found.name


def _find(vae, folder, precision, about):
    """Return the file of an earlier export of this very model, or None if there is none."""
    if not (folder / report.REPORT).exists():
        return None
    wanted = {
        "weights_sha256": describe.weights_sha256(in_float32(vae)),
        "labels": (about or {}).get("labels"),
        "allow_flex": None,
    }
    for entry in report.read(folder)["files"]:
        path = folder / entry["path"]
        is_of_kind = (entry["format"], entry["precision"]) == ("tflite", precision)
        is_whole = (
            set(ENDPOINTS) <= set(entry["endpoints"]) and entry.get("worst_error") is not None
        )
        is_same = all((entry["model"].get(key) or None) == value for key, value in wanted.items())
        if is_of_kind and is_whole and is_same and path.is_file():
            return path if trees.tree_sha256(path) == entry["sha256"] else None
    return None


def _units(vae, data):
    """Return the latent units for the page, the most active first, and the centre of z."""
    drawn = np.asarray(vae.prior.sample(_DRAWS, seed=0))
    z, words = drawn, _BY_NUMBER
    order = range(vae.latent_dim)
    if data is not None:
        held_out = evaluation.held_out(data) if hasattr(data, "train") else data
        images, labels = calibration.examples_of(held_out, vae, _EXAMPLES)
        z = _embed(vae, images, labels)
        words = _BY_VARIANCE.format(count=len(z))
        order = np.argsort(-z.var(axis=0), kind="stable").tolist()
    low, high = np.quantile(np.concatenate([z, drawn]), [_TAIL, 1 - _TAIL], axis=0)
    high = np.maximum(high, low + _LEAST_WIDTH)
    units = [
        {"unit": unit, "low": round(float(low[unit]), 4), "high": round(float(high[unit]), 4)}
        for unit in order
    ]
    return {"units": units, "order": words, "centre": z.mean(axis=0).astype(float).tolist()}


def _embed(vae, images, labels):
    if labels is None:
        return latent.embed(vae, images).z
    starts = range(0, len(images), _BATCH)
    parts = [(images[start:][:_BATCH], labels[start:][:_BATCH]) for start in starts]
    return latent.embed(vae, parts).z


def _model_settings(vae, file, precision, about):
    labels = endpoints.labels_of(vae)
    names = (about or {}).get("labels")
    return {
        "file": file.name,
        "bytes": file.stat().st_size,
        "size": trees.human_size(file),
        "precision": precision,
        "shape": list(vae.event_shape),
        "labels": labels
        and {
            "names": list(names or map(str, range(labels.num_classes))),
            "none": labels.may_be_left_out("decode"),
        },
    }


def _runtime_settings(runtime):
    privacy = "Nothing is sent anywhere."
    if not runtime.is_vendored:
        host = runtime.wasm.split("/")[2]
        privacy = f"The runtime is fetched from {host}; what you draw is sent nowhere."
    return {"runtime": runtime.name, "wasm": runtime.wasm, "privacy": privacy}


def _write_page(folder, title, runtime):
    """Write the page's own files; the browser holds them to the addresses that they need."""
    others = "" if runtime.is_vendored else f" {runtime.wasm}"
    policy = (
        f"default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{others}; "
        f"connect-src 'self'{others}; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'"
    )
    page = importlib.resources.files("export") / "web_files/page"
    for source in page.iterdir():
        text = source.read_text(encoding="utf-8")
        if source.name == _PAGE:
            text = string.Template(text).substitute(title=html.escape(title), policy=policy)
        (folder / source.name).write_text(text, encoding="utf-8")
