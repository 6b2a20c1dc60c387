"""The likelihood of rows whose columns are of different kinds."""

import keras
import numpy as np
from keras import ops

from keras_vae import checks, random
from keras_vae.likelihoods import names
from keras_vae.likelihoods.base import Likelihood
from keras_vae.registry import register


@register
class Product(Likelihood):
    """Independent likelihoods of neighbouring columns: p(x|z) = prod_i p_i(x_i|z).

    Args:
        likelihoods: list of `Likelihood`s or their names, one for each group of columns.
        sizes: list of ints >= 1, the columns of each group; one each by default.

    Input shape:
        x: `(B, ..., columns)`. The decoder gives `params_shape` of it: build one with
        `mlp_decoder(likelihood.params_shape((columns,)), latent_dim)`.

    Raises:
        ValueError: if `sizes` do not fit `likelihoods`, or the columns do not fit the data.

    Example:

    >>> from keras_vae.likelihoods import Categorical, Gaussian
    >>> likelihood = Product([Gaussian("learned"), Categorical(5)], sizes=[3, 1])
    >>> likelihood.params_shape((4,))
    (8,)
    """

    def __init__(self, likelihoods, sizes=None, **kwargs):
        super().__init__(**kwargs)
        _check_list("likelihoods", likelihoods)
        self.likelihoods = [names.get(value) for value in likelihoods]
        sizes = [1] * len(self.likelihoods) if sizes is None else sizes
        _check_list("sizes", sizes)
        self.sizes = [checks.integer("sizes", size, 1) for size in sizes]
        if not self.sizes or len(self.sizes) != len(self.likelihoods):
            raise ValueError(
                checks.message(
                    "`sizes` must have one number of columns for each likelihood",
                    f"{len(self.sizes)} sizes for {len(self.likelihoods)} likelihoods",
                )
            )
        self.is_discrete = all(part.is_discrete for part in self.likelihoods)

    def build(self, input_shape):
        for part in self.likelihoods:
            if not part.built:
                part.build(input_shape)
        self.built = True

    @property
    def units(self):
        kinds = sorted({part.units for part in self.likelihoods})
        return " and ".join(kinds)

    def params_shape(self, event_shape):
        if event_shape[-1] != sum(self.sizes):
            raise ValueError(
                checks.message(
                    f"`sizes` must add up to the data's {event_shape[-1]} columns",
                    f"sizes={self.sizes}, together {sum(self.sizes)}",
                )
            )
        return (*event_shape[:-1], sum(self._param_sizes))

    def check(self, x):
        first = 0
        for part, columns in zip(self.likelihoods, self._columns(x), strict=True):
            try:
                part.check(columns)
            except ValueError as error:
                last = first + columns.shape[-1] - 1
                where = f"column {first}" if first == last else f"columns {first} to {last}"
                raise ValueError(f"In {where}: {error}") from None
            first += columns.shape[-1]

    def is_grey(self, x):
        pairs = zip(self.likelihoods, self._columns(x), strict=True)
        return np.concatenate([part.is_grey(columns) for part, columns in pairs], axis=-1)

    def log_prob(self, x, params, training=False):
        return sum(self._each("log_prob", x, params, training))

    def element_log_prob(self, x, params, training=False):
        return ops.concatenate(self._each("element_log_prob", x, params, training), axis=-1)

    def mean(self, params):
        pairs = zip(self.likelihoods, self._params(params), strict=True)
        return ops.concatenate([part.mean(own) for part, own in pairs], axis=-1)

    def sample(self, params, seed):
        # Seeds of its own for each, or the draws of equal columns would be equal.
        seeds = random.as_row_seeds(seed, params.shape[0])
        pairs = zip(self.likelihoods, self._params(params), strict=True)
        draws = [
            part.sample(own, random.derived(seeds, index))
            for index, (part, own) in enumerate(pairs)
        ]
        return ops.concatenate(draws, axis=-1)

    def bias(self, mean):
        pairs = zip(self.likelihoods, self._columns(np.asarray(mean)), strict=True)
        return np.concatenate([part.bias(columns) for part, columns in pairs], axis=-1)

    def _each(self, method, x, params, training):
        groups = zip(self.likelihoods, self._columns(x), self._params(params), strict=True)
        return [getattr(part, method)(columns, own, training) for part, columns, own in groups]

    @property
    def _param_sizes(self):
        pairs = zip(self.likelihoods, self.sizes, strict=True)
        return [part.params_per_channel * size for part, size in pairs]

    def _columns(self, x):
        return _cut(x, self.sizes)

    def _params(self, params):
        return _cut(params, self._param_sizes)

    def get_config(self):
        parts = [keras.saving.serialize_keras_object(part) for part in self.likelihoods]
        return {**super().get_config(), "likelihoods": parts, "sizes": self.sizes}


def _check_list(name, value):
    if not isinstance(value, (list, tuple)):
        raise ValueError(
            checks.message(
                f"`{name}` must be a list, one entry for each group of columns",
                f"{name}={value!r}",
                f"Write {name}=[...].",
            )
        )


def _cut(values, sizes):
    """Return the parts of the last axis."""
    ends = np.cumsum(sizes)
    return [values[..., end - size : end] for end, size in zip(ends, sizes, strict=True)]
