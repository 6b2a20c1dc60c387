"""Write docs/uses.md from what `uses.py` left in results/."""

import json
import pathlib

import numpy as np
import uses_conditioned
import uses_text
from scipy.stats import binom

RESULTS = pathlib.Path(__file__).parent / "results" / "uses"
DOCS = pathlib.Path(__file__).parent.parent / "docs"
SCORES = {
    "combined": "combined, the default",
    "negative_elbo": "-ELBO",
    "importance_weighted": "-log p(x), importance-weighted",
    "reconstruction_error": "reconstruction error",
    "typicality": "typicality",
    "complexity": "complexity-corrected likelihood",
    "latent_neighbors": "neighbours in z",
    "row_neighbors": "neighbours of rows",
    "pixel_neighbors": "baseline: cosine 5-NN on raw pixels",
}
_TABLE_BASELINES = ("isolation forest", "one-class SVM", "PCA reconstruction", "k-NN distance")


def _denoised(found):
    lines = sorted(found["gain"].items(), key=lambda item: item[1])
    return table(["", "dB above the noisy images"], [[n, f"{gain:.1f}"] for n, gain in lines])


def _accuracy(found):
    names = {"gibbs": "keras_vae, one draw by Gibbs sampling", "gradient": "keras_vae, gradient"}
    lines = [[names.get(n, n), f"{value:.1%}"] for n, value in found["accuracy"].items()]
    return table(["images", "labels read"], lines)


def _lossless(found):
    kinds = ("binary", "8 bits")
    rows = [["keras_vae", *(f"{found[k]['bits_per_pixel']:.4f}" for k in kinds)]]
    rows[0] += [
        f"{found[k]['encode_mb_s']:.2f} and {found[k]['decode_mb_s']:.2f} MB/s" for k in kinds
    ]
    rows.append(["-ELBO", *(f"{found[k]['elbo_bits_per_pixel']:.4f}" for k in kinds), "", ""])
    for name in found["binary"]["others"]:
        others = [found[k]["others"][name] for k in kinds]
        speeds = [f"{one['mb_s']:.2f} MB/s" for one in others]
        rows.append([name, *(f"{one['bits_per_pixel']:.4f}" for one in others), *speeds])
    head = ["", "binary", "8 bits", "speed, binary: in and out", "8 bits: in and out"]
    return table(head, rows)


def _asked_for(found):
    lines = [[n, f"{one['read']:.1%}", f"{one['spread']:.2f}"] for n, one in found["of"].items()]
    return table(["images", "labels read", "spread"], lines)


def few_label_errors():
    """Return the test errors of each way to learn from few labels, a list of one for each draw."""
    found = {}
    for row in (*load("m1_m2"), *load("m2"), *load("few_alone")):
        for name, error in row["error"].items():
            found.setdefault(name, []).append(error)
    return found


def _few_labels(errors):
    lines = [
        [name, f"{np.mean(values):.1%}", f"{min(values):.1%} to {max(values):.1%}"]
        for name, values in errors.items()
    ]
    return table(["", "mean test error", "least to most"], lines)


def load(name):
    """Return what a part of `uses.py` measured."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def table(head, rows):
    """Return a Markdown table of texts."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _leave_one_out(rows):
    digits = [row["digit"] for row in rows]
    names = ["combined", "pixel_neighbors", "negative_elbo"]
    names += [name for name in rows[0]["test_32"] if name not in names]
    return table(
        ["score", *digits, "mean", "least"],
        [
            [
                SCORES[name],
                *(f"{row['test_32'][name]:.2f}" for row in rows),
                f"{mean(rows, 'test_32', name):.3f}",
                f"{min(row['test_32'][name] for row in rows):.3f}",
            ]
            for name in names
        ],
    )


def mean(rows, key, name):
    """Return the mean of a score over the digits."""
    return float(np.mean([row[key][name] for row in rows]))


def _gibberish(found):
    names = list(next(iter(found.values())))
    return table(
        ["images", *(SCORES[name] for name in names)],
        [[kind, *(f"{scores[name]:.4f}" for name in names)] for kind, scores in found.items()],
    )


def _tables(rows):
    """Return the means of the detectors over the splits of the test, and over the other tables."""
    columns = [
        {key: float(np.mean([row["auroc"][key] for row in chosen])) for key in rows[0]["auroc"]}
        for chosen in ([r for r in rows if r["is_test"]], [r for r in rows if not r["is_test"]])
    ]
    titles = {"keras_vae": "keras_vae, the default score"}
    return table(
        ["detector", "breast cancer", f"{len(rows) - sum(r['is_test'] for r in rows)} others"],
        [
            [titles.get(name, name), *(f"{one[name]:.3f}" for one in columns)]
            for name in ("keras_vae", *_TABLE_BASELINES)
        ],
    )


