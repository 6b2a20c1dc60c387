"""A prior that a flow makes of the standard normal distribution."""

from keras import ops

from keras_vae.distributions import normal_log_prob
from keras_vae.flows import CouplingFlow
from keras_vae.priors.base import Prior
from keras_vae.registry import register


@register
class RealNVP(Prior):
    """p(z) = N(u; 0, I) |det du/dz| of a coupling flow (Dinh et al. 2017).

    It starts as the standard normal distribution and learns, with the networks or after them,
    where the aggregate posterior lies (https://arxiv.org/abs/1605.08803, eq. 2).

    Args:
        num_layers: int >= 1, how many couplings follow each other.
        units: tuple of ints >= 1, the hidden layers of the network in each coupling.
        seed: int or None, the seed of the initial weights.

    Raises:
        ValueError: if an argument is out of its range, or z has one unit.

    Example:

    >>> prior = RealNVP(num_layers=2, units=(8,), seed=0)
    >>> prior.build((None, 2))
    >>> round(float(prior.log_prob([[0.0, 0.0]])[0]), 4)
    -1.8379
    """

    def __init__(self, num_layers=6, units=(128, 128), seed=None, **kwargs):
        super().__init__(**kwargs)
        self.flow = CouplingFlow(num_layers, units, seed)
        self.num_layers, self.units, self.seed = num_layers, self.flow.units, seed

    def build(self, input_shape):
        self.flow.build(input_shape)
        super().build(input_shape)

    def log_prob(self, z):
        base, log_det = self.flow.inverse(z)
        return ops.sum(normal_log_prob(base, 0.0, 0.0), axis=-1) + log_det

    def transform(self, normals, uniforms, temperature):
        return self.flow.forward(normals * temperature[:, None])[0]

    def get_config(self):
        own = {"num_layers": self.num_layers, "units": self.units, "seed": self.seed}
        return {**super().get_config(), **own}
