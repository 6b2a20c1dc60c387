"""Image sets of TensorFlow Datasets, by name; the library is imported only when one is opened."""

import concurrent.futures
import contextlib
import difflib
import errno
import os
import pathlib
import re
import shutil
import urllib.parse
from typing import NamedTuple

from keras_vae import checks

_PROBE_SECONDS = 5
_PROBED_HOSTS = 3


class DataUnavailableError(ValueError):
    """A set is neither on disk nor can it be downloaded."""


class Columns(NamedTuple):
    """Which features of a set are used: keys of the image and of the class label (or None)."""

    image: str
    label: str | None
    num_classes: int | None
    class_names: list | None


def is_known(name):
    """Return whether TensorFlow Datasets knows the set, for names such as "emnist/letters"."""
    import tensorflow_datasets as tfds

    return re.split("[/:]", name)[0] in tfds.list_builders(with_community_datasets=False)


def open_builder(name, data_dir=None):
    """Return the builder of a set, which need not be on disk yet.

    Args:
        name: str, such as "mnist" or "emnist/letters".
        data_dir: str, path or None for the environment's TFDS_DATA_DIR, or the library's own.

    Raises:
        ValueError: for an unknown name, with the close ones.
    """
    import tensorflow_datasets as tfds

    data_dir = data_dir or os.environ.get("TFDS_DATA_DIR") or None
    data_dir = os.path.expanduser(data_dir) if data_dir else None
    if not is_known(name) and not re.fullmatch(r"\w+", name):
        _refuse_unknown(name)
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        _refuse_unknown(name)
    except (AssertionError, ValueError) as error:
        configs = ", ".join(tfds.builder_cls(re.split("[/:]", name)[0]).builder_configs)
        known = f" Its configurations: {configs}." if configs else ""
        raise ValueError(f"The set {name!r} cannot be opened. {_text(error)}{known}") from error
    return builder


def columns(builder, name):
    """Return the `Columns` of a set, or raise `ValueError` if it has no image."""
    import tensorflow_datasets as tfds

    features = dict(builder.info.features.items())
    images = [key for key, feature in features.items() if type(feature) is tfds.features.Image]
    if not images:
        raise ValueError(
            checks.message(
                f"The set {name!r} must have an image feature",
                f"features {', '.join(features)}",
                'Choose a set of images, such as "mnist" or "cifar10".',
            )
        )
    label = features.get("label")
    is_class = isinstance(label, tfds.features.ClassLabel)
    return Columns(
        "image" if "image" in images else images[0],
        "label" if is_class else None,
        label.num_classes if is_class else None,
        list(label.names) if is_class else None,
    )


def _refuse_unknown(name):
    import tensorflow_datasets as tfds

    names = ["digits", *tfds.list_builders(with_community_datasets=False)]
    near = difflib.get_close_matches(name.lower(), names, n=5)
    meant = f"Close names: {', '.join(repr(n) for n in near)}. " if near else ""
    raise ValueError(
        checks.message(
            '`source` must be "digits", the name of a TensorFlow Datasets image set, the path of a '
            "folder of images, of a .npz or of a .npy file, or arrays",
            f"source={name!r}, which is neither a known set nor an existing path",
            f"{meant}All names: https://www.tensorflow.org/datasets/catalog/overview",
        )
    )


def ensure_on_disk(builder, name, progress=True):
    """Download and prepare a set that is not on disk; a failure leaves nothing half-done.

    Args:
        builder: from `open_builder`.
        name: str.
        progress: bool, whether a download shows its bars.

    Raises:
        DataUnavailableError: if the set is not on disk and cannot be downloaded.
    """
    import requests
    import tensorflow_datasets as tfds

    if (pathlib.Path(builder.data_dir) / "dataset_info.json").exists():
        return
    if reason := _no_network(builder.url_infos or {}):
        raise _unavailable(builder, name, reason)
    with _clean_up(pathlib.Path(builder.data_dir_root), pathlib.Path(builder.data_dir).parent):
        try:
            with _bars(progress):
                builder.download_and_prepare()
        except OSError as error:
            if not isinstance(error, requests.RequestException):
                raise
            raise _unavailable(builder, name, _text(error)) from error
        except (
            AssertionError,
            tfds.download.DownloadError,
            tfds.download.NonMatchingChecksumError,
        ) as error:
            raise _unavailable(builder, name, _text(error)) from error


def _no_network(urls):
    """Return why none of the hosts of the first `urls` can be reached, or None."""
    import requests

    def fails(address):
        try:
            # Any answer, also a refusal, shows that there is a way to the host.
            requests.head(address, timeout=_PROBE_SECONDS)
        except requests.RequestException as error:
            return f"{urllib.parse.urlsplit(address).hostname}: {type(error).__name__}"
        return None

    addresses = {}
    for url in urls:
        parsed = urllib.parse.urlsplit(url)
        if parsed.scheme in ("http", "https"):
            addresses[parsed.netloc] = f"{parsed.scheme}://{parsed.netloc}/"
    addresses = list(addresses.values())[:_PROBED_HOSTS]
    with concurrent.futures.ThreadPoolExecutor(_PROBED_HOSTS) as pool:
        failures = list(pool.map(fails, addresses))
    return f"no answer from {', '.join(failures)}" if failures and all(failures) else None


def _unavailable(builder, name, reason):
    folder = str(builder.data_dir_root)
    return DataUnavailableError(
        f"The set {name!r} is not in {folder} and could not be downloaded ({reason}). "
        "On a machine with a network run\n"
        '  python -c "import tensorflow_datasets as tfds; '
        f"tfds.builder('{name}', data_dir='tfds').download_and_prepare()\"\n"
        "copy the folder `tfds` here, and name it with data_dir (--data-dir) or the environment "
        'variable TFDS_DATA_DIR. The set "digits" needs no network.'
    )


@contextlib.contextmanager
def _clean_up(root, parent):
    """On failure, remove the half-written files and the folders that were not there before."""

    def half_written():
        return {*parent.glob("incomplete.*"), *root.glob("downloads/**/*.tmp.*")}

    existed = [folder for folder in (root, root / "downloads", parent) if folder.exists()]
    before = half_written()
    try:
        yield
    except BaseException:
        for path in half_written() - before:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
        for top in (parent, root / "downloads", root):
            if top not in existed:
                _remove_empty(top)
        raise


def _remove_empty(top):
    for directory, _, _ in os.walk(top, topdown=False):
        try:
            os.rmdir(directory)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


@contextlib.contextmanager
def _bars(progress):
    import tensorflow_datasets as tfds

    if not progress:
        tfds.disable_progress_bar()
    try:
        yield
    finally:
        if not progress:
            tfds.enable_progress_bar()


def _text(error):
    first, *_ = str(error).strip().splitlines() or [type(error).__name__]
    return first.strip().rstrip(".:") + "."
