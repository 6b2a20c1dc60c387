"""Pictures: grids of images and curves of training."""

import math
import pathlib

import numpy as np
from PIL import Image

from keras_vae.checks import integer, message, number
from keras_vae.files import replacing_file, write_arrays

_GAP = 2
_CELL_PIXELS = 56
_BACKGROUND = 255
_MOST_IN_LEGEND = 20


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


def scatter(points, labels=None, words=("first", "second")):
    """Draw points in the plane or in space.

    Args:
        points: array `(N, 2)` or `(N, 3)`, such as `latent.project` gives.
        labels: array `(N,)`, which colours them, or None.
        words: pair of str, what the axes are called; those of three dimensions are not.

    Output shape:
        `(height, width, 3)`, a NumPy array of uint8.
    """
    figure, _ = _scatter(points, labels, words)
    return _pixels(figure)


def scatter_turning(points, labels=None, frames=36):
    """Draw points in space, seen from all around: a list of what `scatter` gives.

    Args:
        points: array `(N, 3)`.
        labels: array `(N,)` or None.
        frames: int >= 2, pictures of a whole turn.
    """
    figure, axes = _scatter(points, labels, None)
    pictures = []
    for frame in range(integer("frames", frames, 2)):
        axes.view_init(elev=20, azim=360 * frame / frames)
        pictures.append(_pixels(figure))
    return pictures


def save_picture(pixels, path):
    """Write an array `(height, width, C)` of uint8 to a PNG file, whole or not at all.

    Args:
        pixels: uint8 array `(height, width, C)`.
        path: str or `pathlib.Path`.
    """
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    with replacing_file(path) as partial:
        picture.save(partial, format="PNG")


def _scatter(points, labels, words):
    from matplotlib.figure import Figure

    points = np.asarray(points)
    in_space = points.shape[-1] == 3
    figure = Figure(figsize=(6, 5), layout=None if in_space else "constrained")
    axes = figure.add_subplot(projection="3d" if in_space else None)
    groups = [(None, slice(None))]
    if labels is not None:
        groups = [(str(label), np.asarray(labels) == label) for label in np.unique(labels)]
    colours = _colours(len(groups))
    for (name, rows), colour in zip(groups, colours, strict=True):
        axes.scatter(*points[rows].T, s=5, alpha=0.6, color=colour, linewidths=0, label=name)
    if in_space:
        axes.set_axis_off()
        axes.set_box_aspect((1, 1, 1), zoom=1.3)
    else:
        axes.set(xlabel=words[0], ylabel=words[1], aspect="equal")
    if labels is not None and len(groups) <= _MOST_IN_LEGEND:
        axes.legend(markerscale=3, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return figure, axes


def _colours(count):
    """Return colours that can be told apart, as far as that goes."""
    import matplotlib

    name = "tab10" if count <= 10 else "tab20" if count <= 20 else "turbo"
    places = np.linspace(0.0, 1.0, count) if name == "turbo" else np.arange(count)
    return matplotlib.colormaps[name](places)


def _pixels(figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
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
        axes.set(title=name, xlabel="epoch", ylabel="nats per example")
        axes.legend()
    with replacing_file(path) as partial:
        figure.savefig(partial, dpi=100)
