"""q(z|x): the family that the encoder's outputs are the parameters of."""

import functools
from typing import NamedTuple

import keras
from keras import ops

from keras_vae import flows
from keras_vae.distributions import LOG_TWO_PI, normal_log_prob
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

    # Whether q(z|x) is the normal distribution of `z_mean` and `z_log_var`.
    is_gaussian = True

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.sampling = Sampling()

    def build(self, input_shape, context_dim=0):
        self.sampling.build(input_shape)
        self.built = True

    def parameters(self, outputs):
        """Return the `Posterior` of an encoder's outputs, in float32, its log-variance clipped.

        Args:
            outputs: the encoder's, tensors `(B, D)` twice, and `(B, C)` where it has a context.
        """
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

    def log_prob(self, posterior, z):
        """Return log q(z|x) in nats for any z `(..., B, D)`: `(..., B)`.

        Args:
            posterior: `Posterior` of `(B, D)` tensors.
            z: float tensor `(..., B, D)`.
        """
        return ops.sum(normal_log_prob(z, *posterior), axis=-1)

    def noise_of(self, posterior, z):
        """Return the noise `(B, D)` from which `sample` makes z `(B, D)`.

        Args:
            posterior: `Posterior` of `(B, D)` tensors.
            z: float tensor `(B, D)`.
        """
        return (z - posterior.z_mean) * ops.exp(-0.5 * posterior.z_log_var)

    def embed(self, posterior):
        """Return the centre of q(z|x), `(B, D)`.

        Args:
            posterior: `Posterior` of `(B, D)` tensors.
        """
        return posterior.z_mean


class FlowParameters(NamedTuple):
    """The parameters of a posterior with a flow: those of its base, and the encoder's context."""

    z_mean: object
    z_log_var: object
    context: object


@register
class FlowPosterior(DiagonalGaussian):
    """q(z|x) of z = flow(z_0; context), z_0 ~ N(z_mean, diag(exp(z_log_var))).

    log q(z|x) = log N(z_0) - log |det dz/dz_0| (Rezende & Mohamed 2015, eq. 13,
    https://arxiv.org/abs/1505.05770). The context is the encoder's third output where it has
    one (`context_dim` of its factory).

    Args:
        flow: "inverse_autoregressive", "coupling", a `Flow` or its config.
        seed: int or None, of the first weights of a flow that is given by name.

    Raises:
        ValueError: if the flow is unknown, or z has one unit.
    """

    is_gaussian = False

    def __init__(self, flow="inverse_autoregressive", seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        names = {name: functools.partial(kind, _LAYERS, seed=seed) for name, kind in _FLOWS.items()}
        self.flow = resolve("flow", flow, flows.Flow, names)

    def build(self, input_shape, context_dim=0):
        self.sizes = (input_shape[-1], context_dim)
        if not self.flow.built:
            self.flow.build(input_shape, context_dim)
        super().build(input_shape, context_dim)

    def parameters(self, outputs):
        context = ops.cast(outputs[2], "float32") if len(outputs) > 2 else None
        return FlowParameters(*super().parameters(outputs), context)

    def sample(self, posterior, noise):
        z, log_qz = super().sample(Posterior(*posterior[:2]), noise)
        z, log_det = self.flow.forward(z, posterior.context)
        return z, log_qz - log_det

    def log_prob(self, posterior, z):
        z = ops.convert_to_tensor(z, "float32")
        base, log_det = self.flow.inverse(z, posterior.context)
        return super().log_prob(Posterior(*posterior[:2]), base) + log_det

    def noise_of(self, posterior, z):
        return super().noise_of(posterior, self.flow.inverse(z, posterior.context)[0])

    def embed(self, posterior):
        return self.flow.forward(posterior.z_mean, posterior.context)[0]

    def get_config(self):
        flow = keras.saving.serialize_keras_object(self.flow)
        return {**super().get_config(), "flow": flow, "seed": self.seed}


_LAYERS = 2
_FLOWS = {
    "inverse_autoregressive": flows.InverseAutoregressiveFlow,
    "coupling": flows.CouplingFlow,
}
NAMES = {
    "diagonal_gaussian": DiagonalGaussian,
    **{name: functools.partial(FlowPosterior, name) for name in _FLOWS},
}


def get(value):
    """Return the posterior family that a name, an instance or a config stands for.

    Args:
        value: str, `DiagonalGaussian`, or its Keras config (dict).
    """
    return resolve("posterior", value, DiagonalGaussian, NAMES)
