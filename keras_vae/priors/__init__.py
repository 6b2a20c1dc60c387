"""p(z): the distribution that the latent variable has before any data."""

from keras_vae.priors.base import Prior, StandardNormal
from keras_vae.priors.mixtures import GaussianMixture, VampPrior
from keras_vae.priors.real_nvp import RealNVP
from keras_vae.registry import resolve

__all__ = ["NAMES", "GaussianMixture", "Prior", "RealNVP", "StandardNormal", "VampPrior", "get"]

NAMES = {
    "standard_normal": StandardNormal,
    "gaussian_mixture": GaussianMixture,
    "vamp": VampPrior,
    "real_nvp": RealNVP,
}


def get(value):
    """Return the prior that a name, an instance or a config stands for.

    Args:
        value: str, `Prior`, or its Keras config (dict).
    """
    return resolve("prior", value, Prior, NAMES)
