"""Figures of z: where examples lie in the plane or in space."""

import numpy as np
from matplotlib import patheffects

from keras_vae.checks import integer, message
from keras_vae.plotting import style

_MOST_NAMED = 20
_MARKERS = ("o", "^")
# Of a point, of many and of few; and of one in the legend, in square points.
_SIZES, _IN_LEGEND = (5.0, 22.0), 30.0
# Of space, with which its corners stay in the picture from every side.
_ZOOM = 1.15


def plot_latent(points, labels=None, words=("z 1", "z 2"), theme="light"):
    """Draw where examples lie in z.

    Up to 20 classes have colours, shapes and a legend, and in the plane their names where they
    lie; more values, which must be numbers for it, a scale of colours.

    Args:
        points: array `(N, 2)` or `(N, 3)`, such as `latent.project` gives.
        labels: array `(N,)`, which colours them, or None.
        words: pair of str, what the axes are called; those of three dimensions are not.
        theme: "light" or "dark".

    Returns:
        A matplotlib `Figure`.

    Raises:
        ValueError: if the points are no finite ones, or the labels are not one for each.

    Example:

    >>> figure = plot_latent([[0.0, 1.0], [2.0, 3.0]], ["cat", "dog"])
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['cat', 'dog']
    """
    return _draw(points, labels, words, style.theme_of(theme))[0]


def scatter(points, labels=None, words=("first", "second"), theme="light"):
    """Draw points in the plane or in space as an array of pixels.

    Args:
        points, labels, words, theme: see `plot_latent`.

    Output shape:
        `(height, width, 3)`, a NumPy array of uint8.
    """
    return style.pixels(plot_latent(points, labels, words, theme))


def scatter_turning(points, labels=None, frames=36, theme="light"):
    """Draw points in space, seen from all around: a list of what `scatter` gives.

    Args:
        points: array `(N, 3)`.
        labels: array `(N,)` or None.
        frames: int >= 2, pictures of a whole turn.
        theme: "light" or "dark".
    """
    figure, axes = _draw(points, labels, None, style.theme_of(theme))
    pictures = []
    for frame in range(integer("frames", frames, 2)):
        axes.view_init(elev=20, azim=360 * frame / frames)
        pictures.append(style.pixels(figure))
    return pictures


def _draw(points, labels, words, colours):
    points = _check(points)
    in_space = points.shape[-1] == 3
    layout = None if in_space else "constrained"
    figure = style.figure(colours, 5.6, 4.4, layout)
    axes = figure.add_subplot(projection="3d" if in_space else None)
    style.quiet(axes, colours)
    if in_space:
        axes.set_axis_off()
        axes.set_position((0.0, 0.0, 0.88, 1.0))
        axes.set_box_aspect((1, 1, 1), zoom=_ZOOM)
    else:
        axes.set(xlabel=words[0], ylabel=words[1], aspect="equal")
        axes.set_anchor("W")
    look = {"s": np.clip(12000 / len(points), *_SIZES), "alpha": 0.75, "linewidths": 0}
    if labels is None:
        axes.scatter(*points.T, color=colours.colours[0], **look)
        return figure, axes
    labels = np.asarray(labels)
    if labels.shape != points.shape[:1]:
        raise ValueError(
            message(f"`labels` must be one for each of {len(points)}", f"shape {labels.shape}")
        )
    classes, codes = np.unique(labels, return_inverse=True)
    if len(classes) > _MOST_NAMED:
        is_number = labels.dtype.kind in "iuf"
        values = labels if is_number else codes
        drawn = axes.scatter(*points.T, c=values, cmap=style.SEQUENTIAL, **look)
        if is_number:
            style.colour_bar(figure, drawn, colours, "label", ax=axes, shrink=0.8)
        return figure, axes
    _classes(axes, [points[codes == code] for code in range(len(classes))], classes, colours, look)
    scale = np.sqrt(_IN_LEGEND / look["s"])
    style.legend(axes, colours, markerscale=scale, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure, axes


def _check(points):
    points = np.asarray(points, float)
    if points.ndim != 2 or points.shape[1] not in (2, 3) or not np.isfinite(points).all():
        raise ValueError(
            message(
                "`points` must be finite, (N, 2) or (N, 3)",
                f"shape {points.shape}",
                "Make them of z of more axes by kv.latent.project(z).",
            )
        )
    if not len(points):
        raise ValueError(message("`points` must hold at least one", "none"))
    return points


def _classes(axes, groups, names, colours, look):
    """Draw the points of each class, and in the plane its name where they lie."""
    count = len(colours.colours)
    for code, (points, name) in enumerate(zip(groups, names, strict=True)):
        colour, marker = colours.colours[code % count], _MARKERS[code // count]
        axes.scatter(*points.T, color=colour, marker=marker, label=str(name), **look)
        if points.shape[-1] == 2:
            text = axes.annotate(
                str(name),
                np.median(points, axis=0),
                ha="center",
                va="center",
                fontsize=10,
                fontweight="bold",
                color=colours.ink,
            )
            halo = patheffects.withStroke(linewidth=3, foreground=colours.background)
            text.set_path_effects([halo])
