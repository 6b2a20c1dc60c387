"""What training minimises: a function of the terms of the bound, per example."""

from keras_vae.objectives.aggregate import DIP, BetaTC, InfoVAE
from keras_vae.objectives.base import Objective, Terms
from keras_vae.objectives.elbo import ELBO, IWAE
from keras_vae.registry import resolve

__all__ = ["DIP", "ELBO", "IWAE", "NAMES", "BetaTC", "InfoVAE", "Objective", "Terms", "get"]

NAMES = {"elbo": ELBO, "iwae": IWAE, "beta_tc": BetaTC, "info_vae": InfoVAE, "dip": DIP}


def get(value):
    """Return the objective that a name, an instance or a config stands for.

    Args:
        value: str, `Objective`, or its Keras config (dict).
    """
    return resolve("objective", value, Objective, NAMES)
