"""Invertible maps of z with known log-determinants, for priors and posteriors."""

import abc
import functools

import keras
import numpy as np
from keras import ops

from keras_vae import checks
from keras_vae.networks.parts import Initializers, check_widths
from keras_vae.registry import Part, register

# Each coupling scales by exp() of at most this, so that a stack of them stays in float32.
_MAX_LOG_SCALE = 2.0
# Near the identity at first: a gate of sigmoid(2) = 0.88 (Kingma et al. 2016, section 4).
_OPEN_GATE = 2.0
# A gate stays this far open, so that its inverse is a number.
_LEAST_GATE_LOGIT = -10.0


class Flow(Part, abc.ABC):
    """Base class of an invertible map of vectors of D >= 2 units, made of equal layers.

    Args:
        num_layers: int >= 1, how many maps follow each other.
        units: tuple of ints >= 1, the hidden layers of the network in each map.
        seed: int or None, the seed of the initial weights.

    Raises:
        ValueError: if an argument is out of its range, or D is 1 when it is built.
    """

    def __init__(self, num_layers, units=(128, 128), seed=None, **kwargs):
        super().__init__(**kwargs)
        self.num_layers = checks.integer("num_layers", num_layers, 1)
        self.units = check_widths("units", units)
        self.seed = seed
        self._networks = []

    def build(self, input_shape, context_dim=0):
        size = input_shape[-1]
        if size < 2:
            raise ValueError(
                checks.message(
                    "A flow needs `latent_dim` >= 2, since it moves each unit by the others",
                    f"latent_dim={size}",
                    "Choose a larger latent_dim, or a prior or posterior without a flow.",
                )
            )
        initializers = Initializers(self.seed)
        self._networks = [
            self._network(size, context_dim, initializers) for _ in range(self.num_layers)
        ]
        self.built = True

    def forward(self, z, context=None):
        """Map z and return what it becomes and the log-determinant of the Jacobian.

        Args:
            z: float tensor `(..., B, D)`.
            context: float tensor `(B, C)` that the map depends on, or None.

        Returns:
            tensors `(..., B, D)` and `(..., B)`.
        """
        return self._through(self._forward, self._networks, z, context)

    def inverse(self, z, context=None):
        """Undo `forward`, and return the log-determinant of the inverse: arguments as there.

        Args:
            z: float tensor `(..., B, D)`.
            context: float tensor `(B, C)` that the map depends on, or None.

        Returns:
            tensors `(..., B, D)` and `(..., B)`.
        """
        return self._through(self._inverse, self._networks[::-1], z, context)

    def _through(self, step, networks, z, context):
        z = ops.convert_to_tensor(z)
        lead = ops.shape(z)[:-1]
        flat = ops.reshape(z, (-1, z.shape[-1]))
        if context is not None:
            context = ops.broadcast_to(context, (*lead, context.shape[-1]))
            context = ops.reshape(context, (-1, context.shape[-1]))
        total = 0.0
        for network in networks:
            flat, log_det = step(network, flat, context)
            total = total + log_det
        return ops.reshape(flat, ops.shape(z)), ops.reshape(total, lead)

    @abc.abstractmethod
    def _network(self, size, context_dim, initializers):
        """Return the built network of one layer."""

    @abc.abstractmethod
    def _forward(self, network, z, context):
        """Return one layer's output `(N, D)` and log-determinant `(N,)`."""

    @abc.abstractmethod
    def _inverse(self, network, z, context):
        """Undo `_forward`."""

    def get_config(self):
        own = {"num_layers": self.num_layers, "units": self.units, "seed": self.seed}
        return {**super().get_config(), **own}


