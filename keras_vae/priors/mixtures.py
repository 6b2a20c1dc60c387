"""Priors that are mixtures of normal distributions."""

import math

import keras
import numpy as np
from keras import ops

from keras_vae import checks
from keras_vae.distributions import LOG_TWO_PI
from keras_vae.priors.base import Prior
from keras_vae.registry import register

# Up to so many numbers (z, component, unit), differences are taken one by one; beyond, two matrix
# products in float64 give the same in a fraction of the memory.
_MAX_DIFFERENCES = 2**21
_MIN_LOG_VAR, _MAX_LOG_VAR = -20.0, 20.0


class Mixture(Prior):
    """Base class of p(z) = sum_k w_k N(z; mean_k, diag(exp(log_var_k))).

    Args:
        num_components: int >= 1, K.
    """

    uniform_dim = 1

    def __init__(self, num_components, **kwargs):
        super().__init__(**kwargs)
        self.num_components = checks.integer("num_components", num_components, 1)

    def components(self):
        """Return the log-weights `(K,)`, which sum to one, means and log-variances `(K, D)`."""
        raise NotImplementedError

    def log_prob(self, z):
        log_weights, means, log_vars = self.components()
        z = ops.convert_to_tensor(z, "float32")
        flat = ops.reshape(z, (-1, self.latent_dim))
        log_normalizers = -0.5 * ops.sum(LOG_TWO_PI + log_vars, axis=-1)
        exponents = -0.5 * self._distances(flat, means, log_vars)
        found = ops.logsumexp(log_weights + log_normalizers + exponents, axis=-1)
        return ops.reshape(found, ops.shape(z)[:-1])

    def transform(self, normals, uniforms, temperature):
        log_weights, means, log_vars = self.components()
        # The component in whose part of [0, 1] the uniform number lies, by comparisons, which
        # every runtime has.
        above = ops.cast(uniforms > ops.cumsum(ops.exp(log_weights))[None, :-1], "float32")
        ones, zeros = ops.ones_like(uniforms), ops.zeros_like(uniforms)
        chosen = ops.concatenate([ones, above], -1) - ops.concatenate([above, zeros], -1)
        scales = ops.matmul(chosen, ops.exp(0.5 * log_vars))
        return ops.matmul(chosen, means) + scales * normals * temperature[:, None]

    def _distances(self, z, means, log_vars):
        """Return sum_d (z_d - mean_kd)^2 / var_kd for z `(N, D)`: `(N, K)`."""
        rows = z.shape[0]
        if rows is not None and rows * self.num_components * self.latent_dim <= _MAX_DIFFERENCES:
            precisions = ops.exp(-log_vars)
            return ops.sum(ops.square(z[:, None] - means) * precisions, axis=-1)
        z, means, precisions = (
            ops.cast(value, "float64") for value in (z, means, ops.exp(-log_vars))
        )
        found = (
            ops.matmul(ops.square(z), ops.transpose(precisions))
            - 2.0 * ops.matmul(z, ops.transpose(precisions * means))
            + ops.sum(precisions * ops.square(means), axis=-1)
        )
        return ops.cast(found, "float32")

    def get_config(self):
        return {**super().get_config(), "num_components": self.num_components}


