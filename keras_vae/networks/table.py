"""Dense networks for the rows of a table, which standardise them by what the columns tell."""

import keras

from keras_vae.columns import as_columns
from keras_vae.layers import TableFeatures
from keras_vae.likelihoods import Tabular
from keras_vae.networks import parts
from keras_vae.networks.mlp import hidden, mlp_decoder

_UNITS = (64, 64)


def table_encoder(columns, latent_dim, units=_UNITS, activation="relu", context_dim=0, seed=None):
    """Build an encoder of rows as `likelihoods.Tabular` takes them.

    Args:
        columns: list of `keras_vae.columns.Column`, which are saved with the encoder.
        latent_dim: int >= 1, D.
        units: tuple of ints >= 1, the width of each hidden layer, from the row on.
        activation: str or callable, of the hidden layers.
        context_dim: int >= 0, the size of a third output for a posterior with a flow; 0: none.
        seed: int or None, the seed of the initial weights.

    Returns:
        A `keras.Model`: `(B, columns)` to a pair of `(B, D)`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> from keras_vae.columns import Column
    >>> table_encoder([Column("weight"), Column("height")], latent_dim=2).output_shape
    [(None, 2), (None, 2)]
    """
    columns = as_columns(columns)
    shape, latent_dim = parts.check_shapes((len(columns),), latent_dim)
    initializers = parts.Initializers(seed)
    inputs = keras.Input(shape, name="row")
    x = hidden(TableFeatures(columns)(inputs), units, activation, False, initializers)
    outputs = parts.posterior_head(x, latent_dim, context_dim, initializers)
    return keras.Model(inputs, outputs, name="encoder")


def table_decoder(columns, latent_dim, units=_UNITS, activation="relu", seed=None):
    """Build a decoder that gives the parameters of `likelihoods.Tabular`.

    Arguments and errors are those of `table_encoder`.

    Returns:
        A `keras.Model`: `(B, D)` to the parameters of all columns.
    """
    columns = as_columns(columns)
    shape = Tabular(columns).params_shape((len(columns),))
    return mlp_decoder(shape, latent_dim, units=units, activation=activation, seed=seed)