def alarm_rates(rows):
    """Return for each rate the mean over the seeds, the interval, and how many lie in it."""
    found = {}
    for rate in sorted({row["rate"] for row in rows}):
        chosen = [row for row in rows if row["rate"] == rate]
        n = chosen[0]["n"]
        interval = [float(binom.ppf(q, n, rate)) / n for q in (0.025, 0.975)]
        rates = [row["alarms"] / n for row in chosen]
        inside = sum(interval[0] <= one <= interval[1] for one in rates)
        found[rate] = float(np.mean(rates)), interval, inside, len(rates)
    return found


def _alarms(rows):
    lines = []
    for rate, (average, interval, inside, count) in alarm_rates(rows).items():
        lines.append(
            [
                f"{rate:.0%}",
                f"{average:.2%}",
                f"{interval[0]:.2%} to {interval[1]:.2%}",
                f"{inside} of {count}",
            ]
        )
    return table(["asked for", "mean of the splits", "binomial interval, 95 %", "within it"], lines)


def _probe(rows):
    means = {(r["labels"], r["classifier"], r["of"]): np.mean(r["accuracy"]) for r in rows}
    kinds = list(dict.fromkeys(row["of"] for row in rows))
    lines = []
    for classifier, words in (("linear", "linear"), ("knn", "k nearest neighbours")):
        for labels in dict.fromkeys(row["labels"] for row in rows):
            values = [f"{means[labels, classifier, kind]:.1%}" for kind in kinds]
            lines.append([words, "all" if labels is None else labels, *values])
    return table(["classifier", "labels", *kinds], lines)


def _chosen(left_out, tables):
    images = left_out[0]["chosen_by_32"]
    others = [row["auroc"] for row in tables if not row["is_test"]]
    lines = []
    for name, words in SCORES.items():
        of_images = f"{mean(left_out, 'chosen_by_32', name):.3f}" if name in images else ""
        key = "keras_vae" if name == "combined" else name
        of_tables = f"{np.mean([m[key] for m in others]):.3f}" if key in others[0] else ""
        lines.append([words, of_images, of_tables])
    for name in _TABLE_BASELINES:
        lines.append([f"baseline: {name}", "", f"{np.mean([m[name] for m in others]):.3f}"])
    head = ["score", "left-out digits of the training images", f"{len(others)} tables"]
    return table(head, lines)


def _weights(rows):
    lines = []
    for pair in rows[0]["auroc"]:
        means = [
            np.mean([row["auroc"][pair] for row in rows if row["of"] == kind])
            for kind in ("images", "tables")
        ]
        lines.append([pair, *(f"{mean:.3f}" for mean in means)])
    return table(["likelihood : neighbours", "images", "tables"], lines)


def text():
    """Return the page."""
    restored, filled, packed = (load(name) for name in ("denoise", "inpaint", "compress"))
    asked, few = load("condition"), load("m2")
    left_out, tables, gibberish = (load(n) for n in ("leave_one_out", "tables", "gibberish"))
    splits = sum(row["is_test"] for row in tables)
    return (
        uses_text.HEAD
        + uses_text.MORPH
        + uses_text.EMBED.format(dimensions=10, probe=_probe(load("probe")))
        + uses_text.DETECT.format(
            leave_one_out=_leave_one_out(left_out),
            combined_2=f"{mean(left_out, 'test_2', 'combined'):.3f}",
            elbo_2=f"{mean(left_out, 'test_2', 'negative_elbo'):.3f}",
            gibberish_binary=_gibberish(gibberish["binary"]),
            gibberish_grey=_gibberish(gibberish["grey"]),
            splits=splits,
            tables=_tables(tables),
            alarms=_alarms(load("alarms")),
            chosen=_chosen(left_out, tables),
            weights=_weights(load("weights")),
        )
        + uses_text.DENSITY
        + uses_text.RESTORE.format(
            strength=restored["strength"],
            noisy=restored["noisy"],
            denoised=_denoised(restored),
            inpainted=f"{filled['images']:,}",
            accuracy=_accuracy(filled),
        )
        + uses_text.CONDITION.format(
            images=asked["images"],
            beta=uses_conditioned.BETA,
            asked_for=_asked_for(asked),
            labels=few[0]["labels"],
            draws=len(few),
            few_labels=_few_labels(few_label_errors()),
            first=uses_conditioned.FIRST_WEIGHTS["M2"],
            share=uses_conditioned.SHARE,
        )
        + uses_text.COMPRESS.format(
            images=packed["binary"]["images"],
            lossless=_lossless(packed),
            model_sizes=" and ".join(
                f"{packed[kind]['model_bytes'] / 1e6:.1f} MB" for kind in ("binary", "8 bits")
            ),
        )
        + uses_text.LIMITS
    )


def write():
    """Write docs/uses.md."""
    (DOCS / "uses.md").write_text(text(), encoding="utf-8")