@register
class CouplingFlow(Flow):
    """Affine couplings: half of the units scale and shift the other half, by turns.

    [a, b] becomes [b exp(s(a)) + t(a), a] (Dinh et al. 2017, eq. 7,
    https://arxiv.org/abs/1605.08803), with |s| < 2. Both directions are as fast. A new flow is a
    permutation of the units.

    Args:
        num_layers: int >= 1, how many couplings follow each other.
        units: tuple of ints >= 1, the hidden layers of the network in each coupling.
        seed: int or None, the seed of the initial weights.

    Example:

    >>> import numpy as np
    >>> flow = CouplingFlow(num_layers=4, units=(16,), seed=0)
    >>> flow.build((None, 3))
    >>> z, log_det = flow.forward(np.ones((5, 3), "float32"))
    >>> z.shape, log_det.shape
    (TensorShape([5, 3]), TensorShape([5]))
    """

    def _network(self, size, context_dim, initializers):
        kept = size // 2
        # In float32 whatever the policy, as all that a density is made of.
        dense = functools.partial(keras.layers.Dense, dtype="float32")
        x = inputs = keras.Input((kept + context_dim,), dtype="float32")
        for width in self.units:
            x = dense(width, "relu", kernel_initializer=initializers.next())(x)
        outputs = [dense(size - kept, kernel_initializer="zeros")(x) for _ in range(2)]
        return keras.Model(inputs, outputs)

    def _forward(self, network, z, context):
        kept, moved = _cut(z, z.shape[-1] // 2)
        log_scale, shift = _conditioned(network, kept, context)
        moved = moved * ops.exp(log_scale) + shift
        return ops.concatenate([moved, kept], axis=-1), ops.sum(log_scale, axis=-1)

    def _inverse(self, network, z, context):
        size = z.shape[-1]
        moved, kept = _cut(z, size - size // 2)
        log_scale, shift = _conditioned(network, kept, context)
        moved = (moved - shift) * ops.exp(-log_scale)
        return ops.concatenate([kept, moved], axis=-1), -ops.sum(log_scale, axis=-1)


@register
class InverseAutoregressiveFlow(Flow):
    """Each unit is gated by a network of the units before it; the order turns at each layer.

    z becomes g z + (1 - g) m, g and m from a masked network (Kingma et al. 2016, eq. 13,
    https://arxiv.org/abs/1606.04934; Germain et al. 2015, https://arxiv.org/abs/1502.03509).
    Forward is one pass; the inverse takes D passes a layer.

    Args:
        num_layers: int >= 1, how many maps follow each other.
        units: tuple of ints >= 1, the hidden layers of the masked network in each map.
        seed: int or None, the seed of the initial weights.
    """

    def _network(self, size, context_dim, initializers):
        return _MaskedNetwork(size, self.units, context_dim, initializers)

    def _forward(self, network, z, context):
        gate, mean = network.gates(z, context)
        z = gate * z + (1.0 - gate) * mean
        return ops.flip(z, axis=-1), ops.sum(ops.log(gate), axis=-1)

    def _inverse(self, network, z, context):
        z = ops.flip(z, axis=-1)
        found = ops.zeros_like(z)
        # Each pass makes one more unit right, since it depends on those before it alone.
        for _ in range(z.shape[-1]):
            gate, mean = network.gates(found, context)
            found = (z - (1.0 - gate) * mean) / gate
        gate, _ = network.gates(found, context)
        return found, -ops.sum(ops.log(gate), axis=-1)


class _MaskedNetwork(keras.layers.Layer):
    """A dense network whose outputs for unit d depend on the units before d alone."""

    def __init__(self, size, units, context_dim, initializers):
        super().__init__(dtype="float32")
        # Degrees as in Germain et al. 2015, section 4: a unit sees those of no higher degree.
        degrees = np.arange(1, size + 1)
        self._masks, self._kernels, self._biases = [], [], []
        for width in units:
            hidden = np.arange(width) % max(1, size - 1) + 1
            self._add(hidden[None, :] >= degrees[:, None], initializers.next(), "zeros")
            degrees = hidden
        before = np.arange(1, size + 1)[None, :] > degrees[:, None]
        self._heads = len(self._kernels)
        for bias in (keras.initializers.Constant(_OPEN_GATE), "zeros"):
            self._add(before, keras.initializers.Zeros(), bias)
        self._context_kernels = {}
        if context_dim:
            # To the heads too: the first unit sees no hidden one.
            heads = {head: keras.initializers.Zeros() for head in (self._heads, self._heads + 1)}
            for index, initializer in {0: initializers.next(), **heads}.items():
                self._context_kernels[index] = self.add_weight(
                    name=f"context_kernel_{index}",
                    shape=(context_dim, self._masks[index].shape[1]),
                    initializer=initializer,
                )
        self.built = True

    def gates(self, z, context):
        """Return the gate in (0, 1) and the mean of each unit, `(N, D)` each."""
        hidden = z
        for index in range(self._heads):
            hidden = ops.relu(self._dense(index, hidden, context))
        logit = ops.maximum(self._dense(self._heads, hidden, context), _LEAST_GATE_LOGIT)
        return ops.sigmoid(logit), self._dense(self._heads + 1, hidden, context)

    def _add(self, mask, kernel_initializer, bias_initializer):
        index = len(self._kernels)
        self._masks.append(np.asarray(mask, "float32"))
        self._kernels.append(
            self.add_weight(
                name=f"kernel_{index}", shape=mask.shape, initializer=kernel_initializer
            )
        )
        self._biases.append(
            self.add_weight(
                name=f"bias_{index}", shape=mask.shape[1:], initializer=bias_initializer
            )
        )

    def _dense(self, index, x, context):
        found = ops.matmul(x, self._kernels[index] * self._masks[index]) + self._biases[index]
        if context is None or index not in self._context_kernels:
            return found
        return found + ops.matmul(context, self._context_kernels[index])


def _cut(z, place):
    return z[:, :place], z[:, place:]


def _conditioned(network, kept, context):
    """Return the bounded log-scale and the shift that a coupling's network gives."""
    inputs = kept if context is None else ops.concatenate([kept, context], axis=-1)
    log_scale, shift = network(inputs)
    return _MAX_LOG_SCALE * ops.tanh(log_scale / _MAX_LOG_SCALE), shift
