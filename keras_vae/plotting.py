"""Pictures: grids of images and curves of training."""

import math

import numpy as np
from PIL import Image

from keras_vae.checks import integer, message
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
    images = np.asarray(images)
    if images.ndim != 4 or not len(images) or images.shape[-1] not in (1, 3, 4):
        raise ValueError(
            message(
                "`images` must be an array (N, H, W, C) with N >= 1 and 1, 3 or 4 channels",
                f"shape {images.shape}",
            )
        )
    count, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(count)) if columns is None else integer("columns", columns, 1)
    rows = math.ceil(count / columns)
    zoom = max(1, _CELL_PIXELS // max(height, width))
    cells = to_uint8(images).repeat(zoom, axis=1).repeat(zoom, axis=2)
    height, width = height * zoom, width * zoom
    shape = (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, channels)
    grid = np.full(shape, _BACKGROUND, np.uint8)
    for index, cell in enumerate(cells):
        top = _GAP + (index // columns) * (height + _GAP)
        left = _GAP + (index % columns) * (width + _GAP)
        grid[top : top + height, left : left + width] = cell
    return grid


def to_uint8(images):
    """Return images in [0, 1] as uint8 in 0..255, clipped and rounded."""
    return np.rint(np.clip(np.asarray(images, "float32"), 0.0, 1.0) * 255).astype(np.uint8)


def save_grid(images, path, columns=None):
    """Write `image_grid(images, columns)` to a PNG file, whole or not at all."""
    grid = image_grid(images, columns)
    picture = Image.fromarray(grid[..., 0] if grid.shape[-1] == 1 else grid)
    with replacing_file(path) as partial:
        picture.save(partial, format="PNG")


def save_images(images, path):
    """Write images to a PNG grid or, where `path` ends in .npy, to an array file of float32."""
    if str(path).lower().endswith(".npy"):
        write_arrays(path, np.asarray(images, "float32"))
    else:
        save_grid(images, path)


def save_pairs(images, reconstructions, path, columns=10):
    """Write a PNG grid of images, with the reconstruction of each below it."""
    columns = min(columns, len(images))
    rows = []
    for start in range(0, len(images), columns):
        for row in (images[start : start + columns], reconstructions[start : start + columns]):
            row = np.asarray(row)
            blank = np.ones((columns - len(row), *row.shape[1:]), row.dtype)
            rows.append(np.concatenate([row, blank]))
    save_grid(np.concatenate(rows), path, columns)


def scatter(points):
    """Draw points on the plane of their first two principal components.

    Args:
        points: array `(N, D)`.

    Output shape:
        `(height, width, 3)`, a NumPy array of uint8.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    centred = np.asarray(points, "float64") - np.mean(points, axis=0)
    axes_of_spread = np.linalg.svd(centred, full_matrices=False)[2][:2]
    plane = centred @ axes_of_spread.T
    plane = np.pad(plane, [(0, 0), (0, 2 - plane.shape[1])])
    figure = Figure(figsize=(5, 5), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.scatter(*plane.T, s=4, alpha=0.5)
    axes.set(xlabel="first principal component of z", ylabel="second", aspect="equal")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save_history(history, path):
    """Write the curves of training to a PNG file.

    Args:
        history: dict from name to a list of one number an epoch, as `History.history`.
        path: str or `pathlib.Path`.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = [name for name in history if not name.startswith("val_")]
    names = [name for name in names if name.endswith("loss")] or names
    figure = Figure(figsize=(4 * len(names), 3), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            if key in history:
                values = history[key]
                marker = "o" if len(values) == 1 else None
                axes.plot(range(1, len(values) + 1), values, marker=marker, label=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(title=name, xlabel="epoch", ylabel="nats per image")
        axes.legend()
    with replacing_file(path) as partial:
        figure.savefig(partial, dpi=100)
