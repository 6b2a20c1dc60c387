"""Linear-Gaussian models, whose every density is known: x = z W + b + noise, z ~ N(0, I)."""

import keras
import numpy as np
from scipy import stats

import keras_vae as kv


class LinearGaussian:
    """The model, its exact density, and VAEs of it.

    Args:
        weights: W, `(D, F)`.
        scale: the standard deviation of the noise.
    """

    def __init__(self, weights, scale=0.7):
        # The exact density is that of the numbers that the network has.
        self.weights = np.asarray(weights, "float32").astype("float64")
        self.scale = scale
        self.latent_dim, self.pixels = self.weights.shape
        self.bias = np.linspace(-1, 1, self.pixels, dtype="float32").astype("float64")
        noise = scale**2 * np.eye(self.pixels)
        self.density = stats.multivariate_normal(
            self.bias, self.weights.T @ self.weights + noise, seed=5
        )
        self.precision = np.eye(self.latent_dim) + self.weights @ self.weights.T / scale**2
        self.to_mean = self.weights.T @ np.linalg.inv(self.precision) / scale**2

    def draw(self, n):
        """Return n examples."""
        x = self.density.rvs(n, random_state=1)
        return np.reshape(x, (n, self.pixels)).astype("float32")

    def log_prob(self, x):
        """Return the exact log p(x)."""
        return self.density.logpdf(np.asarray(x, "float64").reshape(-1, self.pixels))

    def posterior(self, x):
        """Return the means of p(z|x) and its covariance."""
        return (x - self.bias) @ self.to_mean, np.linalg.inv(self.precision)

    def vae(self, stretch=1.0, shift=0.0, **parts):
        """Return a VAE whose q(z|x) has the means and the variances of p(z|x), or is off.

        It is p(z|x) where the rows of W are orthogonal and nothing is off.
        """
        image, z = keras.Input((self.pixels,)), keras.Input((self.latent_dim,))
        mean, log_var, out = (
            keras.layers.Dense(size, name=name)
            for size, name in (
                (self.latent_dim, "z_mean"),
                (self.latent_dim, "z_log_var"),
                (self.pixels, "out"),
            )
        )
        options = {"likelihood": kv.likelihoods.Gaussian(self.scale), "seed": 0, **parts}
        vae = kv.VAE(
            keras.Model(image, [mean(image), log_var(image)]), keras.Model(z, out(z)), **options
        )
        mean.set_weights([self.to_mean, shift - self.bias @ self.to_mean])
        values = np.log(stretch**2 * np.diag(np.linalg.inv(self.precision)))
        log_var.set_weights([np.zeros((self.pixels, self.latent_dim)), values])
        out.set_weights([self.weights, self.bias])
        return vae


def orthogonal(latent_dim, pixels, rank, seed=0):
    """Return a model with `rank` orthogonal rows; the others are zero."""
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(pixels, pixels)))
    weights = np.zeros((latent_dim, pixels))
    weights[:rank] = basis[:rank] * np.linspace(0.5, 1.5, rank)[:, None]
    return LinearGaussian(weights)


def oblique(latent_dim, pixels, rank, seed=0):
    """Return a model whose W is a product of rank `rank`, so that p(z|x) is correlated."""
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=(latent_dim, rank)), rng.normal(size=(rank, pixels))
    return LinearGaussian(0.7 * left @ right / np.sqrt(rank))
