"""p(x|z): what the decoder's output means as a distribution over the data."""

from keras_vae.likelihoods.base import Likelihood
from keras_vae.likelihoods.bernoulli import Bernoulli, ContinuousBernoulli
from keras_vae.likelihoods.categorical import Categorical
from keras_vae.likelihoods.gaussian import Gaussian
from keras_vae.likelihoods.logistic import DiscretizedLogistic
from keras_vae.likelihoods.names import NAMES, get
from keras_vae.likelihoods.product import Product
from keras_vae.likelihoods.tabular import Tabular

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
