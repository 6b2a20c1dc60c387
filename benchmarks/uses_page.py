"""Write docs/uses.md from what `uses.py` left in results/."""

import json
import pathlib

import numpy as np
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
_HEAD = """\
# What a VAE is for

One trained model, and what it is used for: each with its command, its picture, and its number
beside an honest baseline. `python benchmarks/uses.py` measures all of it anew, on two CPU cores:
MNIST of TensorFlow Datasets, a VAE of two gated dense layers of 300 units on each side, trained
for 20 epochs on pixels that are binarised anew in each, which takes about 40 s. RUN is the folder
of a training, and INPUT what `keras-vae train` takes as SOURCE, an image file, or `train`,
`validation` or `test` for that part of the run's own data.

"""
_MORPH = """\
## Morph and explore

```bash
keras-vae interpolate RUN a.png b.png --path spherical --out morph.gif
keras-vae attribute RUN --from 9 --to 4 --out attribute.png
keras-vae traverse RUN --out traversal.png
keras-vae manifold RUN --out manifold.png
```

![Between two test images: the straight line above, the great circle below](uses/morph.png)

Between two test images: the straight line in z above, the great circle below. As `.gif` it moves,
as `.npy` it is the array.

![From nines to fours along the vector of the attribute](uses/attribute.png)

Test images of nines, moved by the mean z of the fours less that of the nines.

![One axis of z in each row](uses/traversal.png)

Along each axis of z, the most active one in the first row.

![A grid over two latent dimensions](uses/manifold.png)

A model of two latent dimensions: a grid even in the probability of the prior.

In Python: `kv.latent.morph`, `interpolate`, `attribute`, `shift`, `traverse`, `manifold`, and
`kv.plotting.save_sequences`.

"""
_EMBED = """\
## Embed

```bash
keras-vae embed RUN INPUT --out z.parquet
keras-vae scatter RUN --out scatter.png
```

![t-SNE of the z of 2,000 test images](uses/scatter.png)

z of 2,000 test images by t-SNE; the colours are the labels, which the model never saw.
`kv.estimators.VAETransformer` is the same for scikit-learn's pipelines.

Accuracy over the 10,000 test images of simple classifiers that see so many labelled images, the
mean of ten draws (one for all 60,000), from the {dimensions} numbers of z (a mixture of 20 normal
distributions as the prior), as many principal components, and the 784 pixels:

{probe}

"""
_DETECT = """\
## Detect

```bash
keras-vae detect RUN INPUT --false-alarm-rate 0.01 --out found.csv
```

![The most abnormal of the test images, and where](uses/maps.png)

The most abnormal test images under the model of all digits, each above a map of the pixels that
are less likely than is usual there. The threshold keeps the rate of false alarms: a normal
example is called an anomaly with at most that probability, whatever the score, because the
calibration images were not learnt from (conformal p-values).

### A digit that was left out

Ten models, each trained without one digit; AUROC of that digit's test images among those of the
other nine, D=32:

{leave_one_out}

![AUROC of each digit](uses/leave_one_out.png)

With D=2 the default score has {combined_2} on average, -ELBO {elbo_2}. Published: 0.855, and
0.718 for -ELBO at D=32 with digit 1 at 0.09.

### No digits at all

AUROC against the test images, model of all digits, D=32. A model of binary pixels, which is given
whether a pixel is above a half:

{gibberish_binary}

A model of grey pixels (a normal distribution whose variance is the optimal one), which sees
constant images of all 256 greys:

{gibberish_grey}

A constant image is likely under a model, which the plain likelihoods show; the default score is
not fooled.

### Tables

```bash
keras-vae train table.csv --label-column class --id-column id --out RUN
keras-vae detect RUN new.csv --out found.csv
```

AUROC of malignant rows of the breast-cancer table of scikit-learn, all learnt from the same 70 %
of the benign rows, the mean of {splits} splits; and beside it the mean over other tables, each
with one class as the normal one (three of scikit-learn, the others those of R packages; at most
400 rows to learn from), by which the default was chosen:

{tables}

On the breast-cancer table three baselines are better than the default score. Which detector is
best changes from table to table: where labelled anomalies are at hand, try them.

`kv.anomaly.AnomalyDetector().fit(rows)` trains its own model, as scikit-learn's detectors do.

### The rate of false alarms

Over 20 splits of the 10,000 test images into calibration and held-out halves:

{alarms}

Of a rate asked for, the binomial interval holds 95 % of held-out halves if the threshold were
exact; that of a calibration by 5,000 images scatters about as much again.

### How the default score was chosen

By held-out classes of training images, and by tables that are not the one above; no test set had
a part in it. Mean AUROC:

{chosen}

"""
_DENSITY = """\
## Density

```bash
keras-vae score RUN INPUT --out scores.csv
```

![The most and the least likely test images](uses/density.png)

The ten test images of highest log p(x) above, those of lowest below: ones are simple, and likely
for that. The file has log p(x) in nats with the standard error of its 100 draws, bits for each
pixel, and the share of the training images that are less likely.

## Limits

- A score ranks by what this model learnt from these images. It knows nothing of what an anomaly
  costs.
- The guarantee of a false-alarm rate is for new examples like the calibration ones. Where the
  data drift, calibrate anew.
- `combined`, `complexity` and the neighbours need more than the graph of a file can hold: an
  exported `score` decides by `negative_elbo`, `reconstruction_error` or `typicality`.
"""


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


def text():
    """Return the page."""
    left_out, tables, gibberish = (load(n) for n in ("leave_one_out", "tables", "gibberish"))
    splits = sum(row["is_test"] for row in tables)
    return (
        _HEAD
        + _MORPH
        + _EMBED.format(dimensions=10, probe=_probe(load("probe")))
        + _DETECT.format(
            leave_one_out=_leave_one_out(left_out),
            combined_2=f"{mean(left_out, 'test_2', 'combined'):.3f}",
            elbo_2=f"{mean(left_out, 'test_2', 'negative_elbo'):.3f}",
            gibberish_binary=_gibberish(gibberish["binary"]),
            gibberish_grey=_gibberish(gibberish["grey"]),
            splits=splits,
            tables=_tables(tables),
            alarms=_alarms(load("alarms")),
            chosen=_chosen(left_out, tables),
        )
        + _DENSITY
    )


def write():
    """Write docs/uses.md."""
    (DOCS / "uses.md").write_text(text(), encoding="utf-8")
