"""The one look of the drawn pictures: themes, colours, axes, and a figure that notebooks show."""

import io
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from keras_vae.checks import choice
from keras_vae.files import replacing_file

DPI = 100
# Evenly bright from end to end, also to those who cannot tell red from green.
SEQUENTIAL = "cividis"
# A notebook draws so many pixels for each of its own, for screens that have them.
_DENSITY = 2
_TEXT, _TITLE, _LINE = 9, 10, 1.6


class Theme(NamedTuple):
    """The colours of a picture.

    Attributes:
        background, ink, muted, faint: str, of the picture, its words, its axes, its grid.
        colours: tuple of str, those of classes and curves in their order: of the set of Okabe and
            Ito (2008, https://jfly.uni-koeln.de/color/) what shows on the background, and four
            that stay apart from these without red or green.
    """

    background: str
    ink: str
    muted: str
    faint: str
    colours: tuple


THEMES = {
    "light": Theme(
        "#ffffff",
        "#24292f",
        "#57606a",
        "#e3e6ea",
        (
            *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"),
            *("#1a1a1a", "#7a1f00", "#5a00b8", "#40d878"),
        ),
    ),
    "dark": Theme(
        "#16181d",
        "#e6e9ed",
        "#a3abb5",
        "#30343b",
        (
            *("#56b4e9", "#d55e00", "#009e73", "#cc79a7", "#0072b2", "#e69f00"),
            *("#f2f2f2", "#f0e442", "#7a4dff", "#a63a2a"),
        ),
    ),
}


class Picture(Figure):
    """A matplotlib `Figure` that a notebook shows as the last expression, without pyplot."""

    def _repr_png_(self):
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=_DENSITY * self.dpi)
        width, height = (round(side * self.dpi) for side in self.get_size_inches())
        return buffer.getvalue(), {"width": width, "height": height}


def theme_of(name):
    """Return the `Theme` of a name, or raise `ValueError`."""
    return THEMES[choice("theme", name, THEMES)]


def figure(theme, width, height, layout="constrained"):
    """Return an empty `Picture`.

    Args:
        theme: `Theme`.
        width, height: floats > 0, in inches of 100 pixels.
        layout: as of a matplotlib `Figure`.
    """
    made = Picture((width, height), dpi=DPI, facecolor=theme.background, layout=layout)
    FigureCanvasAgg(made)
    return made


def panels(figure, theme, rows=1, columns=1, **options):
    """Return the styled axes of a figure, `(rows, columns)`; `options` are those of `subplots`."""
    grid = figure.subplots(rows, columns, squeeze=False, **options)
    for axes in grid.ravel():
        quiet(axes, theme)
    return grid


def quiet(axes, theme):
    """Give axes the colours of a theme: two thin sides, a faint grid, small words."""
    axes.set_facecolor("none")
    axes.set_axisbelow(True)
    axes.grid(color=theme.faint, linewidth=0.8)
    axes.tick_params("both", which="both", color=theme.muted, labelcolor=theme.muted, width=0.8)
    axes.tick_params("both", labelsize=_TEXT, length=3)
    axes.tick_params("both", which="minor", length=2)
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=theme.muted, linewidth=0.8)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=theme.muted, fontsize=_TEXT)
    axes.set_prop_cycle(color=theme.colours, linewidth=[_LINE] * len(theme.colours))


def title(axes, theme, text):
    """Write a title above the left end of axes."""
    axes.set_title(text, loc="left", fontsize=_TITLE, color=theme.ink)


def note(axes, theme, text, colour=None):
    """Write a note in the upper right corner of axes, where the curves leave room for it."""
    place = {"ha": "right", "va": "top", "transform": axes.transAxes}
    axes.text(1.0, 1.0, text, fontsize=_TEXT, color=colour or theme.muted, **place)


def legend(owner, theme, **options):
    """Return a legend without a frame, of axes or of a figure."""
    return owner.legend(frameon=False, fontsize=_TEXT, labelcolor=theme.ink, **options)


def colour_bar(figure, drawn, theme, label, **options):
    """Draw what the colours of an image or of points stand for."""
    bar = figure.colorbar(drawn, **options)
    bar.outline.set_visible(False)
    bar.ax.tick_params(color=theme.muted, labelcolor=theme.muted, labelsize=_TEXT, length=3)
    bar.set_label(label, color=theme.muted, fontsize=_TEXT)


def pixels(figure):
    """Return a figure as an array `(height, width, 3)` of uint8."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()


def save(figure, path):
    """Write a figure to a file of the kind that its suffix says, whole or not at all."""
    with replacing_file(path) as partial:
        figure.savefig(partial)
