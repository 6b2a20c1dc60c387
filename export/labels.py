"""The labels that a file takes beside its other inputs: what is legal, and which to try."""

from typing import NamedTuple

import numpy as np

from export.errors import message
from export.formats import LABEL

# Stands for no label where labels are classes.
NONE = -1
_SEED = 13


class Labels(NamedTuple):
    """What the labels of a model are: classes, or vectors.

    Attributes:
        num_classes: int, the labels are 0 to num_classes - 1 and -1 for none; None for vectors.
        condition_dim: int, the numbers of a vector; None for classes.
        needed_by: tuple of str, the endpoints in which none may be left out.
    """

    num_classes: int | None
    condition_dim: int | None
    needed_by: tuple = ()

    @classmethod
    def of(cls, metadata):
        """Return the labels that a file's metadata tell of, or None if it takes none."""
        kind = metadata.get("num_classes"), metadata.get("condition_dim")
        return cls(*kind, tuple(metadata.get("label_needed_by") or ())) if any(kind) else None

    @property
    def row_shape(self):
        return () if self.num_classes else (self.condition_dim,)

    @property
    def dtype(self):
        return "int32" if self.num_classes else "float32"

    @property
    def words(self):
        """Say what a label is."""
        if self.num_classes:
            return f"one of the classes 0 to {self.num_classes - 1}"
        return f"a vector of {self.condition_dim} finite numbers"

    @property
    def example(self):
        """The numbers of one that is legal everywhere, a tuple."""
        return (0,) if self.num_classes else (0.5,) * self.condition_dim

    @property
    def in_python(self):
        """Say how it is given."""
        return f"{LABEL}={0 if self.num_classes else list(self.example)}"

    def may_be_left_out(self, endpoint):
        """Whether an endpoint runs without a label."""
        return endpoint not in self.needed_by

    def check(self, label, rows, endpoint, path):
        """Return labels for so many rows, as the file takes them.

        Args:
            label: None, one label for all rows, or one for each.
            rows: int.
            endpoint: str.
            path: of the file, for the error.

        Output shape:
            `(rows,)` int32 or `(rows, C)` float32.

        Raises:
            ValueError: if one is no label of the model, or is missing where there must be one.
        """
        expected = f"`{endpoint}` of {path} takes as `label` {self.words}"
        can_miss = self.may_be_left_out(endpoint)
        expected += f", or {NONE} for none" if can_miss else ""
        if label is None and can_miss:
            label = NONE
        if label is None:
            raise ValueError(message(expected, "no label", f"Give it: {self.in_python}."))
        value = _as_array(label)
        is_legal = value is not None and value.dtype.kind in ("iu" if self.num_classes else "iuf")
        if not is_legal or not value.size:
            received = repr(label) if value is None else f"{label!r} of type {value.dtype}"
            raise ValueError(message(expected, received, f"Such as {self.in_python}."))
        self._check_values(value, expected, 0 if not can_miss else NONE)
        shape = (rows, *self.row_shape)
        value = value if self.num_classes else np.atleast_1d(value)
        if value.shape not in (shape, shape[1:]):
            expected = f"`label` of `{endpoint}` must be of shape {shape[1:]}, for all, or {shape}"
            raise ValueError(message(expected, f"shape {value.shape}", "Give one for each row."))
        return np.ascontiguousarray(np.broadcast_to(value, shape), self.dtype)

    def examples(self, count, endpoint=None):
        """Return labels of every kind that an endpoint takes, by turns, or of many evenly chosen.

        Output shape:
            `(count,)` int32 or `(count, C)` float32.
        """
        if not self.num_classes:
            drawn = np.random.default_rng(_SEED).standard_normal((count, self.condition_dim))
            return drawn.astype(self.dtype)
        # None comes second: the first two rows are what golden requests hold.
        kinds = np.r_[0, NONE, 1 : self.num_classes].astype(self.dtype)
        if not self.may_be_left_out(endpoint):
            kinds = kinds[kinds != NONE]
        if len(kinds) > count:
            kinds = kinds[np.linspace(0, len(kinds) - 1, count).round().astype(int)]
        return np.resize(kinds, count)

    def _check_values(self, value, expected, least):
        if self.num_classes:
            wrong = value[(value < least) | (value >= self.num_classes)]
        else:
            wrong = value[~np.isfinite(value)]
        if wrong.size:
            shown = ", ".join(map(str, np.unique(wrong)[:5]))
            raise ValueError(message(expected, shown, f"Such as {self.in_python}."))


def refuse(label, path):
    """Raise `ValueError` if there is a label for a file that takes none."""
    if label is not None:
        raise ValueError(
            message(
                f"{path} takes no `label`, since its model was trained without labels",
                f"label={label!r}",
                "Leave the label out, or export a keras_vae.ConditionalVAE.",
            )
        )


def _as_array(value):
    """Return a value as an array, or None if it makes none."""
    try:
        return np.asarray(value)
    except ValueError:  # Rows of several lengths.
        return None
