"""Compress the images of a source, and write those of a file."""

import os
import pathlib
import time

import numpy as np
from PIL import Image

from keras_vae import compression
from keras_vae.checks import message
from keras_vae.compression.archive import check
from keras_vae.files import check_place, publish, replacing_file, scratch_folder
from keras_vae.plotting import to_uint8
from keras_vae.uses.inputs import open_examples


class _Named:
    """The images of `data.examples`, with the names that files have in their folder."""

    def __init__(self, examples, source):
        self._examples = examples
        is_path = isinstance(source, str | os.PathLike)
        is_folder = is_path and os.path.isdir(source)
        self._folder = source if is_folder else os.path.dirname(source) if is_path else "."

    def __len__(self):
        return len(self._examples)

    def read(self, start, stop):
        batch = self._examples.read(start, stop)
        if batch.ids.dtype.kind != "U":
            return batch.x, None
        return batch.x, [os.path.relpath(name, self._folder or ".") for name in batch.ids]

    def sample(self, limit):
        return np.concatenate(list(self._examples.sample(limit)))


def compress(run, source, out, bits_per_pixel=None, binarize=False, progress=False, **options):
    """Compress the images of a source by a run's model; see `compression.compress`.

    Args:
        run: `runs.Run`.
        source, options: as of `open_examples`.
        out: str or path that ends in .kvz.
        bits_per_pixel: None for no loss, or float > 0.
        binarize: bool, whether pixels above a half are 1 and the others 0.
        progress: bool, whether to show a bar.

    Returns:
        `compression.Compressed`.
    """
    if run.vae.likelihood.columns is not None:
        raise ValueError(message("A run of images can compress", f"{run.name}, one of a table"))
    check_place(pathlib.Path(os.path.abspath(out)))
    examples = open_examples(run, source, binarize=binarize, progress=progress, **options)
    return compression.compress(run.vae, _Named(examples, source), out, bits_per_pixel, progress)


def decompress(run, path, out, progress=False):
    """Write the images of a file of `compress`.

    Args:
        run: `runs.Run` of the model that it was written with.
        path: str or path of the file.
        out: str or path that ends in .npy, or without a suffix a folder of PNG files.
        progress: bool, whether to show a bar.

    Returns:
        `compression.Compressed`, with the path that was written.
    """
    out = pathlib.Path(out)
    start = time.perf_counter()
    size, count = os.path.getsize(path), check(run.vae, path)[0]
    if out.suffix.lower() not in (".npy", ""):
        raise ValueError(
            message("--out must end in .npy, or have no suffix for a folder of PNG files", f"{out}")
        )
    check_place(pathlib.Path(os.path.abspath(out)))
    blocks = compression.stream(run.vae, path, progress)
    write = _write_pictures if not out.suffix else _write_array
    write(blocks, count, out, run.vae.event_shape)
    numbers = count * float(np.prod(run.vae.event_shape))
    return compression.Compressed(out, count, size, 8 * size / numbers, time.perf_counter() - start)


def _write_array(blocks, count, out, event_shape):
    with replacing_file(out) as partial, open(partial, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, *event_shape)}
        np.lib.format.write_array_header_1_0(file, header)
        for x, _ in blocks:
            file.write(to_uint8(x).tobytes())
        file.flush()
        os.fsync(file.fileno())


def _write_pictures(blocks, count, out, event_shape):
    channels = event_shape[2]
    if channels not in (1, 3, 4):
        raise ValueError(
            message("A PNG file must have 1, 3 or 4 channels", f"{channels}", "Write a .npy file.")
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(
            message("--out must be the name of a new folder", f"{out}, which has something in it")
        )
    with scratch_folder(out) as partial:
        place = 0
        for x, names in blocks:
            for index, pixels in enumerate(to_uint8(x)):
                name = f"{place:0{len(str(count))}}" if names is None else names[index]
                _write_picture(partial, name, pixels)
                place += 1
        publish(partial, out)


def _write_picture(folder, name, pixels):
    path = (folder / name).with_suffix(".png")
    # A name in a file of somebody else's may lead anywhere.
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(message("The names of images must lie in the folder", name))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(path)
