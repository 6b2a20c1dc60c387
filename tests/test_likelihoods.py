"""p(x|z) against SciPy: log-densities, means, samples and the bias of an untrained decoder."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special, stats

import keras_vae as kv
from keras_vae.likelihoods import Bernoulli, Gaussian

EVENT = (2, 3, 2)


def random_arrays(*shapes):
    rng = np.random.default_rng(4)
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def learned_gaussian(log_var):
    likelihood = Gaussian(scale="learned")
    likelihood.log_var.assign(log_var)
    return likelihood


def channel_major(mean, log_var):
    """Parameters whose last axis is mean, log-variance of channel 0, then of channel 1, ..."""
    params = np.empty((*mean.shape[:-1], 2 * mean.shape[-1]), "float32")
    for channel in range(mean.shape[-1]):
        params[..., 2 * channel] = mean[..., channel]
        params[..., 2 * channel + 1] = log_var[..., channel]
    return params


def test_bernoulli_log_prob_equals_scipy_for_several_samples():
    params, grey = random_arrays((3, 5, *EVENT), (5, *EVENT))
    x = (grey > 0).astype("float32")
    expected = stats.bernoulli.logpmf(x, special.expit(params.astype(np.float64)))
    result = Bernoulli().log_prob(x, params)
    np.testing.assert_allclose(result, expected.sum(axis=(2, 3, 4)), rtol=1e-5)


@given(logits=arrays(np.float32, (1, 2, 2, 1), elements=st.floats(-6, 6, width=32)))
def test_bernoulli_probabilities_of_all_binary_images_sum_to_one(logits):
    x = np.array(list(itertools.product([0, 1], repeat=4)), "float32").reshape(-1, 2, 2, 1)
    log_probs = Bernoulli().log_prob(x, np.repeat(logits, 16, axis=0))
    assert np.exp(np.asarray(log_probs, np.float64)).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("scale", [0.05, 1.0, 3.0])
@pytest.mark.parametrize("kind", ["fixed", "learned"])
def test_gaussian_of_a_shared_scale_equals_scipy(kind, scale):
    likelihood = Gaussian(scale) if kind == "fixed" else learned_gaussian(2 * np.log(scale))
    x, mean = random_arrays((5, *EVENT), (3, 5, *EVENT))
    expected = stats.norm.logpdf(x, mean.astype(np.float64), scale).sum(axis=(2, 3, 4))
    np.testing.assert_allclose(likelihood.log_prob(x, mean), expected, rtol=2e-5)


def test_gaussian_per_element_is_channel_major_and_equals_scipy():
    x, mean, log_var = random_arrays((5, *EVENT), (3, 5, *EVENT), (3, 5, *EVENT))
    likelihood = Gaussian("per_element")
    params = channel_major(mean, log_var)
    expected = stats.norm.logpdf(x, mean, np.exp(0.5 * log_var.astype(np.float64)))
    assert likelihood.params_shape(EVENT) == params.shape[2:]
    np.testing.assert_array_equal(likelihood.mean(params), mean)
    np.testing.assert_allclose(
        likelihood.log_prob(x, params), expected.sum(axis=(2, 3, 4)), rtol=2e-5
    )


@pytest.mark.parametrize("scale", [0.5, "learned", "per_element"])
def test_gaussian_density_integrates_to_one(scale):
    likelihood = learned_gaussian(-1.0) if scale == "learned" else Gaussian(scale)
    x = np.linspace(-12, 12, 4001, dtype="float32")[:, None]
    params = [[0.3]] if likelihood.params_per_channel == 1 else [[0.3, -1.0]]
    params = np.repeat(np.array(params, "float32"), len(x), axis=0)
    density = np.exp(np.asarray(likelihood.log_prob(x, params), np.float64))
    assert np.trapezoid(density, x[:, 0]) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("log_var", [-1e4, 1e4])
@pytest.mark.parametrize("kind", ["learned", "per_element"])
def test_gaussian_with_a_runaway_log_variance_stays_finite(kind, log_var):
    likelihood = learned_gaussian(log_var) if kind == "learned" else Gaussian(kind)
    params = [[0.0]] if kind == "learned" else [[0.0, log_var]]
    x = np.array([[1.0]], "float32")
    assert np.isfinite(likelihood.log_prob(x, np.array(params, "float32"))).all()


def test_bernoulli_samples_are_binary_with_the_right_frequencies():
    logits = random_arrays((1, *EVENT))[0]
    likelihood = Bernoulli()
    draws = np.asarray(likelihood.sample(np.repeat(logits, 20_000, axis=0), seed=3))
    mean = np.asarray(likelihood.mean(logits), np.float64)[0]
    standard_error = np.sqrt(mean * (1 - mean) / len(draws))
    assert np.isin(draws, (0, 1)).all()
    np.testing.assert_allclose(mean, special.expit(logits[0].astype(np.float64)), rtol=1e-5)
    assert (np.abs(draws.mean(axis=0) - mean) < 4.5 * standard_error).all()


@pytest.mark.parametrize("kind", ["fixed", "learned", "per_element"])
def test_gaussian_samples_have_the_mean_and_scale(kind):
    mean, log_var = random_arrays((1, *EVENT), (1, *EVENT))
    params, scale = mean, 0.7
    if kind == "per_element":
        params, scale = channel_major(mean, log_var), np.exp(0.5 * log_var[0])
    likelihood = {
        "fixed": Gaussian(0.7),
        "learned": learned_gaussian(2 * np.log(0.7)),
        "per_element": Gaussian("per_element"),
    }[kind]
    draws = np.asarray(likelihood.sample(np.repeat(params, 20_000, axis=0), seed=5))
    standardised = (draws - mean[0]) / scale
    errors = standardised.mean(axis=0) * np.sqrt(20_000)
    spread = (standardised.var(axis=0) - 1) * np.sqrt(20_000 / 2)
    assert np.abs(errors).max() < 4.5
    assert np.abs(spread).max() < 4.5
    assert stats.kstest(standardised.ravel(), "norm").pvalue > 1e-4


@pytest.mark.parametrize("likelihood", [Bernoulli(), Gaussian(0.5), Gaussian("per_element")])
def test_samples_are_a_function_of_the_row_seed(likelihood):
    params = np.repeat(random_arrays((1, *likelihood.params_shape(EVENT)))[0], 4, axis=0)
    whole = np.asarray(likelihood.sample(params, seed=9))
    row_seeds = kv.random.row_seeds(9, 4)
    np.testing.assert_allclose(likelihood.sample(params[2:], row_seeds[2:]), whole[2:], atol=1e-5)
    assert len(np.unique(whole.reshape(4, -1), axis=0)) == 4


@pytest.mark.parametrize("likelihood", [Bernoulli(), Gaussian(2.0), Gaussian("per_element")])
def test_an_untrained_mlp_decoder_with_the_bias_gives_the_mean_image(likelihood):
    mean = np.random.default_rng(6).uniform(0.02, 0.98, (3, 2, 2)).astype("float32")
    decoder = kv.networks.mlp_decoder(
        mean.shape,
        latent_dim=3,
        params_per_channel=likelihood.params_per_channel,
        output_bias=likelihood.bias(mean),
    )
    np.testing.assert_allclose(likelihood.mean(decoder(np.zeros((1, 3))))[0], mean, atol=1e-5)


@pytest.mark.parametrize("likelihood", [Bernoulli(), Gaussian("per_element")])
def test_an_untrained_conv_decoder_with_the_bias_gives_each_channel_its_mean(likelihood):
    mean = np.array([0.1, 0.5, 0.9], "float32")
    decoder = kv.networks.conv_decoder(
        (8, 8, 3),
        latent_dim=3,
        params_per_channel=likelihood.params_per_channel,
        output_bias=likelihood.bias(mean),
    )
    images = np.asarray(likelihood.mean(decoder(np.zeros((1, 3)))))
    np.testing.assert_allclose(images[0], np.broadcast_to(mean, (8, 8, 3)), atol=1e-5)


def test_a_bernoulli_bias_of_pixels_that_are_always_0_or_1_is_finite():
    bias = Bernoulli().bias(np.array([0.0, 1.0], "float32"))
    np.testing.assert_allclose(special.expit(bias), [0.01, 0.99], atol=1e-6)


@pytest.mark.parametrize("scale", [0, -1.0, float("nan"), True, None])
def test_a_scale_that_is_no_positive_number_is_refused(scale):
    with pytest.raises(ValueError, match=r"`scale` must be >= 0\.0001\. Received: scale="):
        Gaussian(scale)


def test_a_misspelt_scale_is_refused_with_the_close_name():
    with pytest.raises(
        ValueError, match=r"one of 'learned', 'optimal', 'per_element'.*Did you mean 'learned'"
    ):
        Gaussian("learnt")