@register
class GaussianMixture(Mixture):
    """p(z) = sum_k w_k N(z; mean_k, diag(exp(log_var_k))), all of it trained.

    Args:
        num_components: int >= 1, K.
        seed: int or None, the seed of the initial means, draws of N(0, I).

    Raises:
        ValueError: if `num_components` is below 1.

    Example:

    >>> prior = GaussianMixture(num_components=3, seed=0)
    >>> prior.build((None, 2))
    >>> prior.sample(4, seed=7).shape
    TensorShape([4, 2])
    """

    def __init__(self, num_components=100, seed=None, **kwargs):
        super().__init__(num_components, **kwargs)
        self.seed = seed

    def build(self, input_shape):
        shape = (self.num_components, input_shape[-1])
        # The spread of the means and that of each component add up to about one.
        means = keras.initializers.RandomNormal(stddev=math.sqrt(0.75), seed=self.seed)
        self.means = self.add_weight(name="means", shape=shape, initializer=means)
        self.log_vars = self.add_weight(
            name="log_vars", shape=shape, initializer=keras.initializers.Constant(math.log(0.25))
        )
        self.logits = self.add_weight(
            name="logits", shape=(self.num_components,), initializer="zeros"
        )
        super().build(input_shape)

    def start_at(self, z):
        chosen = np.random.default_rng(self.seed).choice(
            len(z), self.num_components, replace=len(z) < self.num_components
        )
        self.means.assign(z[chosen])
        self.log_vars.assign(np.broadcast_to(np.log(0.25 * z.var(axis=0) + 1e-6), z[chosen].shape))

    def components(self):
        log_vars = ops.clip(self.log_vars, _MIN_LOG_VAR, _MAX_LOG_VAR)
        return ops.log_softmax(self.logits), ops.convert_to_tensor(self.means), log_vars

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@register
class VampPrior(Mixture):
    """p(z) = 1/K sum_k q(z|u_k): the mean posterior of K trained pseudo-inputs.

    Tomczak & Welling 2018, eq. 9, https://arxiv.org/abs/1705.07120. It belongs to the VAE whose
    encoder makes q(z|u_k).

    Args:
        num_components: int >= 1, K.
        pseudo_inputs: None, or an array `(K, *event)`, the pseudo-inputs at first, such as
            training images. By default each is a faint noise around `initial_mean`.
        initial_mean: float, where the default ones lie.
        value_range: pair of floats that pseudo-inputs are clipped to, as pixels, or None.
        seed: int or None, the seed of the default ones.

    Raises:
        ValueError: if an argument is out of its range, or `pseudo_inputs` do not fit the data.
    """

    needs_gaussian_posterior = True

    def __init__(
        self,
        num_components=500,
        pseudo_inputs=None,
        initial_mean=0.05,
        value_range=(0.0, 1.0),
        seed=None,
        **kwargs,
    ):
        super().__init__(num_components, **kwargs)
        self.initial_mean = checks.number("initial_mean", initial_mean)
        self.value_range = None if value_range is None else _ordered(value_range)
        self.seed = seed
        self._initial = None if pseudo_inputs is None else np.asarray(pseudo_inputs, "float32")
        # A function and a number, so that Keras does not take the encoder for a part of this.
        self._encode = self._encoder_id = None

    def bind(self, encoder, encode, event_shape):
        shape = (self.num_components, *event_shape)
        if self._encode is not None and self._encoder_id != id(encoder):
            raise ValueError(
                checks.message(
                    "A `VampPrior` belongs to one encoder, which it uses",
                    "one of another encoder",
                    "Give each VAE a VampPrior of its own.",
                )
            )
        if self._initial is not None and self._initial.shape != shape:
            raise ValueError(
                checks.message(
                    f"`pseudo_inputs` must have shape {shape}, one for each component",
                    f"shape {self._initial.shape}",
                    "Give as many examples as num_components.",
                )
            )
        if self._initial is not None and not np.isfinite(self._initial).all():
            raise ValueError(
                checks.message("`pseudo_inputs` must be finite numbers", "NaN or infinity")
            )
        self._encode, self._event_shape = encode, tuple(event_shape)
        # Alive as long as the function, so that no other has its number.
        self._encoder_id = id(encoder)

    def build(self, input_shape):
        initial = keras.initializers.RandomNormal(self.initial_mean, 0.01, self.seed)
        shape = (self.num_components, *self._event_shape)
        self.pseudo_inputs = self.add_weight(name="pseudo_inputs", shape=shape, initializer=initial)
        if self._initial is not None:
            self.pseudo_inputs.assign(self._initial)
        super().build(input_shape)

    def get_build_config(self):
        """Return None: the VAE builds it, which knows the shape of an example."""

    def components(self):
        inputs = ops.convert_to_tensor(self.pseudo_inputs)
        if self.value_range is not None:
            inputs = ops.clip(inputs, *self.value_range)
        z_mean, z_log_var = self._encode(inputs)[:2]
        log_weights = ops.full((self.num_components,), -math.log(self.num_components))
        return log_weights, z_mean, z_log_var

    def get_config(self):
        own = {name: getattr(self, name) for name in ("initial_mean", "value_range", "seed")}
        return {**super().get_config(), **own}


def _ordered(value_range):
    pair = value_range if isinstance(value_range, (list, tuple)) else ()
    low, high = pair if len(pair) == 2 else (0.0, 0.0)
    low, high = (checks.number("value_range", value) for value in (low, high))
    if low >= high:
        raise ValueError(
            checks.message(
                "`value_range` must be a pair (low, high) with low < high",
                f"value_range={value_range!r}",
            )
        )
    return low, high
