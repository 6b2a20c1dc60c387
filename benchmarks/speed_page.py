"""Write docs/speed.md and docs/speed.png from what the benchmarks of speed left in results/."""

import itertools
import json
import pathlib

from keras_vae.plotting import style

RESULTS = pathlib.Path(__file__).parent / "results"
SHAPES = {
    "mlp": "dense 784-400-20, batch 128",
    "mlp_small_batch": "dense 784-200-200-50, batch 20",
    "conv": "convolutional 32-64, D=2, batch 128",
    "resnet": "residual, 32x32x3, D=32, batch 128",
}
_DOCS = pathlib.Path(__file__).parent.parent / "docs"
_OURS = "keras_vae"
_THEME = style.THEMES["light"]
# This package stands out, and its peers are alike.
_OWN_COLOUR, _PEER_COLOUR = _THEME.colours[0], "#9aa3ad"
_HEAD = """\
# Speed

Two CPU cores, TensorFlow and PyTorch as they are installed. `benchmarks/speed.py` trains by `fit`
with each contender, by turns in one run; seconds are medians of the turns, and ratios those of
medians, in brackets those of the fastest turns: the machine gives a process now both cores and now
little more than one, which some bear better than others. Where an epoch is short a turn has two, of
which the second counts. All have the same network, batch, images and optimiser, and a row counts
only if they have as many weights and end at the same training loss. XLA compiles the dense networks
of this package where a training has 2,000 steps or more. The peak is that of a matrix product of
the same precision. What is compared: this package with its defaults, `kv.data.load`, `compile` and
`fit`; the custom `train_step` of Keras's tutorials on NumPy arrays; the loop of PyTorch's tutorials
over a `DataLoader`; the trainer of pythae 0.1.

"""
_QUALITY = """
## Time to quality

Seconds of training until the validation -ELBO of binarised MNIST falls below a bar for two epochs,
medians of {rounds} whole trainings by turns, each with seeds of its own, of at most {max_epochs}
epochs and {max_seconds:g} s (`benchmarks/time_to_quality.py`): compilation counts, imports and
validation do not. The peers have the recipe of their tutorials, a dense network 784-400-20 with
Adam at 1e-3 and batches of 128; this package is there with the same, and with its own: two gated
layers of 300 units on each side, D=40, Muon with a learning rate that falls along a cosine over 16
epochs of batches of 200 (`QUICK` in `benchmarks/rows.py`). Pixels are drawn anew in each epoch; the
5,000 validation images are binarised once, and belong to no contender's training images.

![Validation -ELBO over seconds of training](time_to_quality.png)

"""
_SCALING = """
## Memory and growth

`benchmarks/scaling.py`, each measurement in a process of its own. The set of 20 GB is streamed for
a minute. An epoch has a fixed cost too, for which few images pay more each. The processes of one
machine share its two cores, and send each other gradients over its sockets: they show what that
costs, and are for machines with accelerators or for several of them.

"""


def load():
    """Return what `speed.py` wrote, by shape."""
    found = {name: _read(f"speed/{name}.json") for name in SHAPES}
    return {name: result for name, result in found.items() if result}


def is_ours(contender):
    """Return whether a contender is this package."""
    return contender.startswith(_OURS)


def ratios(found, of=lambda entry: entry["seconds"]):
    """Return how many times the speed of the best peer each contender has, or None.

    Args:
        found: dict, what `speed.py` wrote of a shape.
        of: function from an entry of it to seconds.
    """
    seconds = {name: of(entry) for name, entry in found["contenders"].items()}
    best = min((value for name, value in seconds.items() if not is_ours(name)), default=None)
    return {name: best and best / value for name, value in seconds.items()}


def table(results):
    """Return the rows of the page for results by shape."""
    head = (
        "contender",
        "s an epoch (the fastest)",
        "images/s",
        "times the best peer",
        "cores in use",
        "share of matrix peak",
        "peak memory",
        "first execution after",
        "training loss",
    )
    blocks = []
    for shape, found in results.items():
        times, fastest = ratios(found), ratios(found, lambda entry: min(entry["rounds"]))
        rows = [
            (
                name,
                f"{entry['seconds']:.2f} ({min(entry['rounds']):.2f})",
                f"{entry['images_per_second']:,.0f}",
                f"{times[name]:.2f} ({fastest[name]:.2f})" if times[name] else "",
                f"{entry['cores']:.2f}",
                f"{entry['share_of_matrix_peak']:.0%}",
                f"{entry['peak_bytes'] / 2**20:,.0f} MiB",
                f"{entry['first_step_seconds']:.1f} s",
                f"{entry['loss']:.2f}",
            )
            for name, entry in found["contenders"].items()
        ]
        void = "" if found["same"] else " **Void: they did not learn the same.**"
        rates = found["matrix_operations_per_second"]
        peak = ", ".join(f"{rate / 1e9:,.0f} GFLOP/s in {name}" for name, rate in rates.items())
        facts = f"{found['images']:,} images; matrix peak {peak}.{void}"
        title = f"### {SHAPES[shape]}\n\n{facts}\n\n"
        blocks.append(title + _markdown(head, rows))
    return "\n".join(blocks)


