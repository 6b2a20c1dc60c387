"""A VAE for the rows of a table of numbers, built and trained by what the rows tell."""

import math

import keras
import numpy as np
from sklearn.utils.validation import validate_data

from keras_vae import data, likelihoods, networks
from keras_vae.checks import integer
from keras_vae.model import VAE

_BATCH = 64
_STEPS = 2000
_LEARNING_RATE = 3e-3


def rows(estimator, X, reset):
    """Return rows as scikit-learn checks them, float64 `(N, columns)`, NaN for what is missing.

    Args:
        estimator: the scikit-learn estimator that is given them, which remembers their columns.
        X: array-like `(N, columns)`.
        reset: bool, whether these are the rows that it is fitted to.
    """
    X = validate_data(
        estimator,
        X,
        reset=reset,
        dtype="float64",
        ensure_all_finite="allow-nan",
        ensure_min_samples=2 if reset else 1,
    )
    # What float32 has no number for is as far out as it can say.
    return np.clip(X, -1e30, 1e30)


def train(X, latent_dim, epochs, seed):
    """Return a VAE trained on rows.

    Args:
        X: array `(N, columns)`, NaN for what is missing.
        latent_dim: int >= 1.
        epochs: int >= 1, or None for about 2,000 steps.
        seed: int >= 0, of the networks, the order of the rows and the noise.
    """
    rows = data.load(
        X,
        batch_size=_BATCH,
        validation_fraction=0,
        test_fraction=0,
        shuffle_seed=seed,
        progress=False,
    )
    epochs = math.ceil(_STEPS / len(rows.train)) if epochs is None else integer("epochs", epochs, 1)
    vae = VAE(
        networks.table_encoder(rows.columns, latent_dim, seed=seed),
        networks.table_decoder(rows.columns, latent_dim, seed=seed + 1),
        likelihood=likelihoods.Tabular(rows.columns),
        seed=(seed + 2) % 2**31,
    )
    schedule = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, epochs * len(rows.train))
    vae.compile(keras.optimizers.Adam(schedule))
    vae.fit(rows.train, epochs=epochs, verbose=0)
    return vae
