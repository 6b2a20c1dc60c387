"""p(x|z): what the decoder's output means as a distribution over the data."""

from keras_vae.likelihoods.base import Likelihood
from keras_vae.likelihoods.bernoulli import Bernoulli, ContinuousBernoulli
from keras_vae.likelihoods.categorical import Categorical
from keras_vae.likelihoods.gaussian import Gaussian
from keras_vae.likelihoods.logistic import DiscretizedLogistic
from keras_vae.likelihoods.product import Product
from keras_vae.likelihoods.tabular import Tabular
from keras_vae.registry import resolve

__all__ = [
    "NAMES",
    "Bernoulli",
    "Categorical",
    "ContinuousBernoulli",
    "DiscretizedLogistic",
    "Gaussian",
    "Likelihood",
    "Product",
    "Tabular",
    "get",
]

NAMES = {
    "bernoulli": Bernoulli,
    "continuous_bernoulli": ContinuousBernoulli,
    "gaussian": Gaussian,
    "discretized_logistic": DiscretizedLogistic,
    "categorical": Categorical,
}


def get(value):
    """Return the likelihood that a name, an instance or a config stands for.

    Args:
        value: str, `Likelihood`, or its Keras config (dict).
    """
    return resolve("likelihood", value, Likelihood, NAMES)
