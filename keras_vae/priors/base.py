"""p(z): the distribution that the latent variable has before any data."""

import abc

from keras import ops

from keras_vae import random
from keras_vae.distributions import normal_log_prob, standard_normal_kl
from keras_vae.registry import Part, register


class Prior(Part, abc.ABC):
    """Base class of p(z). Build it with the shape of z, `(None, D)`.

    Attributes:
        latent_dim: int, D, once built.
        uniform_dim: int, how many uniform numbers `transform` takes for a row.
        is_factorized: bool, whether the units are independent of each other.
        needs_gaussian_posterior: bool, whether it uses q(z|x) as a normal distribution.
    """

    uniform_dim = 0
    is_factorized = False
    needs_gaussian_posterior = False
    latent_dim = None

    def build(self, input_shape):
        self.latent_dim = input_shape[-1]
        self.built = True

    def bind(self, encoder, encode, event_shape):
        """Take what a prior needs of the VAE that it belongs to.

        Args:
            encoder: the VAE's encoder.
            encode: function of x `(K, *event)` that gives the parameters of q(z|x).
            event_shape: tuple of ints, the shape of one example.
        """

    def start_at(self, z):
        """Set what is to be trained to where draws z `(N, D)` lie, a NumPy array.

        Args:
            z: float array `(N, D)`.
        """

    @property
    def noise_dim(self):
        """How many normal numbers `transform` takes for a row."""
        return self.latent_dim

    @abc.abstractmethod
    def log_prob(self, z):
        """Return log p(z) in nats.

        Args:
            z: float tensor `(..., D)`.

        Output shape:
            `(...)`.
        """

    def kl(self, z_mean, z_log_var):
        """Return KL(N(z_mean, exp(z_log_var)) || p(z)) `(B,)` in nats, or None if not closed.

        Args:
            z_mean, z_log_var: float tensors `(B, D)`.
        """
        return None

    @abc.abstractmethod
    def transform(self, normals, uniforms, temperature):
        """Turn base noise into a draw of z.

        Args:
            normals: float tensor `(B, noise_dim)`.
            uniforms: float tensor `(B, uniform_dim)`, or None where `uniform_dim` is 0.
            temperature: float tensor `(B,)`, 1 for the prior itself, 0 for its centre or centres.

        Output shape:
            `(B, D)`.
        """

    def sample(self, n, seed=None, temperature=1.0):
        """Draw z from the prior.

        Args:
            n: int, how many.
            seed: None, int, or the row seeds: a list or array of n int32.
            temperature: float >= 0, or one for each row.

        Output shape:
            `(n, D)`.
        """
        temperature = ops.broadcast_to(ops.convert_to_tensor(temperature, "float32"), (n,))
        return self.sample_rows(random.as_row_seeds(seed, n), temperature)

    def sample_rows(self, seeds, temperature):
        """Draw z for tensors of row seeds `(B,)` int32 and temperatures `(B,)`: `(B, D)`.

        Args:
            seeds: int32 tensor `(B,)`, row seeds.
            temperature: float tensor `(B,)`.

        Output shape:
            `(B, D)`.
        """
        uniforms = None
        if self.uniform_dim:
            uniforms = random.uniforms(seeds, self.uniform_dim, stream=random.PRIOR_UNIFORM)
        normals = random.normals(seeds, self.noise_dim, stream=random.PRIOR)
        return self.transform(normals, uniforms, temperature)


@register
class StandardNormal(Prior):
    """p(z) = N(0, I).

    Example:

    >>> prior = StandardNormal()
    >>> prior.build((None, 2))
    >>> prior.sample(3, seed=7).shape
    TensorShape([3, 2])
    """

    is_factorized = True

    def log_prob(self, z):
        return ops.sum(normal_log_prob(z, 0.0, 0.0), axis=-1)

    def kl(self, z_mean, z_log_var):
        return standard_normal_kl(z_mean, z_log_var)

    def transform(self, normals, uniforms, temperature):
        return normals * temperature[:, None]
