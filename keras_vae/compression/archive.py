"""Compress images into a file, and take them out of it again, a block at a time."""

import json
import math
import os
import pathlib
import time
import zlib
from typing import NamedTuple

import numpy as np

from keras_vae.checks import message
from keras_vae.compression import lossy
from keras_vae.compression.bits_back import BitsBack
from keras_vae.compression.container import SUFFIX, Reader, Writer
from keras_vae.compression.networks import model_hash
from keras_vae.files import final_path, replacing_file
from keras_vae.progress import bar

_BLOCK_NUMBERS, _BLOCK_IMAGES = 1 << 24, 10_000
# Images by which the steps of a rate are chosen.
_SAMPLE = 1000
_LENGTH = 4


class Compressed(NamedTuple):
    """What was compressed.

    Attributes:
        path: `pathlib.Path`.
        count: int, images.
        size: int, bytes of the file.
        bits_per_pixel: float; a pixel of three channels counts as three.
        seconds: float.
    """

    path: pathlib.Path
    count: int
    size: int
    bits_per_pixel: float
    seconds: float


class Images:
    """Images in memory, as examples that are read by their places."""

    def __init__(self, x):
        self._x = np.asarray(x, "float32")

    def __len__(self):
        return len(self._x)

    def read(self, start, stop):
        """Return images, and None for their names."""
        return self._x[start:stop], None

    def sample(self, limit):
        """Return about so many images, spread over all of them."""
        return self._x[:: -(-len(self._x) // limit)]


def compress(vae, images, path, bits_per_pixel=None, progress=False):
    """Write images to a file of a few bits for each pixel, by what a VAE has learnt.

    Without loss each bit comes back, at a rate of about -ELBO (Townsend et al. 2019,
    https://arxiv.org/abs/1901.04866). With loss z is kept in steps.

    Args:
        vae: `VAE`. Without loss it needs a standard normal prior, a normal q(z|x), and a
            likelihood of pixels of some levels: bernoulli, discretized_logistic or categorical.
        images: array `(N, *event)` as the model takes it, or an object with a length and
            `read(start, stop)`, which gives such an array, and a list of str or None; with loss
            also `sample(limit)`, which gives some of them.
        path: str or path that ends in .kvz.
        bits_per_pixel: None for no loss, or float > 0, about the rate of z.
        progress: bool, whether to show a bar.

    Returns:
        `Compressed`.

    Raises:
        ValueError: if the model cannot code, a pixel has a value that it has no place for, or
            there is no image.

    Example:

    >>> import tempfile
    >>> import keras_vae as kv
    >>> x = (np.random.default_rng(0).random((20, 8, 8, 1)) < 0.5).astype("float32")
    >>> vae = kv.VAE(kv.networks.mlp_encoder((8, 8, 1), 2), kv.networks.mlp_decoder((8, 8, 1), 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = compress(vae, x, f"{folder}/x.kvz")
    ...     back = decompress(vae, written.path)
    >>> np.array_equal(back, x)
    True
    """
    path = final_path(path)
    if path.suffix != SUFFIX or path.is_dir():
        received = f"{path}, a folder" if path.is_dir() else f"{path}"
        raise ValueError(message(f"The file must end in {SUFFIX}", received))
    images = images if hasattr(images, "read") else Images(images)
    if not len(images):
        raise ValueError(message("There must be at least one image", "none"))
    _check_shape(vae, images.read(0, 1)[0])
    start = time.perf_counter()
    about, coder = _prepare(vae, images, bits_per_pixel)
    with replacing_file(path) as partial, open(partial, "wb") as file:
        writer = Writer(file, about)
        _write_blocks(writer, coder, vae, images, progress)
        writer.close()
        file.flush()
        os.fsync(file.fileno())
    size = path.stat().st_size
    numbers = len(images) * math.prod(vae.event_shape)
    seconds = time.perf_counter() - start
    return Compressed(path, len(images), size, 8 * size / numbers, seconds)


def _prepare(vae, images, bits_per_pixel):
    """Return what the file tells of itself, and the coder."""
    about = {"model": model_hash(vae), "event_shape": list(vae.event_shape)}
    if bits_per_pixel is None:
        coder = BitsBack(vae)
        return {**about, "lossless": True, "rows": coder.rows}, coder
    step, center, spread = lossy.fit(vae, images.sample(_SAMPLE), bits_per_pixel)
    about |= {"lossless": False, "step": step}
    # As they will be read.
    about |= {name: _short(part) for name, part in (("center", center), ("spread", spread))}
    return about, _coder(vae, about)


def _write_blocks(writer, coder, vae, images, progress):
    rows = max(1, min(_BLOCK_IMAGES, _BLOCK_NUMBERS // math.prod(vae.event_shape)))
    for first in bar(range(0, len(images), rows), progress, "Compressing", "block"):
        x, names = images.read(first, min(first + rows, len(images)))
        _check_shape(vae, x)
        listed = b"" if names is None else zlib.compress(json.dumps(list(names)).encode())
        payload = len(listed).to_bytes(_LENGTH, "little") + listed + coder.encode(x)
        writer.block(payload, len(x))


def decompress(vae, path, progress=False):
    """Return the images of a file that `compress` wrote, `(N, *event)` float32.

    Args:
        vae: the `VAE` that it was written with.
        path: str or path.
        progress: bool, whether to show a bar.

    Raises:
        ValueError: if the file is damaged, none, or needs another model.
    """
    return np.concatenate([x for x, _ in stream(vae, path, progress)])


def stream(vae, path, progress=False):
    """Return an iterator over the images of a file, a block at a time, with their names or None.

    Arguments and errors are those of `decompress`. The whole file is checked before the first.
    """
    return read_checked(vae, path, check(vae, path)[1], progress)


def read_checked(vae, path, blocks, progress=False):
    """Yield what `stream` does of a file of so many blocks, which `check` found whole."""
    with open(path, "rb") as file:
        reader = Reader(file, str(path))
        coder = _coder(vae, reader.about)
        for payload in bar(reader.blocks(), progress, "Decompressing", "block", blocks):
            end = _LENGTH + int.from_bytes(payload[:_LENGTH], "little")
            names = json.loads(zlib.decompress(payload[_LENGTH:end])) if end > _LENGTH else None
            yield coder.decode(payload[end:]), names


def check(vae, path):
    """Return how many images and blocks a file has, once all of it was found whole.

    Raises:
        ValueError: see `decompress`.
    """
    with open(path, "rb") as file:
        reader = Reader(file, str(path))
        blocks, parts, count = 0, reader.blocks(), None
        while count is None:
            try:
                next(parts)
                blocks += 1
            except StopIteration as end:
                count = end.value
    needed, given = reader.about["model"], model_hash(vae)
    if needed != given:
        raise ValueError(
            message(
                f"{path} needs the model that it was written with, {needed[:12]}",
                f"another one, {given[:12]}",
                "Give the run folder of that model, and its label (--label) if it had one.",
            )
        )
    return count, blocks


def _coder(vae, about):
    if about["lossless"]:
        return BitsBack(vae, about["rows"])
    return lossy.Steps(vae, about["step"], about["center"], about["spread"])


def _check_shape(vae, x):
    if tuple(x.shape[1:]) != tuple(vae.event_shape):
        raise ValueError(
            message(
                f"Images must be of shape {tuple(vae.event_shape)}, as the model's",
                f"images of shape {tuple(x.shape[1:])}",
            )
        )


def _short(values):
    return [float(f"{value:.5g}") for value in values]
