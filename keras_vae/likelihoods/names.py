"""The likelihoods that have a name, and what an argument `likelihood` takes."""

from keras_vae.likelihoods.base import Likelihood
from keras_vae.likelihoods.bernoulli import Bernoulli, ContinuousBernoulli
from keras_vae.likelihoods.categorical import Categorical
from keras_vae.likelihoods.gaussian import Gaussian
from keras_vae.likelihoods.logistic import DiscretizedLogistic
from keras_vae.registry import resolve

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
