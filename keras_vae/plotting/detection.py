"""Figures of anomaly scores: what they tell apart, and where they lie."""

import itertools

import numpy as np

from keras_vae.checks import message, number
from keras_vae.plotting import style

_BINS = 40
_ONE = "abnormal"


def plot_roc(normal, abnormal, theme="light"):
    """Draw the share of abnormal examples that are found over the share of false alarms.

    Args:
        normal: array `(N,)` of scores, lower where more abnormal, as `score_samples` gives.
        abnormal: array `(M,)` of the scores of abnormal examples, or a dict from the name of each
            kind of them to one, for a curve each.
        theme: "light" or "dark".

    Returns:
        A matplotlib `Figure`; the legend has the area under each curve.

    Raises:
        ValueError: if the scores are no finite numbers.

    Example:

    >>> figure = plot_roc([1.0, 2.0, 3.0], [0.0, 1.5])
    >>> figure.axes[0].get_legend().get_texts()[0].get_text()
    'abnormal: AUROC 0.833'
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    colours = style.theme_of(theme)
    normal, kinds = _check(normal, abnormal)
    figure = style.figure(colours, 4.4, 4.2)
    axes = style.panels(figure, colours)[0, 0]
    axes.plot((0, 1), (0, 1), color=colours.muted, linewidth=1, linestyle=":", zorder=1)
    # The first colour is that of normal examples, in `plot_scores`.
    for colour, (name, scores) in zip(itertools.cycle(colours.colours[1:]), kinds.items()):
        is_abnormal = np.repeat([0, 1], [len(normal), len(scores)])
        judged = -np.concatenate([normal, scores])
        alarms, found, _ = roc_curve(is_abnormal, judged, drop_intermediate=False)
        area = roc_auc_score(is_abnormal, judged)
        axes.plot(alarms, found, color=colour, label=f"{name}: AUROC {area:.3f}")
    # A little beyond the ends, so that a curve along an edge is seen.
    axes.set(xlim=(-0.015, 1.015), ylim=(-0.015, 1.015), aspect="equal")
    axes.set(xlabel="false alarms, share of the normal", ylabel="found, share of the abnormal")
    style.legend(axes, colours, loc="lower right")
    return figure


def plot_scores(normal, abnormal, threshold=None, theme="light"):
    """Draw how scores are spread, of normal and of abnormal examples.

    Args:
        normal, abnormal: see `plot_roc`.
        threshold: float, below which an example is an anomaly, such as `detector.threshold_`, or
            None. With it the legend has the share of each kind that lies below.
        theme: "light" or "dark".

    Returns:
        A matplotlib `Figure`; the bars of each kind add up to 1.

    Raises:
        ValueError: if the scores or the threshold are no finite numbers.
    """
    colours = style.theme_of(theme)
    normal, kinds = _check(normal, abnormal)
    groups = {"normal": normal, **kinds}
    edges = np.histogram_bin_edges(np.concatenate(list(groups.values())), _BINS)
    figure = style.figure(colours, 6.0, 3.2)
    axes = style.panels(figure, colours)[0, 0]
    axes.grid(visible=False, axis="x")
    for colour, (name, scores) in zip(itertools.cycle(colours.colours), groups.items()):
        shares = np.histogram(scores, edges)[0] / len(scores)
        label = name
        if threshold is not None:
            label = f"{name}, {np.mean(scores < number('threshold', threshold)):.1%} below"
        axes.stairs(shares, edges, fill=True, color=colour, alpha=0.35)
        axes.stairs(shares, edges, color=colour, linewidth=1.4, label=label)
    if threshold is not None:
        axes.axvline(threshold, color=colours.ink, linewidth=1, linestyle="--", label="threshold")
    axes.set(xlabel="score, lower where more abnormal", ylabel="share of its kind")
    axes.set_ylim(0)
    style.legend(axes, colours, loc="upper left")
    return figure


def _check(normal, abnormal):
    """Return the scores of normal examples, and a dict of those of each other kind."""
    kinds = abnormal if isinstance(abnormal, dict) else {_ONE: abnormal}
    if not kinds:
        raise ValueError(message("`abnormal` must hold at least one kind", "an empty dict"))
    found = {
        name: _scores(f"abnormal[{name!r}]" if kinds is abnormal else "abnormal", scores)
        for name, scores in kinds.items()
    }
    return _scores("normal", normal), found


def _scores(name, scores):
    scores = np.asarray(scores)
    is_numbers = scores.dtype.kind in "biuf" and scores.ndim == 1 and len(scores)
    if not is_numbers or not np.isfinite(scores).all():
        raise ValueError(
            message(
                f"`{name}` must be finite scores (N,), N >= 1",
                f"{scores.dtype} of shape {scores.shape}",
                "Give what detector.score_samples(x) returns.",
            )
        )
    return scores.astype(float)
