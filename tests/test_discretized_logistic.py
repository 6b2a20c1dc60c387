"""The discretised logistic against differences of SciPy's distribution functions."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from keras_vae.likelihoods import DiscretizedLogistic

LEVELS = [2, 3, 16, 256]
COMPONENTS = [1, 2, 5]


def random_params(likelihood, rows, channels=1, seed=0, sharpest=-6):
    """Parameters of rows, `(rows, channels * params_per_channel)`: spread, and sharp ones too."""
    rng = np.random.default_rng(seed)
    count = likelihood.num_components
    parts = [rng.uniform(-0.3, 1.3, (rows, channels, count))]
    parts.append(rng.uniform(sharpest, 1, (rows, channels, count)))
    if count > 1:
        parts.append(rng.normal(size=(rows, channels, count)))
    return np.concatenate(parts, axis=-1).reshape(rows, -1).astype("float32")


def reference(params, components, levels):
    """P(level) in float64 for parameters of one channel `(numbers,)`: `(levels,)`."""
    params = params.astype(np.float64)
    locations, log_scales = params[:components], params[components : 2 * components]
    weights = special.softmax(params[2 * components :]) if components > 1 else np.ones(1)
    edges = (np.arange(levels - 1) + 0.5) / (levels - 1)
    below = stats.logistic.cdf(edges, locations[:, None], np.exp(log_scales)[:, None])
    above = stats.logistic.sf(edges, locations[:, None], np.exp(log_scales)[:, None])
    ends = np.zeros((components, 1)), np.ones((components, 1))
    by_cdf = np.diff(np.concatenate([ends[0], below, ends[1]], axis=1))
    by_sf = -np.diff(np.concatenate([ends[1], above, ends[0]], axis=1))
    # In each tail the one that does not take a small number from one.
    return weights @ np.where(by_cdf < 1e-3, np.minimum(by_cdf, by_sf), by_cdf)


def probabilities(likelihood, params):
    """P(level) by the code, for parameters of one channel."""
    x = np.arange(likelihood.levels, dtype="float32")[:, None] / (likelihood.levels - 1)
    log_probs = likelihood.log_prob(x, np.repeat(params[None], likelihood.levels, axis=0))
    return np.exp(np.asarray(log_probs, np.float64))


@pytest.mark.parametrize("components", COMPONENTS)
@pytest.mark.parametrize("levels", LEVELS)
def test_probabilities_equal_scipy_and_sum_to_one(components, levels):
    likelihood = DiscretizedLogistic(components, levels)
    for params in random_params(likelihood, 12):
        found = probabilities(likelihood, params)
        expected = reference(params, components, levels)
        assert found.sum() == pytest.approx(1, abs=2e-5)
        np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-6)


@settings(max_examples=12)
@given(levels=st.integers(2, 256), location=st.floats(-2, 3), log_scale=st.floats(-9, 6))
def test_probabilities_of_any_number_of_levels_sum_to_one(levels, location, log_scale):
    params = np.array([location, log_scale], "float32")
    total = probabilities(DiscretizedLogistic(levels=levels), params).sum()
    assert total == pytest.approx(1, abs=2e-4)


@pytest.mark.parametrize("components", [1, 3])
def test_channels_stand_side_by_side_and_events_are_summed(components):
    likelihood = DiscretizedLogistic(components, levels=5)
    params = random_params(likelihood, 2 * 3 * 4, channels=3, seed=1, sharpest=-2)
    params = params.reshape(2, 3, 4, -1)
    index = np.random.default_rng(2).integers(0, 5, (3, 4, 3))
    expected = np.zeros((2, 3))
    for sample, row, pixel, channel in np.ndindex(2, 3, 4, 3):
        own = params[sample, row, pixel].reshape(3, -1)[channel]
        level = index[row, pixel, channel]
        expected[sample, row] += np.log(reference(own, components, 5)[level])
    assert likelihood.params_shape((4, 3)) == params.shape[2:]
    found = likelihood.log_prob((index / 4).astype("float32"), params)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("location", [-1e4, -1.0, 0.5, 1e4])
@pytest.mark.parametrize("log_scale", [-1e4, -8.0, 5.0, 1e4])
def test_values_and_gradients_are_finite_at_extreme_parameters(location, log_scale):
    params = tf.constant([[location, log_scale]] * 3, "float32")
    with tf.GradientTape() as tape:
        tape.watch(params)
        log_probs = DiscretizedLogistic().log_prob(np.float32([[0.0], [0.4], [1.0]]), params)
        total = tf.reduce_sum(log_probs)
    assert np.isfinite(log_probs).all() and np.isfinite(tape.gradient(total, params)).all()
    assert (np.asarray(log_probs) <= 1e-6).all()


def test_pixels_of_any_kind_of_number_are_checked():
    for kind in ("int8", "uint8", "float64"):
        DiscretizedLogistic().check(np.array([[0, 1]], kind))
        with pytest.raises(ValueError, match="multiples of 1/255"):
            DiscretizedLogistic().check(np.array([[0, 2]], kind))


def test_the_log_probability_far_from_the_location_does_not_underflow():
    params = np.float32([[0.0, -6.0]])
    found = float(DiscretizedLogistic().log_prob(np.float32([[0.5]]), params)[0])
    # The tail of a logistic: exp(-(x - h)/s) - exp(-(x + h)/s).
    scale, x, half = np.exp(-6.0), np.float64(np.float32(0.5)), 0.5 / 255
    expected = -(x - half) / scale + np.log(-np.expm1(-2 * half / scale))
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("components", COMPONENTS)
@pytest.mark.parametrize("levels", LEVELS)
def test_the_mean_is_that_of_the_levels_within_the_documented_bound(components, levels):
    likelihood = DiscretizedLogistic(components, levels)
    values = np.arange(levels) / (levels - 1)
    for params in random_params(likelihood, 20, seed=3):
        expected = reference(params, components, levels) @ values
        found = float(likelihood.mean(params[None])[0, 0])
        assert abs(found - expected) * (levels - 1) < 0.5
        if params[components : 2 * components].min() >= -np.log(levels - 1):
            assert abs(found - expected) * (levels - 1) < 0.011


def test_the_mean_of_a_scale_of_one_level_at_the_edge_is_the_worst_of_the_wide_ones():
    likelihood, values = DiscretizedLogistic(), np.arange(256) / 255
    worst = 0
    for location in np.linspace(-0.02, 0.02, 21):
        params = np.float32([location, -np.log(255)])
        expected = reference(params, 1, 256) @ values
        worst = max(worst, abs(float(likelihood.mean(params[None])[0, 0]) - expected) * 255)
    assert worst < 0.011


@pytest.mark.parametrize("components", COMPONENTS)
@pytest.mark.parametrize("levels", [2, 4, 256])
def test_samples_have_the_frequencies_of_the_levels(components, levels):
    likelihood = DiscretizedLogistic(components, levels)
    params = random_params(likelihood, 1, channels=2, seed=4)
    draws = np.asarray(likelihood.sample(np.repeat(params, 10_000, axis=0), seed=5), np.float64)
    index = np.round(draws * (levels - 1)).astype(int)
    np.testing.assert_allclose(draws, index / (levels - 1), atol=1e-6)
    for channel, own in enumerate(params[0].reshape(2, -1)):
        expected = reference(own, components, levels)
        counts = np.bincount(index[:, channel], minlength=levels)
        errors = np.abs(counts / 10_000 - expected)
        assert (errors < 4.5 * np.sqrt(expected * (1 - expected) / 10_000) + 2e-3).all()
    assert abs(np.corrcoef(draws.T)[0, 1]) < 0.05


def test_one_component_is_a_mixture_of_equal_ones():
    single = np.float32([[0.4, -1.5]])
    triple = np.float32([[0.4] * 3 + [-1.5] * 3 + [0.3, -2.0, 1.0]])
    x = np.float32([[102 / 255]])
    one, three = DiscretizedLogistic(), DiscretizedLogistic(3)
    np.testing.assert_allclose(three.log_prob(x, triple), one.log_prob(x, single), rtol=1e-5)
    np.testing.assert_allclose(three.mean(triple), one.mean(single), rtol=1e-5)


@pytest.mark.parametrize(("components", "numbers"), [(1, 2), (2, 6), (np.int64(5), 15)])
def test_the_decoder_gives_weights_only_to_a_mixture(components, numbers):
    likelihood = DiscretizedLogistic(components)
    assert likelihood.params_shape((4, 4, 3)) == (4, 4, 3 * numbers)


@pytest.mark.parametrize("arguments", [(0,), (1, 1), (1.5,), (2, 0)])
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(ValueError, match=r"`(num_components|levels)` must be an integer >= [12]"):
        DiscretizedLogistic(*arguments)
