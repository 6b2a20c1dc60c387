"""Figures of images: samples, reconstructions with their errors, and ways through z."""

import math

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.textpath import TextPath

from keras_vae.checks import integer, message
from keras_vae.plotting import style
from keras_vae.plotting.pixels import check_images, to_uint8, zoom_of

# Larger sheets are scaled down to this, which a page and a notebook have room for.
_MOST_PIXELS = 900
_MARGIN, _BLOCK_GAP = 8, 10
# Room around a cell, as a share of its side.
_ROOM = 1 / 28
# So near to each other are the levels of a background, which most edges of images have.
_NEAR, _MOST = 16, 0.5
_WORD_POINTS = 9
_BAR, _BAR_ROOM = 10, 76


def plot_samples(images, columns=None, theme="light"):
    """Draw images side by side without seams: what parts them has the colour of their edges.

    Where the edges have many colours, as of photographs, the picture's background parts them.

    Args:
        images: array `(N, H, W, C)` in [0, 1]; C is 1, 3 or 4.
        columns: int >= 1; by default the grid is as square as it can be.
        theme: "light" or "dark".

    Returns:
        A matplotlib `Figure`.

    Raises:
        ValueError: if the images are no pictures, or another argument is wrong.

    Example:

    >>> plot_samples(np.zeros((64, 8, 8, 1))).get_size_inches().tolist()
    [4.96, 4.96]
    """
    cells = _cells(check_images(images))
    columns = math.ceil(math.sqrt(len(cells))) if columns is None else columns
    columns = min(integer("columns", columns, 1), len(cells))
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    return _sheet([(row, 0, "") for row in rows], theme)


def plot_reconstructions(images, reconstructions, columns=10, theme="light"):
    """Draw images, below them their reconstructions, and below these where the two differ.

    The error is the absolute difference of a pixel, the mean of it over the channels; its colours
    go from 0 to the largest one.

    Args:
        images, reconstructions: arrays `(N, H, W, C)` in [0, 1].
        columns: int >= 1, images side by side.
        theme: "light" or "dark".

    Returns:
        A matplotlib `Figure`.

    Raises:
        ValueError: if the two have not one shape, or another argument is wrong.
    """
    images, reconstructions = (
        check_images(given, name)
        for given, name in ((images, "images"), (reconstructions, "reconstructions"))
    )
    if images.shape != reconstructions.shape:
        raise ValueError(
            message(
                "`reconstructions` must have the shape of `images`",
                f"{reconstructions.shape} and {images.shape}",
                "Give those of the same images: vae.reconstruct(images).",
            )
        )
    columns = integer("columns", columns, 1)
    differences = np.abs(images.astype("float32") - reconstructions).mean(axis=-1)
    norm = Normalize(0.0, float(differences.max()) or 1.0)
    coloured = matplotlib.colormaps[style.SEQUENTIAL](norm(differences), bytes=True)
    kinds = {
        "image": _cells(images),
        "reconstruction": _cells(reconstructions),
        "error": _cells(coloured),
    }
    rows = []
    for start in range(0, len(images), columns):
        gaps = (_BLOCK_GAP if start else 0, 0, 0)
        for gap, (name, cells) in zip(gaps, kinds.items(), strict=True):
            rows.append((cells[start : start + columns], gap, name))
    figure = _sheet(rows, theme, right=_BAR_ROOM)
    _error_bar(figure, norm, style.theme_of(theme))
    return figure


def plot_traversal(traversal, names=None, theme="light"):
    """Draw what lies along axes of z, a row for each.

    Args:
        traversal: what `latent.traverse` gives, or an array `(A, S, H, W, C)` in [0, 1].
        names: list of A str, what the rows are called; of a traversal by default the axis and the
            variance of z along it.
        theme: "light" or "dark".

    Returns:
        A matplotlib `Figure`.

    Raises:
        ValueError: if there are no images in rows, or not a name for each.
    """
    if names is None and hasattr(traversal, "axes"):
        found = zip(traversal.axes, traversal.activity, strict=True)
        names = [f"z {axis}, variance {activity:.2f}" for axis, activity in found]
    return _sequences(getattr(traversal, "images", traversal), "traversal", names, (), theme)


def plot_interpolation(images, names=None, theme="light"):
    """Draw images between two, from the first on the left to the second on the right.

    Args:
        images: array `(S, H, W, C)` in [0, 1], such as `latent.morph` gives, or `(R, S, H, W, C)`
            for several ways, a row for each.
        names: list of R str, what the rows are called, or None.
        theme: "light" or "dark".

    Returns:
        A matplotlib `Figure`.

    Raises:
        ValueError: if there are no images in rows, or not a name for each.
    """
    images = np.asarray(images)
    images = images[None] if images.ndim == 4 else images
    return _sequences(images, "images", names, ("first", "second"), theme)


