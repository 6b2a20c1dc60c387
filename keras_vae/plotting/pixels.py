"""Pictures whose pixels are those of the images: grids, pairs, sequences and animations."""

import math
import pathlib

import numpy as np
from PIL import Image

from keras_vae.checks import integer, message, number
from keras_vae.files import replacing_file, write_arrays

_GAP = 2
_CELL_PIXELS = 56
_BACKGROUND = 255


def image_grid(images, columns=None):
    """Lay images out in rows, small ones enlarged so that their pixels can be seen.

    Args:
        images: array `(N, H, W, C)` in [0, 1]; values outside are clipped. C is 1, 3 or 4.
        columns: int >= 1; by default the grid is as square as it can be.

    Output shape:
        `(height, width, C)`, a NumPy array of uint8.

    Raises:
        ValueError: if `images` has another rank, or channels that no picture has.

    Example:

    >>> image_grid(np.zeros((4, 56, 56, 1))).shape
    (118, 118, 1)
    """
    images = check_images(images)
    count, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(count)) if columns is None else integer("columns", columns, 1)
    rows = math.ceil(count / columns)
    zoom = zoom_of(height, width)
    cells = to_uint8(images).repeat(zoom, axis=1).repeat(zoom, axis=2)
    height, width = height * zoom, width * zoom
    shape = (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, channels)
    grid = np.full(shape, _BACKGROUND, np.uint8)
    for index, cell in enumerate(cells):
        top = _GAP + (index // columns) * (height + _GAP)
        left = _GAP + (index % columns) * (width + _GAP)
        grid[top : top + height, left : left + width] = cell
    return grid


def check_images(images, name="images"):
    """Return images as an array `(N, H, W, C)`, or raise `ValueError` if they are none."""
    images = np.asarray(images)
    if images.ndim != 4 or not images.size or images.shape[-1] not in (1, 3, 4):
        raise ValueError(
            message(
                f"`{name}` must be an array (N, H, W, C) with N >= 1 and 1, 3 or 4 channels",
                f"shape {images.shape}",
            )
        )
    return images


def zoom_of(height, width):
    """Return how many times images of a size are enlarged: so that a side has some 56 pixels."""
    return max(1, _CELL_PIXELS // max(height, width))


def to_uint8(images):
    """Return images in [0, 1] as uint8 in 0..255, clipped and rounded.

    Args:
        images: float array of any shape.
    """
    return np.rint(np.clip(np.asarray(images, "float32"), 0.0, 1.0) * 255).astype(np.uint8)


def save_grid(images, path, columns=None):
    """Write `image_grid(images, columns)` to a PNG file, whole or not at all.

    Args:
        images: array `(N, H, W, C)` in [0, 1].
        path: str or `pathlib.Path`.
        columns: int or None, see `image_grid`.
    """
    save_picture(image_grid(images, columns), path)


def save_images(images, path, columns=None):
    """Write images to a PNG grid or, where `path` ends in .npy, to an array file of float32.

    Args:
        images: array `(N, H, W, C)` in [0, 1].
        path: str or `pathlib.Path`.
        columns: int or None, see `image_grid`.
    """
    if str(path).lower().endswith(".npy"):
        write_arrays(path, np.asarray(images, "float32"))
    else:
        save_grid(images, path, columns)


def save_pairs(images, reconstructions, path, columns=10):
    """Write a PNG grid of images, with the reconstruction of each below it.

    Args:
        images, reconstructions: arrays `(N, H, W, C)` in [0, 1].
        path: str or `pathlib.Path`.
        columns: int >= 1, pairs in a row.
    """
    columns = min(columns, len(images))
    rows = []
    for start in range(0, len(images), columns):
        for row in (images[start : start + columns], reconstructions[start : start + columns]):
            row = np.asarray(row)
            blank = np.ones((columns - len(row), *row.shape[1:]), row.dtype)
            rows.append(np.concatenate([row, blank]))
    save_grid(np.concatenate(rows), path, columns)


def save_sequences(images, path):
    """Write sequences of images: a grid, a moving picture or an array, as the suffix says.

    Args:
        images: array `(R, S, H, W, C)` in [0, 1]: R sequences of S images each.
        path: str or `pathlib.Path`, ending in .png for a grid with a row for each sequence; .gif
            for a loop there and back, each of whose frames shows all the sequences at one place;
            .npy for the array.
    """
    images = np.asarray(images, "float32")
    suffix = pathlib.Path(path).suffix.lower()
    if suffix == ".npy":
        write_arrays(path, images)
    elif suffix == ".gif":
        frames = [image_grid(images[:, step]) for step in range(images.shape[1])]
        save_animation(frames + frames[-2:0:-1], path)
    else:
        save_grid(images.reshape(-1, *images.shape[2:]), path, columns=images.shape[1])


def save_animation(frames, path, frame_seconds=0.15):
    """Write frames to an animated GIF that loops, whole or not at all.

    Args:
        frames: list of arrays `(height, width, C)` of uint8; C is 1, 3 or 4.
        path: str or `pathlib.Path`.
        frame_seconds: float > 0, how long each is shown; GIF counts in hundredths.
    """
    pictures = [
        Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame) for frame in frames
    ]
    with replacing_file(path) as partial:
        pictures[0].save(
            partial,
            format="GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=round(1000 * number("frame_seconds", frame_seconds, above=0)),
            loop=0,
        )


def save_picture(pixels, path):
    """Write an array `(height, width, C)` of uint8 to a PNG file, whole or not at all.

    Args:
        pixels: uint8 array `(height, width, C)`.
        path: str or `pathlib.Path`.
    """
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    with replacing_file(path) as partial:
        picture.save(partial, format="PNG")
