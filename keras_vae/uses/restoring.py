"""From images of a source to images: without noise, filled in, larger, or of another label."""

import math
import os
import pathlib
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_vae import random, restore
from keras_vae.checks import choice, integer, message
from keras_vae.data import image_files
from keras_vae.parts import in_parts
from keras_vae.progress import bar
from keras_vae.restore.inpainting import METHODS, as_mask
from keras_vae.uses.inputs import check_other, open_examples
from keras_vae.uses.labels import labels_of
from keras_vae.uses.pictures import Named, check_pictures, write_pictures

HALVES = ("left", "right", "top", "bottom")
_MOST_ROWS, _NUMBERS = 256, 1 << 24


class Restored(NamedTuple):
    """What was written: its `pathlib.Path`, and how many images were restored."""

    path: pathlib.Path
    count: int


def denoise(run, source, out, progress=False, **options):
    """Write images without their noise, the decoded centre of q(z|x).

    Args:
        run: `runs.Run`, such as one that was trained with noise.
        source, options: as of `open_examples`.
        out: str or path that ends in .npy, or without a suffix a folder of PNG files.
        progress: bool, whether to show a bar.

    Returns:
        `Restored`.

    Raises:
        ValueError: if the images do not fit the model.
    """

    def make(x, first, _):
        return in_parts(run.vae.reconstruct, _seen(run, x))

    return _write(run, source, out, make, (), progress, options)


def inpaint(
    run,
    source,
    out,
    mask,
    num_samples=1,
    method="gibbs",
    steps=100,
    seed=0,
    progress=False,
    **options,
):
    """Write images with what is missing filled in; see `restore.inpaint`.

    Args:
        run, source, out, progress, options: see `denoise`.
        mask: bool array `(H, W)` or `(*event)`, True where a pixel is missing; the path of an image
            file, white where it is, or of a .npy file; or "left", "right", "top" or "bottom".
        num_samples, method, steps: see `restore.inpaint`.
        seed: int >= 0; image i draws from (seed, i).
    """
    _check_model(run)
    integer("num_samples", num_samples, 1)
    integer("steps", steps, 1)
    choice("method", method, METHODS)
    seed = random.check_seed(seed)
    shape = run.vae.event_shape
    mask = as_mask(mask_of(mask, shape), (1, *shape))[0]
    if not mask.any():
        raise ValueError(
            message("`mask` must mark pixels as missing", "none", "White, or True, is missing.")
        )

    def make(x, first, _):
        seeds = random.row_seeds(seed, len(x), first_row=first)
        filled = restore.inpaint(run.vae, _seen(run, x), mask, num_samples, method, steps, seeds)
        # A model of binary pixels sees no greys, which stay where they are known.
        filled = np.where(mask, filled, x[:, None])
        return filled if num_samples > 1 else filled[:, 0]

    versions = (num_samples,) if num_samples > 1 else ()
    return _write(run, source, out, make, versions, progress, options)


def upscale(run, source, out, factor=2, seed=0, progress=False, **options):
    """Write images of the model's size from smaller ones; see `restore.upscale`.

    Args:
        run, source, out, progress, options: see `denoise`.
        factor: int >= 2, by how much larger the model's images are, down and across.
        seed: int >= 0; image i draws from (seed, i).

    Returns:
        `Restored`.
    """
    _check_model(run)
    integer("factor", factor, 2)
    seed = random.check_seed(seed)
    height, width, channels = run.vae.event_shape
    if height % factor or width % factor:
        raise ValueError(
            message(
                f"`factor` must divide the sides of the model's images, {height} and {width}",
                f"factor={factor}",
            )
        )
    small = (height // factor, width // factor, channels)

    def make(x, first, _):
        return restore.upscale(run.vae, x, seed=random.row_seeds(seed, len(x), first_row=first))

    options = {**options, "event_shape": small}
    return _write(run, source, out, make, (), progress, options)


def restyle(run, source, out, label, from_label=None, progress=False, **options):
    """Write images with another label, their style held; see `ConditionalVAE.restyle`.

    Args:
        run: `runs.Run`, one that was trained with labels.
        source, out, progress, options: see `denoise`.
        label: str or int, the class that they get.
        from_label: str or int, the class that they have; by default what the source says, and
            where it has no labels none.

    Returns:
        `Restored`.
    """
    _check_model(run)
    new = labels_of(run, [label])[0]
    fixed = None if from_label is None else labels_of(run, [from_label])[0]

    def make(x, _, labels):
        old = np.full(len(x), -1 if fixed is None else fixed)
        if fixed is None and labels is not None:
            old = labels
            if labels.dtype.kind not in "iu":
                fix = "Give the one that they have with from_label (--label)."
                old = labels_of(run, labels.tolist(), "The labels of INPUT", fix)
        return run.vae.restyle(_seen(run, x), old, new)

    return _write(run, source, out, make, (), progress, options)


def mask_of(mask, event_shape):
    """Return what `inpaint` takes as `mask`, as a bool array."""
    if not isinstance(mask, str | os.PathLike):
        return np.asarray(mask)
    if mask in HALVES:
        found = np.zeros(event_shape[:2], bool)
        height, width = found.shape
        half = {
            "left": np.s_[:, : width // 2],
            "right": np.s_[:, width // 2 :],
            "top": np.s_[: height // 2],
            "bottom": np.s_[height // 2 :],
        }[mask]
        found[half] = True
        return found
    try:
        if pathlib.Path(mask).suffix.lower() == ".npy":
            found = np.load(mask, allow_pickle=False)
            if not isinstance(found, np.ndarray) or found.dtype.kind not in "biu":
                raise ValueError("no array of bool or of whole numbers")
            return found > 0
        pixels = image_files.read(str(mask))
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(
            message(
                "`mask` must be left, right, top or bottom, an image file, white where pixels are "
                "missing, or a .npy file of bool",
                f"{mask} ({type(error).__name__})",
            )
        ) from error
    # Of colours, not of their opacity.
    return pixels[..., : 3 if pixels.shape[-1] > 2 else 1].max(axis=-1) > 127


def _seen(run, x):
    """Return images as the run's model was given them in training."""
    is_binary = run.config["data"].get("binarize", "none") != "none"
    return (x > 0.5).astype("float32") if is_binary else x


def _check_model(run):
    if len(run.vae.event_shape) != 3:
        raise ValueError(message("A run of images can restore them", f"{run.name}, one of a table"))


def _write(run, source, out, make, versions, progress, options):
    _check_model(run)
    shape = run.vae.event_shape
    check_other(source, out)
    out = check_pictures(out, shape)
    options = {"binarize": False, "progress": progress, **options}
    examples = Named(run, open_examples(run, source, **options), source)
    rows = max(1, min(_MOST_ROWS, _NUMBERS // math.prod((*versions, *shape))))

    def blocks():
        starts = range(0, len(examples), rows)
        for first in bar(starts, progress, "Restoring", "block"):
            stop = min(first + rows, len(examples))
            x, names, labels = examples.read_labelled(first, stop)
            yield ops.convert_to_numpy(make(x, first, labels)), names

    write_pictures(blocks(), len(examples), out, (*versions, *shape))
    return Restored(out, len(examples))
