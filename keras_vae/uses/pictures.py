"""Images in and out: their names, and files of any number of them."""

import os

import numpy as np
from PIL import Image

from keras_vae.checks import message
from keras_vae.data.examples import PARTS
from keras_vae.files import check_place, final_path, publish, replacing_file, scratch_folder
from keras_vae.plotting.pixels import to_uint8


class Named:
    """The images of `data.examples`, with the names that files have in their folder."""

    def __init__(self, run, examples, source):
        self._examples = examples
        if isinstance(source, str) and source in PARTS:
            source = run.config["data"].get("source")
        is_path = isinstance(source, str | os.PathLike)
        is_folder = is_path and os.path.isdir(source)
        self._folder = source if is_folder else os.path.dirname(source) if is_path else "."

    def __len__(self):
        return len(self._examples)

    def read(self, start, stop):
        """Return images and their names, or None where they have none."""
        return self.read_labelled(start, stop)[:2]

    def read_labelled(self, start, stop):
        """Return images, their names or None, and their labels or None."""
        batch = self._examples.read(start, stop)
        names = None
        if batch.ids.dtype.kind == "U":
            names = [os.path.relpath(name, self._folder or ".") for name in batch.ids]
        return batch.x, names, batch.labels

    def sample(self, limit):
        return np.concatenate(list(self._examples.sample(limit)))


def check_pictures(out, event_shape):
    """Return the absolute path of a place for images, .npy or a new folder.

    Raises:
        ValueError: if images of a shape cannot be written there.
    """
    is_folder = not os.path.splitext(os.path.basename(out))[1]
    if not is_folder and not str(out).lower().endswith(".npy"):
        raise ValueError(
            message("OUT must end in .npy, or have no suffix for a folder of PNG files", f"{out}")
        )
    out, channels = final_path(out), event_shape[2]
    if is_folder and channels not in (1, 3, 4):
        raise ValueError(
            message("A PNG file must have 1, 3 or 4 channels", f"{channels}", "Write a .npy file.")
        )
    if is_folder:
        _check_new(out)
    elif out.is_dir():
        raise ValueError(message("OUT must be the name of a file", f"{out}, a folder"))
    check_place(out)
    return out


def _check_new(out):
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(
            message(
                "OUT must be the name of a new folder, or end in .npy",
                f"{out}, which has something in it" if out.is_dir() else f"{out}, a file",
            )
        )


def write_pictures(blocks, count, out, shape):
    """Write images of 8 bits, whole or not at all.

    Args:
        blocks: iterable of pairs, images `(B, *shape)` in [0, 1], and their names or None.
        count: int, how many there are.
        out: `pathlib.Path`, that `check_pictures` gave.
        shape: tuple, `(H, W, C)` or, of several versions, `(K, H, W, C)`.
    """
    if out.suffix:
        _write_array(blocks, count, out, shape)
    else:
        _write_folder(blocks, count, out)


def _write_array(blocks, count, out, shape):
    with replacing_file(out) as partial, open(partial, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
        np.lib.format.write_array_header_1_0(file, header)
        for x, _ in blocks:
            file.write(to_uint8(x).tobytes())
        file.flush()
        os.fsync(file.fileno())


def _write_folder(blocks, count, out):
    with scratch_folder(out) as partial:
        place = 0
        for x, names in blocks:
            for index, pixels in enumerate(to_uint8(x)):
                name = f"{place:0{len(str(count))}}" if names is None else names[index]
                _write_versions(partial, name, pixels)
                place += 1
        _check_new(out)
        publish(partial, out)


def _write_versions(folder, name, pixels):
    """Write an image, or several versions of it with their numbers behind the name."""
    if pixels.ndim == 3:
        _write_picture(folder, name, pixels)
        return
    stem = os.path.splitext(name)[0]
    for number, version in enumerate(pixels, 1):
        _write_picture(folder, f"{stem}-{number}.png", version)


def _write_picture(folder, name, pixels):
    path = (folder / name).with_suffix(".png")
    # A name in a file of somebody else's may lead anywhere.
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(message("The names of images must lie in the folder", name))
    if path.exists():
        # Names may differ in their suffix alone.
        path = folder / f"{name}.png"
    if path.exists():
        raise ValueError(message("The names of images must differ", name, "Write a .npy file."))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(path)
