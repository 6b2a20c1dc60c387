"""The models that the parts of `uses.py` share, trained when they are first asked for."""

import json

import keras
import uses_conditioned
import uses_page
from uses_parts import mnist, train, train_residual

import keras_vae as kv

RESULTS = uses_page.RESULTS
# The standard deviation of the noise that one of them was trained with.
NOISE = 0.5


def write(name, value):
    """Write results as they come."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.with_suffix(".partial").write_text(json.dumps(value, indent=1) + "\n")
    path.with_suffix(".partial").replace(path)


def kept_model(name, latent_dim, make=train, **options):
    """Return a model of all digits, trained the first time that it is asked for, and its data."""
    (x, _), _ = mnist()
    path = RESULTS / f"{name}.keras"
    if path.is_file():
        data = kv.data.load(x, validation_fraction=0.1, test_fraction=0)
        return keras.models.load_model(path), data
    vae, data = make(x, latent_dim, **options)
    RESULTS.mkdir(parents=True, exist_ok=True)
    vae.save(path)
    return vae, data


def full_model():
    """Return the model of all digits, D=32, and its data."""
    return kept_model("mnist_32", 32)


def cluster_model():
    """Return the model of all digits whose prior is a mixture, D=10, by which z is embedded."""
    return kept_model("mnist_10_mixture", 10, prior=kv.priors.GaussianMixture(20, seed=5))[0]


def noisy_model():
    """Return the model of all digits that was trained with noise, D=64, and its data."""
    likelihood = kv.likelihoods.Gaussian("optimal")
    options = {"likelihood": likelihood, "epochs": 20, "noise": ("gaussian", NOISE)}
    return kept_model("mnist_64_noise", 64, make=train_residual, **options)


def full_grey():
    """Return the model of all digits with grey pixels, D=32."""
    return kept_model("mnist_32_grey", 32, likelihood=kv.likelihoods.Gaussian("optimal"))[0]


def binary_model():
    """Return the model of binary pixels that compresses and that M1+M2 begins with, D=40."""
    options = {"likelihood": kv.likelihoods.Bernoulli(), "epochs": 50}
    return kept_model("mnist_40_binary", 40, make=train_residual, **options)[0]


def conditional_model(beta=uses_conditioned.BETA):
    """Return the model of digits and their labels, D=10, the KL weighted by beta."""
    path = RESULTS / f"mnist_10_conditional_{beta}.keras"
    if not path.is_file():
        uses_conditioned.train_conditional(10, 20, beta).save(path)
    return keras.models.load_model(path)
