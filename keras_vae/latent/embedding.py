"""The embeddings of a whole data set, their picture in two or three dimensions, and their worth."""

from typing import NamedTuple

import numpy as np
from keras import ops

from keras_vae import evaluation
from keras_vae.checks import choice, integer, message
from keras_vae.progress import bar

PROJECTIONS = ("pca", "tsne")
PROBES = ("linear", "knn")
_NEIGHBOURS = 5
# Of few labels, so many for each neighbour, or distant classes would outvote the nearest example.
_LABELS_FOR_EACH = 20


class Embedding(NamedTuple):
    """What `embed` gives.

    Attributes:
        z: array `(N, D)`.
        labels: array `(N,)`, or None where the data have none.
    """

    z: np.ndarray
    labels: np.ndarray | None


def embed(vae, dataset, progress=False):
    """Return the centre of q(z|x) of each example of a data set.

    A `ConditionalVAE` is given the labels of (x, label), so that z is what is left of x beside the
    class; `vae.at()` is the same model without, whose z carries the class too.

    Args:
        vae: `VAE`.
        dataset: an array, or batches of x or (x, y), such as `data.train` loaded with
            `labels=True`. Of a set that is shuffled it is the next epoch's order.
        progress: bool, whether to show a bar.

    Returns:
        `Embedding`.

    Raises:
        ValueError: if the data set is empty, or a label is none of a `ConditionalVAE`'s.
    """
    z, labels = [], []
    if hasattr(dataset, "shape"):
        dataset = evaluation.batches(dataset)
    for batch in bar(dataset, progress, "Embedding", "batch"):
        x, *rest = batch if isinstance(batch, tuple) else (batch,)
        labels += [np.asarray(part) for part in rest[:1]]
        given = None if evaluation.x_and_label(vae, batch)[1] is None else labels[-1]
        z.append(ops.convert_to_numpy(vae.embed(x, given)))
    if not z:
        raise ValueError(message("`dataset` must hold at least one example", "an empty one"))
    return Embedding(np.concatenate(z), np.concatenate(labels) if labels else None)


def project(z, method="pca", dimensions=2, seed=0):
    """Return embeddings in two or three dimensions, to look at.

    Args:
        z: array `(N, D)`.
        method: "pca", the directions of the largest spread, or "tsne", which keeps neighbours
            together and whose distances mean little (van der Maaten & Hinton 2008,
            https://jmlr.org/papers/v9/vandermaaten08a.html).
        dimensions: 2 or 3.
        seed: int, of t-SNE.

    Output shape:
        `(N, dimensions)`, a NumPy array of float32.

    Raises:
        ValueError: if there are fewer examples or dimensions of z than are asked for.

    Example:

    >>> project([[0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [4.0, 0.0, 1.0]])[:, 0].tolist()
    [-2.0, 0.0, 2.0]
    """
    choice("method", method, PROJECTIONS)
    choice("dimensions", dimensions, (2, 3))
    z = np.asarray(z, "float64")
    if z.ndim != 2 or len(z) <= dimensions or not np.isfinite(z).all():
        raise ValueError(
            message(f"`z` must be finite, (N, D) with N > {dimensions}", f"shape {z.shape}")
        )
    if not np.ptp(z, axis=0).any():
        return np.zeros((len(z), dimensions), "float32")
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(z) - 1) / 3)
        tsne = TSNE(dimensions, perplexity=perplexity, init="pca", random_state=seed)
        return tsne.fit_transform(_fill(z, dimensions))
    centred = z - z.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:dimensions]
    # The sign of a principal axis is arbitrary; the largest entry is made positive.
    signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    return _fill(centred @ (axes * signs[:, None]).T, dimensions).astype("float32")


def probe(z, labels, test_z, test_labels, classifier="linear", num_labels=None, seed=0):
    """Return how well a simple classifier tells the classes from a representation.

    Args:
        z, labels: arrays `(N, D)` and `(N,)`, what the labelled examples are drawn from.
        test_z, test_labels: arrays `(M, D)` and `(M,)`, what is told apart.
        classifier: "linear", logistic regression of standardised columns (Alain & Bengio 2017,
            https://arxiv.org/abs/1610.01644), or "knn", the votes of the nearest neighbours: of 5
            from 100 labels on, and of fewer where there are fewer.
        num_labels: int, so many labelled examples, of all classes alike; None for all.
        seed: int, which examples they are.

    Returns:
        float, the share of the test examples whose class is told.

    Raises:
        ValueError: if there are fewer examples of a class than are asked for.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    choice("classifier", classifier, PROBES)
    z, labels = np.asarray(z), np.asarray(labels)
    if num_labels is not None:
        rows = _rows_of_each(labels, integer("num_labels", num_labels, 1), seed)
        z, labels = z[rows], labels[rows]
    if classifier == "linear":
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    else:
        neighbours = max(1, min(_NEIGHBOURS, len(z) // _LABELS_FOR_EACH))
        model = KNeighborsClassifier(neighbours)
    return float(model.fit(z, labels).score(test_z, test_labels))


def _fill(points, dimensions):
    """Return points with columns of zeros where they have fewer dimensions."""
    return np.pad(points, [(0, 0), (0, max(0, dimensions - points.shape[1]))])


def _rows_of_each(labels, count, seed):
    """Return rows, as many of each class as can be, the same for the same seed."""
    classes = np.unique(labels)
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    shares = np.full(len(classes), count // len(classes))
    shares[: count % len(classes)] += 1
    rows = []
    for label, share in zip(classes, shares, strict=True):
        of_class = shuffled[labels[shuffled] == label]
        if len(of_class) < share:
            raise ValueError(
                message(
                    f"`num_labels` needs {share} examples of each class",
                    f"{len(of_class)} of class {label}",
                    "Ask for fewer, or for all with num_labels=None.",
                )
            )
        rows.append(of_class[:share])
    return np.concatenate(rows)
