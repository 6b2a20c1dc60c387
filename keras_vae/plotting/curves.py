"""Figures of numbers of a model: how it was trained, what its units carry, rate and distortion."""

import math

import numpy as np
from matplotlib.ticker import MaxNLocator

from keras_vae.checks import message, number
from keras_vae.plotting import style

_COLUMNS = 3
# Those of the bound come first, in this order.
_TITLES = {"loss": "loss", "reconstruction_loss": "reconstruction", "kl_loss": "KL"}
# More bars than this have no room for their names.
_MOST_NAMED = 40
# Of the lines on which the ELBO is the same.
_LINES = 6


def plot_history(history, theme="light"):
    """Draw the curves of training: the loss, and its parts, the reconstruction and the KL.

    Args:
        history: what `fit` returns, or a dict from name to a list of one number an epoch, as
            `History.history`. What begins with `val_` is drawn with what it validates.
        theme: "light" or "dark".

    Returns:
        A matplotlib `Figure`, a panel for each loss, or for each number where none is a loss.

    Raises:
        ValueError: if there is no epoch.

    Example:

    >>> figure = plot_history({"loss": [3.0, 2.0], "val_loss": [3.5, 2.5]})
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['training', 'validation']
    """
    colours = style.theme_of(theme)
    history = getattr(history, "history", history)
    if not isinstance(history, dict) or not any(len(values) for values in history.values()):
        raise ValueError(
            message(
                "`history` must be what fit returns, or a dict of lists with one number an epoch",
                f"history={history!r}"[:100],
            )
        )
    names = [name for name in history if not name.startswith("val_") and len(history[name])]
    names = [name for name in names if name.endswith("loss")] or names
    names = [name for name in _TITLES if name in names] + [n for n in names if n not in _TITLES]
    rows, columns = math.ceil(len(names) / _COLUMNS), min(len(names), _COLUMNS)
    figure = style.figure(colours, 3 * max(columns, 1.5), 2.4 * rows + 0.3)
    grid = style.panels(figure, colours, rows, columns, sharex=True)
    for axes, name in zip(grid.ravel(), names, strict=False):
        for key, label, place in ((name, "training", 0), (f"val_{name}", "validation", 1)):
            if key in history:
                values = np.asarray(history[key], float)
                # A line of one point shows nothing.
                marker = "o" if len(values) == 1 else None
                colour = colours.colours[place]
                epochs = range(1, len(values) + 1)
                axes.plot(epochs, values, marker=marker, label=label, color=colour)
        style.title(axes, colours, _TITLES.get(name, name))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epoch")
        axes.tick_params(labelbottom=True)
    for axes in grid.ravel()[len(names) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel("nats per example")
    most = max(grid.ravel(), key=lambda axes: len(axes.lines))
    lines = {"handles": most.lines, "ncols": 2, "loc": "outside upper right"}
    style.legend(figure, colours, **lines)
    return figure


def save_history(history, path):
    """Write the curves of training to a PNG file; `history` as of `plot_history`."""
    style.save(plot_history(history), path)


def plot_kl(kl, threshold=0.01, theme="light"):
    """Draw the KL of each latent unit, the largest first, and mark the units that tell nothing.

    Args:
        kl: array `(D,)`, or `(N, D)` of which the mean over N examples is drawn, in nats, such as
            `distributions.unit_kl(*vae.encode(x)[:2])`.
        threshold: float >= 0, the nats below which a unit is inactive.
        theme: "light" or "dark".

    Returns:
        A matplotlib `Figure`.

    Raises:
        ValueError: if these are no finite numbers of one unit or more.

    Example:

    >>> plot_kl([0.5, 0.0, 2.0]).axes[0].get_title(loc="left")
    '2 of 3 units active'
    """
    colours = style.theme_of(theme)
    threshold = number("threshold", threshold, minimum=0)
    kl = np.asarray(kl, float)
    if kl.ndim not in (1, 2) or not kl.size or not np.isfinite(kl).all():
        raise ValueError(
            message("`kl` must be finite numbers, (D,) or (N, D)", f"shape {kl.shape}")
        )
    kl = kl.mean(axis=0) if kl.ndim == 2 else kl
    order = np.argsort(-kl, kind="stable")
    values, active = kl[order], kl[order] >= threshold
    figure = style.figure(colours, max(3.2, min(8.0, 1.2 + 0.25 * len(kl))), 2.8)
    axes = style.panels(figure, colours)[0, 0]
    places = np.arange(len(kl))
    # So many bars leave no room between them.
    width = 0.75 if len(kl) <= _MOST_NAMED else 1.0
    axes.bar(places[active], values[active], width, color=colours.colours[0])
    if not active.all():
        _mark_inactive(axes, colours, places[~active], values[~active], width, threshold)
    if len(kl) <= _MOST_NAMED:
        axes.set_xticks(places, order)
    axes.grid(visible=False, axis="x")
    axes.set_xlim(-0.75, max(len(kl) - 0.25, 2.75))
    axes.set_ylim(0, (1.05 if active.all() else 1.2) * max(values[0], threshold) or 1.0)
    ranked = len(kl) > _MOST_NAMED
    axes.set(xlabel="rank of the unit" if ranked else "unit of z", ylabel="KL, nats per example")
    style.title(axes, colours, f"{active.sum()} of {len(kl)} units active")
    return figure


def _mark_inactive(axes, colours, places, values, width, threshold):
    """Draw bars that are too low to be seen, with a mark on the axis where they are."""
    colour = colours.colours[1]
    axes.bar(places, values, width, color=colour)
    marker = "x" if width < 1 else "|"
    kind = {"marker": marker, "s": 18, "linewidths": 1.2, "clip_on": False, "zorder": 3}
    axes.scatter(places, np.zeros(len(places)), color=colour, **kind)
    style.note(axes, colours, f"× below {threshold:g} nats", colour)


def plot_rate_distortion(points, theme="light"):
    """Draw the distortion of models over their rates, with lines on which the ELBO is the same.

    The rate is the KL, the distortion -E[log p(x|z)]; their sum is -ELBO (Alemi et al. 2018,
    https://arxiv.org/abs/1711.00464).

    Args:
        points: dict from a name to what `evaluation.evaluate` gives of a model, or to a list of
            such dicts, whose points are joined; each with `rate` and `distortion`, in nats.
        theme: "light" or "dark".

    Returns:
        A matplotlib `Figure`.

    Raises:
        ValueError: if there are none, or one lacks a number.
    """
    colours = style.theme_of(theme)
    found = {str(name): _rates(name, one) for name, one in _dict("points", points).items()}
    figure = style.figure(colours, 5.6, 3.8)
    axes = style.panels(figure, colours)[0, 0]
    axes.grid(visible=False)
    for place, (name, rates) in enumerate(found.items()):
        rate, distortion = np.array(sorted(rates)).T
        colour = colours.colours[place % len(colours.colours)]
        axes.plot(rate, distortion, "o-", color=colour, markersize=5, label=name)
    axes.margins(0.12)
    axes.set(xlabel="rate, nats per example", ylabel="distortion, nats per example")
    _equal_bounds(axes, colours)
    style.legend(axes, colours, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _dict(name, value):
    if not isinstance(value, dict) or not value:
        raise ValueError(
            message(f"`{name}` must be a dict that is not empty", f"{name}={value!r}"[:100])
        )
    return value


def _rates(name, found):
    """Return the pairs of rate and distortion of one entry of `points`."""
    found = [found] if isinstance(found, dict) else list(found)
    pairs = [(one.get("rate"), one.get("distortion")) for one in found if isinstance(one, dict)]
    numbers = [number for pair in pairs for number in pair]
    if len(pairs) < max(1, len(found)) or not all(
        isinstance(value, int | float | np.number) and math.isfinite(value) for value in numbers
    ):
        raise ValueError(
            message(
                f"`points[{name!r}]` must be dicts with the finite numbers `rate` and `distortion`",
                repr(found)[:100],
                "Give what kv.evaluation.evaluate returns.",
            )
        )
    return pairs


def _equal_bounds(axes, colours):
    """Draw lines of equal rate + distortion through what the axes show."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    for bound in MaxNLocator(_LINES).tick_values(left + low, right + high):
        ends = max(left, bound - high), min(right, bound - low)
        if ends[0] >= ends[1]:
            continue
        line = [bound - end for end in ends]
        axes.plot(
            ends, line, color=colours.muted, linewidth=0.8, alpha=0.4, zorder=0, label="_elbo"
        )
        axes.annotate(
            f"-ELBO {bound:g}",
            (ends[0], line[0]),
            xytext=(5, -1),
            textcoords="offset points",
            fontsize=7,
            color=colours.muted,
            va="top",
            annotation_clip=True,
        )
    axes.set(xlim=(left, right), ylim=(low, high))
