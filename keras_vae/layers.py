"""Layers that encoders and decoders are made of."""

import keras
import numpy as np
from keras import ops

from keras_vae.columns import as_columns, config
from keras_vae.registry import register


@register
class Sampling(keras.layers.Layer):
    """Draw z from q(z|x) = N(z_mean, exp(z_log_var)) by the reparameterisation trick.

    z = z_mean + exp(z_log_var / 2) * noise, through which gradients reach the mean and the
    variance (Kingma & Welling 2014, section 2.4, https://arxiv.org/abs/1312.6114).
    It computes in float32 whatever the policy.

    Args:
        seed: int or None, the seed of the noise that the layer draws when it is given none.

    Input shape:
        pair `(z_mean, z_log_var)`, each `(B, D)`.

    Output shape:
        `(B, D)`, or `(K, B, D)` with noise of that shape. Without noise it draws only with
        `training=True` and returns `z_mean` otherwise.

    Example:

    >>> import numpy as np
    >>> z = Sampling()([np.zeros((1, 2)), np.zeros((1, 2))], noise=np.ones((1, 2)))
    >>> np.asarray(z).tolist()
    [[1.0, 1.0]]
    """

    def __init__(self, seed=None, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, noise=None, training=None):
        z_mean, z_log_var = inputs
        if noise is None:
            if not training:
                return z_mean
            noise = keras.random.normal(ops.shape(z_mean), seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * noise

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@register
class TableFeatures(keras.layers.Layer):
    """Turn rows of a table into numbers that a dense network can take.

    A number is standardised by its column's power, centre and scale, a category becomes a one in
    its place, and each column has a number more that is 1 where the value is missing. What is
    missing, and a category that was not seen in training, is 0 elsewhere.

    Args:
        columns: list of `keras_vae.columns.Column` or their configs.

    Input shape:
        `(B, columns)`, as `likelihoods.Tabular` takes it.

    Output shape:
        `(B, F)`.

    Example:

    >>> import numpy as np
    >>> from keras_vae.columns import Column
    >>> layer = TableFeatures([Column("a", center=1.0, scale=2.0), Column("b", "categorical",
    ...                       categories=("x", "y"))])
    >>> np.asarray(layer(np.float32([[5.0, 1.0], [np.nan, 0.0]]))).tolist()
    [[2.0, 0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0, 0.0]]
    """

    # Farther out than this many standard deviations, an outlier would fill the whole network.
    _FARTHEST = 1e3

    def __init__(self, columns=None, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.columns = as_columns(columns)
        # What stands for a missing value: the centre, and no place of a category.
        self._instead = np.float32(
            [-1 if c.is_categorical else float(c.restore(0.0)) for c in self.columns]
        )

    def call(self, inputs):
        isnan = ops.isnan(inputs)
        missing = ops.cast(isnan, self.compute_dtype)
        # By this very test: the converter to ONNX multiplies where another one chooses.
        filled = ops.where(isnan, self._instead, inputs)
        features = []
        for index, column in enumerate(self.columns):
            if column.is_categorical:
                places = np.arange(len(column.categories), dtype="float32")
                features.append(ops.cast(filled[:, index, None] == places, self.compute_dtype))
            else:
                standard = column.standardize(filled[:, index, None])
                features.append(ops.clip(standard, -self._FARTHEST, self._FARTHEST))
        return ops.concatenate([*features, missing], axis=-1)

    def compute_output_shape(self, input_shape):
        sizes = sum(len(column.categories) or 1 for column in self.columns)
        return (input_shape[0], sizes + len(self.columns))

    def get_config(self):
        return {**super().get_config(), "columns": config(self.columns)}


@register
class Beside(keras.layers.Layer):
    """Put a vector beside each place of an example, as further channels.

    Input shape:
        pair of `(B, ..., F)` and `(B, C)`.

    Output shape:
        `(B, ..., F + C)`.

    Example:

    >>> import numpy as np
    >>> Beside()([np.zeros((1, 4, 4, 3)), np.ones((1, 2))]).shape
    TensorShape([1, 4, 4, 5])
    """

    def __init__(self, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)

    def call(self, inputs):
        x, vector = inputs
        between = (1,) * (len(x.shape) - 2)
        vector = ops.reshape(vector, (-1, *between, vector.shape[-1]))
        vector = ops.cast(vector, x.dtype)
        return ops.concatenate([x, ops.zeros_like(x[..., :1]) + vector], axis=-1)

    def compute_output_shape(self, input_shape):
        shape, vector = input_shape
        return (*shape[:-1], shape[-1] + vector[-1])


@register
class Given(keras.layers.Layer):
    """Give the same vector for each example of a batch.

    Args:
        vector: list of floats.

    Input shape:
        `(B, ...)`.

    Output shape:
        `(B, len(vector))`.

    Example:

    >>> import numpy as np
    >>> np.asarray(Given([1.0, 0.0])(np.zeros((2, 5)))).tolist()
    [[1.0, 0.0], [1.0, 0.0]]
    """

    def __init__(self, vector, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.vector = [float(value) for value in vector]

    def call(self, inputs):
        rows = ops.shape(inputs)[0]
        return ops.tile(ops.convert_to_tensor([self.vector], "float32"), (rows, 1))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], len(self.vector))

    def get_config(self):
        return {**super().get_config(), "vector": self.vector}