def _sequences(images, name, names, ends, theme):
    images = np.asarray(images)
    if images.ndim != 5 or not images.size:
        raise ValueError(
            message(f"`{name}` must be an array (R, S, H, W, C)", f"shape {images.shape}")
        )
    names = [""] * len(images) if names is None else list(names)
    if len(names) != len(images):
        raise ValueError(
            message(f"`names` must be as many as the {len(images)} rows", f"{len(names)} names")
        )
    cells = _cells(check_images(images.reshape(-1, *images.shape[2:]), name))
    rows = [(row, 0, str(n)) for row, n in zip(np.split(cells, len(images)), names, strict=True)]
    return _sheet(rows, theme, ends=ends)


def _cells(images):
    """Return images as uint8 `(N, height, width, 4)`, small ones enlarged, with room around."""
    images = images if images.dtype == np.uint8 else to_uint8(images)
    if images.shape[-1] == 1:
        images = images.repeat(3, axis=-1)
    if images.shape[-1] == 3:
        images = np.pad(images, [(0, 0)] * 3 + [(0, 1)], constant_values=255)
    zoom = zoom_of(*images.shape[1:3])
    room = max(1, round(_ROOM * zoom * min(images.shape[1:3])))
    height, width = zoom * images.shape[1] + 2 * room, zoom * images.shape[2] + 2 * room
    cells = np.empty((len(images), height, width, 4), np.uint8)
    cells[:] = _colour_between(images)
    cells[:, room:-room, room:-room] = images.repeat(zoom, axis=1).repeat(zoom, axis=2)
    return cells


def _colour_between(images):
    """Return the colour that most edges have, or none, which lets the background through."""
    sides = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    edges = np.concatenate([side.reshape(-1, 4) for side in sides])
    colour = np.median(edges, axis=0).astype(np.uint8)
    distance = np.abs(edges.astype(int) - colour).max(axis=-1)
    return colour if np.mean(distance <= _NEAR) >= _MOST else np.zeros(4, np.uint8)


def _sheet(rows, theme, ends=(), right=_MARGIN):
    """Return a figure of rows of cells, each of them with the pixels that it has.

    Args:
        rows: list of triples: cells `(S, height, width, 4)`, the pixels above them, and the name
            on their left.
        theme: "light" or "dark".
        ends: pair of str, below the first and the last cell, or none.
        right: int, pixels on the right of the sheet.
    """
    colours = style.theme_of(theme)
    sheet, places = _paste([(cells, gap) for cells, gap, _ in rows])
    height, width = sheet.shape[:2]
    scale = min(1.0, _MOST_PIXELS / width)
    height, width = round(scale * height), round(scale * width)
    left = max(map(_word_pixels, (name for *_, name in rows))) + _MARGIN
    bottom = 2 * _MARGIN + _WORD_POINTS if ends else _MARGIN
    whole = left + width + right, height + _MARGIN + bottom
    figure = style.figure(colours, *(side / style.DPI for side in whole), layout=None)
    axes = figure.add_axes(
        (left / whole[0], bottom / whole[1], width / whole[0], height / whole[1])
    )
    axes.set_axis_off()
    axes.imshow(sheet, aspect="auto", interpolation="antialiased")
    words = {"fontsize": _WORD_POINTS, "color": colours.muted}
    for (top, stop), (*_, name) in zip(places, rows, strict=True):
        middle = bottom + height - scale * (top + stop) / 2
        across = (left - _MARGIN) / whole[0]
        figure.text(across, middle / whole[1], name, ha="right", va="center", **words)
    for end, place, side in zip(ends, (left, left + width), ("left", "right"), strict=False):
        figure.text(
            place / whole[0], (bottom - _MARGIN / 2) / whole[1], end, ha=side, va="top", **words
        )
    return figure


def _paste(rows):
    """Return rows of cells as one array, transparent where there is none, and where each lies."""
    height, width = rows[0][0].shape[1:3]
    columns = max(len(cells) for cells, _ in rows)
    total = sum(height + gap for _, gap in rows)
    sheet, places, top = np.zeros((total, columns * width, 4), np.uint8), [], 0
    for cells, gap in rows:
        top += gap
        sheet[top : top + height, : len(cells) * width] = np.concatenate(list(cells), axis=1)
        places.append((top, top + height))
        top += height
    return sheet, places


def _word_pixels(text):
    """Return how wide a word is, and the room after it."""
    if not text:
        return 0
    width = TextPath((0, 0), text, size=_WORD_POINTS).get_extents().width
    return math.ceil(1.05 * width * style.DPI / 72) + _MARGIN


def _error_bar(figure, norm, colours):
    """Draw what the colours of errors stand for, beside the sheet."""
    (axes,) = figure.axes
    _, bottom, _, height = axes.get_position().bounds
    pixels = figure.get_size_inches()[0] * style.DPI
    place = figure.add_axes((1 - (_BAR_ROOM - _MARGIN) / pixels, bottom, _BAR / pixels, height))
    drawn = ScalarMappable(norm, style.SEQUENTIAL)
    style.colour_bar(figure, drawn, colours, "error", cax=place)
