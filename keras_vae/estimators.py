"""A VAE as scikit-learn's transformers: in pipelines, grid searches and cross-validation."""

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted

from keras_vae import tabular
from keras_vae.checks import message
from keras_vae.parts import in_parts

_DRAWS = 16


class VAETransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Embed rows in the latent space of a VAE, as scikit-learn's transformers.

    Without a trained VAE it trains one of its own on the rows of a table of numbers, where NaN is a
    missing value.

    Args:
        vae: trained `VAE`, whose training `fit` leaves as it is, or None to train one.
        latent_dim: int >= 1, the columns of the embedding, of a VAE of its own.
        epochs: None or int >= 1, of its training; None for about 2,000 steps.
        random_state: None, int or `numpy.random.RandomState`, of its training.

    Input shape:
        `(N, columns)`; with a trained VAE `(N, prod(event))`, each example in a row.

    Output shape:
        `(N, D)`, the centres of q(z|x).

    Attributes:
        vae_: the `VAE`.
        n_features_in_: int.

    Example:

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 1)) * np.ones(4)
    >>> transformer = VAETransformer(latent_dim=1, random_state=0)
    >>> z = transformer.fit_transform(x)
    >>> bool(abs(np.corrcoef(z[:, 0], x[:, 0])[0, 1]) > 0.95)
    True
    """

    def __init__(self, vae=None, latent_dim=2, epochs=None, random_state=None):
        self.vae = vae
        self.latent_dim = latent_dim
        self.epochs = epochs
        self.random_state = random_state

    def fit(self, X, y=None):
        """Train the VAE, unless a trained one was given.

        Args:
            X: array `(N, columns)`.
            y: ignored.
        """
        X = tabular.rows(self, X, reset=True)
        if self.vae is not None:
            expected = int(np.prod(self.vae.event_shape))
            if self.n_features_in_ != expected:
                raise ValueError(
                    message(
                        f"`X` must have the {expected} columns of the VAE's examples",
                        f"{self.n_features_in_}",
                        "Give images as rows: images.reshape(len(images), -1).",
                    )
                )
            self.vae_ = self.vae
        else:
            seed = check_random_state(self.random_state).randint(2**31 - 1)
            self.vae_ = tabular.train(X, self.latent_dim, self.epochs, seed)
        self._n_features_out = self.vae_.latent_dim
        return self

    def transform(self, X):
        """Return the centres of q(z|x), `(N, D)`.

        Args:
            X: float array `(N, columns)`.
        """
        x = self._examples(X)
        return in_parts(self.vae_.embed, x)

    def inverse_transform(self, X):
        """Return the means of p(x|z), `(N, columns)`, for z `(N, D)`.

        Args:
            X: float array `(N, D)`.
        """
        check_is_fitted(self, "vae_")
        z = check_array(X, dtype="float32")
        if z.shape[1] != self.vae_.latent_dim:
            raise ValueError(
                message(
                    f"`X` must have {self.vae_.latent_dim} columns, those of z", f"{z.shape[1]}"
                )
            )
        return in_parts(self.vae_.decode, z).reshape(len(z), -1)

    def score(self, X, y=None):
        """Return the mean ELBO of the rows in nats, by which a grid search can choose.

        Args:
            X: array `(N, columns)`.
            y: ignored.
        """
        x = self._examples(X)
        return float(self.vae_.elbo(x, num_samples=_DRAWS, seed=0).mean())

    def _examples(self, X):
        check_is_fitted(self, "vae_")
        rows = tabular.rows(self, X, reset=False).astype("float32")
        return rows.reshape(-1, *self.vae_.event_shape)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
