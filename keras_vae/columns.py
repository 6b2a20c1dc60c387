"""What the columns of a table hold, as a model keeps it: kinds, categories and scales."""

import dataclasses
import math

import numpy as np

from keras_vae import power_transform
from keras_vae.checks import choice, integer, message, number

__all__ = ["Column", "categorical", "numeric"]

NUMERIC, CATEGORICAL = "numeric", "categorical"
# float32 keeps 24 bits: where a column's spread is a smaller part of its values, it loses more
# than a thousandth of it.
_LEAST_SPREAD = 2.0**-14
# So many categories are nothing odd even in a small table.
_FEW = 20


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of a table.

    A model takes a number as it is, a category as its place in `categories` or, where it is none
    of them, as their number, and what is missing as NaN.

    Args:
        name: str.
        kind: "numeric" or "categorical".
        center, scale: floats, by which a number is standardised: (x - center) / scale, where x is
            the number, or its power transform.
        categories: tuple of str, at least one.
        count: int >= 1, the rows from which this was learnt.
        power: float in [0, 2], of the transform that comes first (`keras_vae.power_transform`); 1
            for none.
    """

    name: str
    kind: str = NUMERIC
    center: float = 0.0
    scale: float = 1.0
    categories: tuple = ()
    count: int = 1
    power: float = power_transform.NONE

    def __post_init__(self):
        choice("kind", self.kind, (NUMERIC, CATEGORICAL))
        number("center", self.center)
        number("scale", self.scale, above=0)
        integer("count", self.count, 1)
        number("power", self.power, power_transform.LEAST, power_transform.MOST)
        object.__setattr__(self, "categories", tuple(map(str, self.categories)))
        if self.is_categorical != bool(self.categories):
            raise ValueError(
                message(
                    "A categorical column must have `categories`, and a numeric one none",
                    f"{self.kind} column {self.name!r} with {len(self.categories)}",
                )
            )

    @property
    def is_categorical(self):
        """Whether it holds categories."""
        return self.kind == CATEGORICAL

    def standardize(self, x):
        """Return numbers of this column, a tensor, by the scale that the model computes with.

        Args:
            x: float tensor of any shape, in the units of the table.
        """
        return (power_transform.transform(x, self.power) - self.center) / self.scale

    def restore(self, standard):
        """Return the numbers whose `standardize` is a tensor.

        Args:
            standard: float tensor of any shape, standardised.
        """
        return power_transform.inverse(standard * self.scale + self.center, self.power)

    def log_slope(self, x):
        """Return the logarithm of the derivative of `standardize` at numbers, a tensor.

        Args:
            x: float tensor of any shape, in the units of the table.
        """
        return power_transform.log_slope(x, self.power) - math.log(self.scale)

    def encode(self, values):
        """Return values as a model takes them.

        Args:
            values: array `(N,)`, of floats with NaN for what is missing, or of objects, str or
                None.

        Output shape:
            `(N,)`, float32.
        """
        if not self.is_categorical:
            return np.asarray(values, "float32")
        places = {category: place for place, category in enumerate(self.categories)}
        unseen = len(self.categories)
        codes = (
            np.nan if value is None or value != value else places.get(value, unseen)
            for value in values
        )
        return np.fromiter(codes, "float32", len(values))

    def decode(self, values):
        """Return what `encode` was given: floats, or a list of str, None and "?" for the unseen.

        Args:
            values: float array `(N,)`, NaN for what is missing.
        """
        if not self.is_categorical:
            return np.asarray(values, "float64")
        names = (*self.categories, "?")
        return [None if np.isnan(value) else names[int(value)] for value in values]


def numeric(name, values):
    """Return the numeric column that some values tell, an array `(N,)` with NaN for the missing.

    Args:
        name: str, of the column.
        values: float array `(N,)`.

    Raises:
        ValueError: if no value is there, or one is infinite.
    """
    there = values[~np.isnan(values)]
    _check_any(name, there, len(values))
    if not np.isfinite(there).all() or np.abs(there).max() > 1e30:
        raise ValueError(
            message(
                f"Column {name!r} must hold numbers below 1e30",
                f"{there[np.argmax(np.abs(there))]}",
                "Repair these rows, or leave the column out with drop_columns (--drop).",
            )
        )
    center, spread = float(there.mean()), float(there.std())
    if there.min() == there.max() or spread < np.finfo("float32").tiny:
        spread = 0.0
    if 0 < spread < _LEAST_SPREAD * np.abs(there).max():
        raise ValueError(
            message(
                f"Column {name!r} must spread by more than 1/16,384 of its values, which are "
                "computed with in 32 bits",
                f"values near {center:g}, of standard deviation {spread:g}",
                "Subtract a constant from it, such as its least value.",
            )
        )
    power = power_transform.fit(there) if spread else power_transform.NONE
    if power != power_transform.NONE:
        bent = power_transform.as_numpy(power_transform.transform, there, power)
        center, spread = float(bent.mean()), float(bent.std())
    return Column(name, NUMERIC, center, spread or 1.0, count=len(values), power=power)


def categorical(name, values, most):
    """Return the categorical column that some values tell, an array `(N,)` of str and None.

    Args:
        name: str, of the column.
        values: list of N str and None.
        most: int, the largest number of categories.

    Raises:
        ValueError: if no value is there, or more than `most` different ones.
    """
    there = [value for value in values if value is not None]
    _check_any(name, there, len(values))
    categories = sorted(set(there))
    # A different text in most rows is no kind of thing either.
    if len(categories) > min(most, max(_FEW, len(there) // 2)):
        raise ValueError(
            message(
                f"Column {name!r} of texts must have at most {most} different ones, and fewer than "
                "half as many as rows",
                f"{len(categories)} in {len(there)} rows, such as {categories[0]!r}",
                "Leave it out with drop_columns (--drop), or as what names the rows, with "
                "id_column (--id-column).",
            )
        )
    return Column(name, CATEGORICAL, categories=categories, count=len(values))


def as_columns(value):
    """Return a tuple of `Column`s of what may be their configs.

    Args:
        value: list of `Column`s or of dicts.

    Raises:
        ValueError: if there is none, or one is something else.
    """
    value = tuple(Column(**one) if isinstance(one, dict) else one for one in value or ())
    if not value or not all(isinstance(one, Column) for one in value):
        raise ValueError(
            message(
                "`columns` must be a list of keras_vae.columns.Column",
                f"{value!r}",
                'Take those of keras_vae.data.load("table.csv").columns.',
            )
        )
    return value


def config(columns):
    """Return columns as a list of dicts, which JSON can hold.

    Args:
        columns: list of `Column`s.
    """
    return [{**dataclasses.asdict(one), "categories": list(one.categories)} for one in columns]


def _check_any(name, there, count):
    if not len(there):
        raise ValueError(
            message(
                f"Column {name!r} must hold at least one value",
                f"none in {count} rows",
                "Leave it out with drop_columns (--drop).",
            )
        )
