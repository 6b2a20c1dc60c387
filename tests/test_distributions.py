"""Log-densities and divergences against SciPy, closed forms and Monte Carlo; the prior."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special, stats

from keras_vae import distributions, priors

moderate = st.floats(-8, 8, width=32)
vectors = arrays(np.float32, 5, elements=moderate)


def reference_kl(mean, log_var):
    """KL(N(m, S) || N(0, I)) = (tr S + m'm - D - log det S) / 2, with matrices."""
    covariance = np.diag(np.exp(np.asarray(log_var, np.float64)))
    mean = np.asarray(mean, np.float64)
    trace, distance = np.trace(covariance), mean @ mean
    return 0.5 * (trace + distance - len(mean) - np.linalg.slogdet(covariance)[1])


@given(x=vectors, mean=vectors, log_var=vectors)
def test_normal_log_prob_equals_scipy(x, mean, log_var):
    expected = stats.norm.logpdf(x, mean, np.exp(0.5 * log_var.astype(np.float64)))
    result = distributions.normal_log_prob(x, mean, log_var)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


@given(x=arrays(np.float32, 5, elements=st.sampled_from([0.0, 1.0])), logits=vectors)
def test_bernoulli_log_prob_equals_scipy(x, logits):
    expected = stats.bernoulli.logpmf(x, special.expit(logits.astype(np.float64)))
    np.testing.assert_allclose(
        distributions.bernoulli_log_prob(x, logits), expected, rtol=1e-5, atol=1e-6
    )


def test_bernoulli_log_prob_of_extreme_logits_is_finite_and_exact():
    x = np.array([0.0, 1.0, 0.0, 1.0], "float32")
    logits = np.array([1000.0, 1000.0, -1000.0, -1000.0], "float32")
    result = np.asarray(distributions.bernoulli_log_prob(x, logits))
    assert result.tolist() == [-1000.0, 0.0, 0.0, -1000.0]


@given(mean=vectors, log_var=vectors)
def test_kl_equals_the_closed_form_of_matrices(mean, log_var):
    result = distributions.standard_normal_kl(mean[None], log_var[None])
    assert result.shape == (1,)
    np.testing.assert_allclose(result[0], reference_kl(mean, log_var), rtol=1e-5, atol=1e-5)


def test_kl_equals_monte_carlo():
    rng = np.random.default_rng(1)
    mean, log_var = np.array([0.5, -1.5, 0.0]), np.array([-2.0, 0.3, 1.0])
    scale = np.exp(0.5 * log_var)
    z = mean + scale * rng.standard_normal((400_000, 3))
    draws = (stats.norm.logpdf(z, mean, scale) - stats.norm.logpdf(z)).sum(axis=1)
    result = distributions.standard_normal_kl(mean[None], log_var[None])[0]
    standard_error = draws.std() / np.sqrt(len(draws))
    assert abs(float(result) - draws.mean()) < 4 * standard_error < 0.02


@given(mean=vectors, log_var=vectors)
def test_kl_is_never_negative_and_zero_for_the_prior(mean, log_var):
    assert float(distributions.standard_normal_kl(mean[None], log_var[None])[0]) >= -1e-6
    assert float(distributions.standard_normal_kl(0 * mean[None], 0 * log_var[None])[0]) == 0


@pytest.mark.parametrize("shift", [0.0, -5000.0, 5000.0])
def test_log_mean_exp_equals_scipy_also_where_exp_overflows(shift):
    values = np.random.default_rng(2).normal(shift, 3, (7, 4)).astype("float32")
    for axis, count in ((0, 7), (1, 4)):
        expected = special.logsumexp(values.astype(np.float64), axis=axis, b=1 / count)
        result = distributions.log_mean_exp(values, axis)
        np.testing.assert_allclose(result, expected, rtol=1e-6)


@given(rank=st.integers(1, 3))
def test_sum_event_leaves_the_leading_axes(rank):
    values = np.random.default_rng(rank).random((2, 3, 4, 5)).astype("float32")
    expected = values.reshape(*values.shape[: 4 - rank], -1).sum(axis=-1)
    np.testing.assert_allclose(distributions.sum_event(values, rank), expected, rtol=1e-5)


def test_prior_log_prob_equals_scipy_over_leading_axes():
    prior = priors.StandardNormal()
    z = np.random.default_rng(3).normal(size=(2, 5, 3)).astype("float32")
    expected = stats.multivariate_normal(np.zeros(3)).logpdf(z.astype(np.float64))
    np.testing.assert_allclose(prior.log_prob(z), expected, rtol=1e-5)


def test_prior_temperature_scales_each_row_around_the_centre():
    prior = priors.StandardNormal()
    prior.build((None, 3))
    plain = np.asarray(prior.sample(4, seed=7))
    warm = np.asarray(prior.sample(4, seed=7, temperature=np.array([0.0, 0.5, 1.0, 2.0])))
    np.testing.assert_allclose(warm, plain * [[0], [0.5], [1], [2]], rtol=1e-6)


def test_prior_draws_follow_its_density():
    prior = priors.StandardNormal()
    prior.build((None, 5))
    z = np.asarray(prior.sample(40_000, seed=3))
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-4
    # The entropy of N(0, I), of which -log p(z) is an estimate with variance D / 2.
    entropy = 2.5 * np.log(2 * np.pi * np.e)
    assert abs(-np.mean(prior.log_prob(z)) - entropy) < 4 * np.sqrt(2.5 / 40_000)
