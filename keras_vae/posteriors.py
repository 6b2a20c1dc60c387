"""q(z|x): the family that the encoder's outputs are the parameters of."""

from typing import NamedTuple

from keras import ops

from keras_vae.distributions import LOG_TWO_PI
from keras_vae.layers import Sampling
from keras_vae.registry import Part, register, resolve


class Posterior(NamedTuple):
    """The parameters of q(z|x) for a batch: `z_mean` and `z_log_var`, each `(B, D)` float32."""

    z_mean: object
    z_log_var: object


@register
class DiagonalGaussian(Part):
    """q(z|x) = N(z_mean, diag(exp(z_log_var))).

    Example:

    >>> import numpy as np
    >>> q = DiagonalGaussian()
    >>> zeros = np.zeros((1, 2), "float32")
    >>> z, log_qz = q.sample(Posterior(zeros, zeros), np.zeros((3, 1, 2), "float32"))
    >>> z.shape, log_qz.shape
    (TensorShape([3, 1, 2]), TensorShape([3, 1]))
    """

    # The widest range in which exp() of the log-variance and of its opposite stay far from
    # float32's limits.
    _MIN_LOG_VAR, _MAX_LOG_VAR = -20.0, 20.0

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.sampling = Sampling()

    def build(self, input_shape):
        self.sampling.build(input_shape)
        self.built = True

    def parameters(self, outputs):
        """Return the `Posterior` of an encoder's outputs, in float32, its log-variance clipped."""
        z_mean, z_log_var = (ops.cast(output, "float32") for output in outputs[:2])
        return Posterior(z_mean, ops.clip(z_log_var, self._MIN_LOG_VAR, self._MAX_LOG_VAR))

    def sample(self, posterior, noise):
        """Draw z and its log-density.

        Args:
            posterior: `Posterior` of `(B, D)` tensors.
            noise: standard normal tensor `(K, B, D)`.

        Returns:
            z `(K, B, D)` and log q(z|x) `(K, B)` in nats.
        """
        z = self.sampling(list(posterior), noise=noise)
        # From the noise: z is rounded, and (z - z_mean) / scale with it.
        log_qz = -0.5 * (LOG_TWO_PI + posterior.z_log_var + ops.square(noise))
        return z, ops.sum(log_qz, axis=-1)

    def embed(self, posterior):
        """Return the centre of q(z|x), `(B, D)`."""
        return posterior.z_mean


NAMES = {"diagonal_gaussian": DiagonalGaussian}


def get(value):
    """Return the posterior family that a name, an instance or a config stands for."""
    return resolve("posterior", value, DiagonalGaussian, NAMES)
