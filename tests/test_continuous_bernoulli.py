"""The continuous Bernoulli density against float64 integrals of its definition."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special

from keras_vae import random
from keras_vae.likelihoods import Bernoulli, ContinuousBernoulli

# Both sides of the change from series to formulas, zero, and what training may run into.
LOGITS = [-300.0, -30.0, -3.0, -0.26, -0.24, -1e-3, -1e-7, 0.0, 1e-4, 0.1, 0.2499, 0.2501, 1, 40]


def unnormalised(x, logit):
    """p^x (1 - p)^(1 - x) in float64, scaled so that its maximum over [0, 1] is one."""
    return np.exp(x * logit - max(logit, 0.0))


def integral(function, logit):
    edges = [0, min(1, 20 / (1 + abs(logit)))]
    edges = sorted({*edges, *(1 - edge for edge in edges)})
    pieces = itertools.pairwise(edges)
    return sum(integrate.quad(function, *piece, epsabs=0, epsrel=1e-11)[0] for piece in pieces)


def log_density(x, logit):
    mass = integral(lambda t: unnormalised(t, logit), logit)
    return x * logit - max(logit, 0.0) - np.log(mass)


def mean_of(logit):
    mass = integral(lambda t: unnormalised(t, logit), logit)
    return integral(lambda t: t * unnormalised(t, logit), logit) / mass


@pytest.mark.parametrize("logit", LOGITS)
def test_log_prob_and_mean_equal_numerical_integrals(logit):
    logit = float(np.float32(logit))
    x = np.array([0.0, 0.2, 0.5, 0.9, 1.0], "float32")[:, None]
    params = np.full((5, 1), logit, "float32")
    expected = [log_density(value, logit) for value in x[:, 0].astype(np.float64)]
    likelihood = ContinuousBernoulli()
    np.testing.assert_allclose(likelihood.log_prob(x, params), expected, rtol=3e-6, atol=2e-6)
    np.testing.assert_allclose(likelihood.mean(params[:1])[0, 0], mean_of(logit), atol=2e-6)


@given(logit=st.floats(-60, 60, width=32))
def test_the_density_integrates_to_one(logit):
    # Gauss-Legendre nodes are exact for so smooth a function.
    nodes, weights = np.polynomial.legendre.leggauss(80)
    x = (0.5 * (nodes + 1)).astype("float32")[:, None]
    log_probs = ContinuousBernoulli().log_prob(x, np.full((80, 1), logit, "float32"))
    density = np.exp(np.asarray(log_probs, np.float64))
    assert 0.5 * np.sum(weights * density) == pytest.approx(1, abs=3e-5)


def test_it_is_the_cross_entropy_and_the_normalising_constant_that_bernoulli_lacks():
    rng = np.random.default_rng(0)
    x = rng.random((4, 3, 2)).astype("float32")
    params = rng.normal(size=(5, 4, 3, 2)).astype("float32")
    # log of 2 artanh(1 - 2p) / (1 - 2p), Loaiza-Ganem & Cunningham 2019, eq. 5.
    centred = 1 - 2 * special.expit(params.astype(np.float64))
    constant = np.log(2 * np.arctanh(centred) / centred).sum(axis=(2, 3))
    expected = np.asarray(Bernoulli().log_prob(x, params)) + constant
    np.testing.assert_allclose(ContinuousBernoulli().log_prob(x, params), expected, rtol=1e-5)


def test_gradients_are_finite_and_right_where_series_and_formulas_meet():
    logits = np.array(LOGITS, "float32")[:, None]
    params, x = tf.constant(logits), np.full_like(logits, 0.8)
    with tf.GradientTape() as tape:
        tape.watch(params)
        total = tf.reduce_sum(ContinuousBernoulli().log_prob(x, params))
    # Of an exponential family: x less its mean.
    expected = [0.8 - mean_of(float(logit)) for logit in logits[:, 0]]
    np.testing.assert_allclose(tape.gradient(total, params)[:, 0], expected, atol=5e-5)


@pytest.mark.parametrize("logit", [-300.0, -4.0, -0.2, 0.0, 1e-4, 0.05, 0.2, 3.0, 50.0])
def test_samples_have_the_distribution_function(logit):
    count = 400_000
    draws = ContinuousBernoulli().sample(np.full((count, 1), logit, "float32"), seed=3)
    draws = np.asarray(draws, np.float64)[:, 0]
    assert draws.min() >= 0 and draws.max() <= 1
    x = np.sort(draws)
    if abs(logit) < 1e-6:
        distribution = x
    elif logit < 0:
        distribution = np.expm1(logit * x) / np.expm1(logit)
    else:
        distribution = (np.exp(logit * (x - 1)) - np.exp(-logit)) / -np.expm1(-logit)
    steps = np.arange(1, count + 1) / count
    assert np.abs(distribution - steps).max() < 1.95 / np.sqrt(count)


@pytest.mark.parametrize("end", [2**-24, 1 - 2**-24])
def test_no_sample_leaves_the_support(end, monkeypatch):
    """Near a logit of 16 the largest uniform number rounds to a draw beyond the end."""
    monkeypatch.setattr(
        random, "uniforms", lambda seeds, dim, stream: np.full((len(seeds), dim), end, "float32")
    )
    logits = np.linspace(-60, 60, 24001, dtype="float32")[:, None]
    draws = np.asarray(ContinuousBernoulli().sample(logits, seed=0))
    assert draws.min() >= 0 and draws.max() <= 1


@pytest.mark.parametrize("policy", ["mixed_float16", "float32"])
def test_log_prob_stays_finite_far_out(policy):
    keras.config.set_dtype_policy(policy)
    params = np.array([[-1e4], [1e4]], "float32")
    for value in (0.0, 1.0):
        x = np.full((2, 1), value, "float32")
        assert np.isfinite(ContinuousBernoulli().log_prob(x, params)).all()
    np.testing.assert_allclose(ContinuousBernoulli().mean(params)[:, 0], [0, 1], atol=2e-4)