def short_table(results):
    """Return the table of the README: a row a network."""
    names = list(next(iter(results.values()))["contenders"])
    head = ("seconds an epoch", *names, "times the best peer")
    rows = []
    for shape, found in results.items():
        entries, times = found["contenders"], ratios(found)
        ours = " and ".join(f"{times[name]:.2f}" for name in names if is_ours(name) and times[name])
        ours = ours if found["same"] else "void"
        rows.append((SHAPES[shape], *(f"{entries[name]['seconds']:.2f}" for name in names), ours))
    return _markdown(head, rows)


def _markdown(head, rows):
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def plot(results):
    """Draw the images a second of each contender, a panel a network."""
    rows = (len(results) + 1) // 2
    figure = style.figure(_THEME, 10, 1 + 1.8 * rows)
    panels = style.panels(figure, _THEME, rows, 2).ravel()
    for axes, (shape, found) in zip(panels, results.items(), strict=False):
        names = list(found["contenders"])[::-1]
        speeds = [found["contenders"][name]["images_per_second"] for name in names]
        colours = [_OWN_COLOUR if is_ours(name) else _PEER_COLOUR for name in names]
        bars = axes.barh(names, speeds, 0.7, color=colours)
        labels = [f"{speed:,.0f}" for speed in speeds]
        axes.bar_label(bars, labels, padding=3, fontsize=9, color=_THEME.muted)
        style.title(axes, _THEME, SHAPES[shape])
        axes.set_xlim(0, 1.18 * max(speeds))
        axes.spines["bottom"].set_visible(False)
        axes.grid(visible=False)
        axes.tick_params("y", length=0, labelcolor=_THEME.ink)
        axes.set_xticks([])
    for axes in panels[len(results) :]:
        axes.set_visible(False)
    title = "Images a second in training, two CPU cores"
    figure.suptitle(title, fontsize=11, color=_THEME.ink)
    style.save(figure, _DOCS / "speed.png")


def plot_quality(contenders):
    """Draw the validation -ELBO of each contender over the seconds of its training."""
    figure = style.figure(_THEME, 8, 4)
    axes = style.panels(figure, _THEME)[0, 0]
    axes.grid(visible=False)
    for name, entry in contenders.items():
        seconds, values = zip(*entry["curve"], strict=True)
        axes.plot(list(itertools.accumulate(seconds)), values, label=name)
    for bar in next(iter(contenders.values()))["seconds_until"]:
        axes.axhline(float(bar), color=_THEME.muted, linewidth=0.8, alpha=0.4, zorder=0)
    axes.set(xscale="log", xlabel="seconds of training", ylabel="validation -ELBO, nats")
    ticks = (5, 10, 20, 50, 100, 200)
    axes.set_xticks(ticks, map(str, ticks))
    axes.minorticks_off()
    axes.set_ylim(90, 130)
    style.legend(axes, _THEME)
    style.save(figure, _DOCS / "time_to_quality.png")


def quality():
    """Return the part of the page about `time_to_quality.py`."""
    found = _read("time_to_quality.json")
    if found is None:
        return ""
    contenders = found["contenders"]
    rows = [
        (name, *map(_seconds, entry["seconds_until"].values()))
        for name, entry in contenders.items()
    ]
    bars = next(iter(contenders.values()))["seconds_until"]
    return _QUALITY.format(**found) + _markdown(
        ("contender", *(f"{bar} nats" for bar in bars)), rows
    )


def scaling():
    """Return the part of the page about `scaling.py`."""
    found = _read("scaling.json") or {}
    if not {"memory", "stream", "images", "pixels", "workers"} <= set(found):
        return ""
    memory = [
        (
            what,
            *(f"{found[case][key] / 2**20:,.0f} MiB" for key in ("peak_bytes", "own_peak_bytes")),
        )
        for case, what in (
            ("memory", "MNIST, two epochs"),
            ("stream", f"a file of 20 GB, {found['stream']['images']:,} images of 64x64x3"),
        )
    ]
    images = [
        (f"{int(count):,}", f"{1e6 * entry['seconds_per_image']:.2f} µs")
        for count, entry in found["images"].items()
    ]
    pixels = [
        (f"{side}x{side}x3", f"{1e9 * entry['seconds_per_pixel']:.0f} ns")
        for side, entry in found["pixels"].items()
    ]
    workers = [
        (count, f"{entry['images_per_second']:,.0f} images/s")
        for count, entry in found["workers"].items()
    ]
    return _SCALING + "\n".join(
        (
            _markdown(("training on", "peak", "of it not of a file"), memory),
            _markdown(("images of 28x28 pixels in an epoch", "time for one"), images),
            _markdown(("images", "time for a pixel"), pixels),
            _markdown(("processes on this machine", "convolutional 32-64, D=8"), workers),
        )
    )


def _seconds(value):
    return "not reached" if value is None else f"{value:.1f} s"


def _read(name):
    path = RESULTS / name
    return json.loads(path.read_text()) if path.exists() else None


def page():
    """Return the text of the page from the results that there are."""
    picture = "![Images a second of each contender](speed.png)\n\n"
    return _HEAD + picture + table(load()) + quality() + scaling()


def write():
    """Write the page and its pictures, where there is something to show."""
    if not load():
        return
    plot(load())
    found = _read("time_to_quality.json")
    if found:
        plot_quality(found["contenders"])
    _DOCS.joinpath("speed.md").write_text(page())


if __name__ == "__main__":
    write()
    print(short_table(load()))
