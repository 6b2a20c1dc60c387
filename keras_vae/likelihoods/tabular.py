"""The likelihood of the rows of a table: numbers, categories, and what is missing."""

import math

import numpy as np
from keras import ops

from keras_vae import checks, random
from keras_vae.columns import as_columns, config
from keras_vae.distributions import normal_log_prob
from keras_vae.likelihoods.base import Likelihood, first_largest
from keras_vae.registry import register

_FARTHEST = 1e15


@register
class Tabular(Likelihood):
    """Rows of a table whose columns are described: p(x|z) = prod_i p_i(x_i|z) over those there.

    A number, or its power transform where the column has one (Yeo & Johnson 2000, eq. 2.1), is
    normal about the decoder's mean, in units of the column's scale and with a standard deviation
    that is learnt for each column; its density is that of the number itself. A category
    is one of those seen in training, or with probability 1 / (rows seen + 1) one that was not. What
    is missing has no part in it, which is the likelihood of the rest (Nazabal et al. 2020, eq. 3,
    https://arxiv.org/abs/1807.03653).

    Args:
        columns: list of `keras_vae.columns.Column`, such as those of loaded data, or their configs.

    Input shape:
        x: `(B, columns)`: a number as it is, a category by its place in `column.categories`, or
            their number where it is none of them, NaN where the value is missing.

    Output shape:
        of `mean`: `(B, columns)`, in the same code; of a category the most likely one, of a number
            the mean, or with a power transform the median.

    Raises:
        ValueError: if `columns` are none, or the data do not fit them.

    Example:

    >>> from keras_vae.columns import Column
    >>> likelihood = Tabular([Column("weight", center=70.0, scale=10.0)])
    >>> x = np.float32([[70.0], [np.nan]])
    >>> log_prob = likelihood.log_prob(x, np.zeros((2, 1), "float32"))
    >>> [round(float(value), 4) for value in log_prob]
    [-3.2215, 0.0]
    """

    _MIN_LOG_VAR, _MAX_LOG_VAR = -12.0, 10.0

    def __init__(self, columns=None, **kwargs):
        super().__init__(**kwargs)
        self.columns = as_columns(columns)
        self._sizes = [len(column.categories) or 1 for column in self.columns]
        self._numbers = np.array([not column.is_categorical for column in self.columns])
        self.is_discrete = not self._numbers.any()
        # Without a number there is nothing that it would be learnt from.
        self.log_var = self.add_weight(
            name="log_var",
            shape=(len(self.columns),),
            initializer="zeros",
            trainable=bool(self._numbers.any()),
        )

    def params_shape(self, event_shape):
        if tuple(event_shape) != (len(self.columns),):
            raise ValueError(
                checks.message(
                    f"`x` must have the {len(self.columns)} columns of the likelihood",
                    f"examples of shape {tuple(event_shape)}",
                )
            )
        return (sum(self._sizes),)

    def check_values(self, x):
        if x.dtype.kind not in "biuf" or not x.size:
            received = f"values of type {x.dtype}" if x.size else "none"
            raise ValueError(checks.message("`x` must hold rows of numbers", received))
        self.check(x)

    def check(self, x):
        x = np.asarray(x, "float32")
        for index, column in enumerate(self.columns):
            values = x[..., index]
            values = values[~np.isnan(values)]
            if not column.is_categorical:
                legal, fix = np.isfinite(values), "Write NaN for what is missing."
            else:
                top = len(column.categories)
                legal = (values == np.floor(values)) & (values >= 0) & (values <= top)
                fix = f"Give places in its categories, 0 to {top - 1}, or {top} for another one."
            if not legal.all():
                received = f"{values[~legal][0]:g}"
                expectation = f"{column.kind.capitalize()} column {column.name!r} must hold "
                expectation += "places of categories" if column.is_categorical else "finite numbers"
                raise ValueError(checks.message(expectation, received, fix))

    def element_log_prob(self, x, params, training=False):
        missing = ops.isnan(x)
        # By this very test: the converter to ONNX multiplies where another one chooses.
        x = ops.where(missing, ops.zeros_like(x), x)
        each = []
        for index, own in enumerate(self._split_params(params)):
            column = self.columns[index]
            values = x[..., index]
            if column.is_categorical:
                each.append(self._of_category(column, values, own))
            else:
                each.append(self._of_number(index, values, own[..., 0]))
        return ops.where(missing, 0.0, ops.stack(each, axis=-1))

    def mean(self, params):
        each = []
        for index, own in enumerate(self._split_params(params)):
            if self._numbers[index]:
                each.append(self.columns[index].restore(own[..., 0]))
            else:
                each.append(first_largest(own))
        return ops.stack(each, axis=-1)

    def sample(self, params, seed):
        seeds = random.as_row_seeds(seed, params.shape[0])
        count = len(self.columns)
        normals = random.normals(seeds, count, stream=random.PIXELS)
        uniforms = random.uniforms(random.derived(seeds, 0), count, stream=random.PIXELS)
        each = []
        for index, own in enumerate(self._split_params(params)):
            if self._numbers[index]:
                z = own[..., 0] + ops.exp(0.5 * self._log_var(index)) * normals[:, index]
                each.append(self.columns[index].restore(z))
            else:
                above = uniforms[:, index, None] > ops.cumsum(ops.softmax(own), axis=-1)[:, :-1]
                each.append(ops.sum(ops.cast(above, "float32"), axis=-1))
        return ops.stack(each, axis=-1)

    def bias(self, mean):
        # The mean of places of categories says nothing, and standardised numbers have the mean 0.
        return np.zeros((*np.shape(mean)[:-1], sum(self._sizes)), "float32")

    def get_config(self):
        return {**super().get_config(), "columns": config(self.columns)}

    def _of_number(self, index, values, mean):
        column = self.columns[index]
        # What is farther out would overflow when it is squared.
        standard = ops.clip(column.standardize(values), -_FARTHEST, _FARTHEST)
        log_prob = normal_log_prob(standard, mean, self._log_var(index))
        return log_prob + column.log_slope(values)

    def _of_category(self, column, values, logits):
        unseen = 1.0 / (column.count + 1.0)
        size = len(column.categories)
        chosen = ops.cast(values[..., None] == np.arange(size, dtype="float32"), "float32")
        seen = ops.sum(chosen * logits, axis=-1) - ops.logsumexp(logits, axis=-1)
        return ops.where(values < size, seen + math.log1p(-unseen), math.log(unseen))

    def _log_var(self, index):
        log_var = ops.convert_to_tensor(self.log_var)[index]
        return ops.clip(log_var, self._MIN_LOG_VAR, self._MAX_LOG_VAR)

    def _split_params(self, params):
        ends = np.cumsum(self._sizes)
        return [params[..., end - size : end] for end, size in zip(ends, self._sizes, strict=True)]
