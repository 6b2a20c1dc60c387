"""Classes, nominal and ordinal, against a softmax in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from keras_vae.likelihoods import Categorical


def random_logits(*shape, seed=0, scale=2.0):
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype("float32")


def levels_of(likelihood):
    """The values that x can take, one to a row."""
    count = likelihood.num_categories
    return np.arange(count, dtype="float32")[:, None] / (count - 1 if likelihood.ordinal else 1)


@pytest.mark.parametrize("ordinal", [False, True])
@pytest.mark.parametrize("count", [2, 5, 256])
def test_log_prob_is_the_log_softmax_of_each_channel_summed(count, ordinal):
    likelihood = Categorical(count, ordinal)
    # Sample 2, row 3, pixels 4, channels 2: the logits of a channel stand side by side.
    logits = random_logits(2, 3, 4, 2, count)
    index = np.random.default_rng(1).integers(0, count, (3, 4, 2))
    log_softmax = special.log_softmax(logits.astype(np.float64), axis=-1)
    chosen = np.take_along_axis(log_softmax, np.broadcast_to(index, (2, 3, 4, 2))[..., None], -1)
    params = logits.reshape(2, 3, 4, -1)
    assert likelihood.params_shape((4, 2)) == params.shape[2:]
    found = likelihood.log_prob(levels_of(likelihood)[index, 0], params)
    np.testing.assert_allclose(found, chosen[..., 0].sum(axis=(2, 3)), rtol=1e-5)


@settings(max_examples=12)
@given(count=st.integers(2, 256), seed=st.integers(0, 99), scale=st.floats(0, 50))
@pytest.mark.parametrize("ordinal", [False, True])
def test_probabilities_of_all_classes_sum_to_one(ordinal, count, seed, scale):
    likelihood = Categorical(count, ordinal)
    params = np.repeat(random_logits(1, count, seed=seed, scale=scale), count, axis=0)
    log_probs = np.asarray(likelihood.log_prob(levels_of(likelihood), params), np.float64)
    assert np.exp(log_probs).sum() == pytest.approx(1, abs=2e-5)


def test_the_mean_of_a_nominal_class_is_its_mode_and_of_levels_their_expectation():
    logits = random_logits(6, 3, 4)
    params = logits.reshape(6, -1)
    np.testing.assert_array_equal(Categorical(4).mean(params), logits.argmax(axis=-1))
    expected = special.softmax(logits.astype(np.float64), axis=-1) @ (np.arange(4) / 3)
    np.testing.assert_allclose(Categorical(4, ordinal=True).mean(params), expected, rtol=1e-5)


@pytest.mark.parametrize("ordinal", [False, True])
@pytest.mark.parametrize("count", [2, 7])
def test_samples_have_the_frequencies_of_the_classes(count, ordinal):
    likelihood = Categorical(count, ordinal)
    logits = random_logits(2, count, seed=2, scale=1.0)
    draws = np.asarray(likelihood.sample(np.repeat(logits.reshape(1, -1), 8000, axis=0), seed=3))
    index = np.round(draws * (count - 1 if ordinal else 1)).astype(int)
    np.testing.assert_allclose(draws, levels_of(likelihood)[index, 0], atol=1e-6)
    for channel, own in enumerate(special.softmax(logits.astype(np.float64), axis=-1)):
        frequencies = np.bincount(index[:, channel], minlength=count) / 8000
        assert (np.abs(frequencies - own) < 4.5 * np.sqrt(own * (1 - own) / 8000)).all()
    assert abs(np.corrcoef(draws.T)[0, 1]) < 0.06


def test_a_class_of_probability_zero_is_never_drawn():
    params = np.repeat(np.float32([[-100, 0, -100, 0, -100]]), 2000, axis=0)
    draws = np.asarray(Categorical(5).sample(params, seed=0))
    assert set(np.unique(draws)) == {1.0, 3.0}


def test_a_nominal_bias_makes_all_classes_equally_likely():
    bias = Categorical(4).bias(np.full((3, 2), 1.7, "float32"))
    np.testing.assert_array_equal(bias, np.zeros((3, 8)))


def test_an_ordinal_bias_has_the_highest_entropy_of_its_mean():
    likelihood = Categorical(4, ordinal=True)
    logits = likelihood.bias(np.float32([0.3]))
    probabilities = special.softmax(logits.astype(np.float64))
    entropy = -np.sum(probabilities * np.log(probabilities))
    # The moves that keep both the sum and the mean of four levels.
    for move in ([1, -2, 1, 0], [0, 1, -2, 1]):
        for size in (-1e-2, 1e-2):
            other = probabilities + size * np.array(move)
            assert -np.sum(other * np.log(other)) < entropy


@pytest.mark.parametrize("arguments", [(), (1,), (2.0,), (True,)])
def test_a_number_of_classes_below_two_is_refused_with_an_example(arguments):
    with pytest.raises(ValueError, match=r"`num_categories` must be an integer >= 2.*Write Cat"):
        Categorical(*arguments)


@pytest.mark.parametrize("ordinal", [False, True])
def test_a_value_a_little_off_its_class_that_the_check_lets_pass_is_of_that_class(ordinal):
    likelihood = Categorical(50, ordinal)
    x = levels_of(likelihood)
    params = np.repeat(random_logits(1, 50), 50, axis=0)
    expected = likelihood.log_prob(x, params)
    for error in (-8e-3, 8e-3):
        off = x + np.float32(error / (49 if ordinal else 1))
        likelihood.check(off)
        np.testing.assert_array_equal(likelihood.log_prob(off, params), expected)


def test_pixels_of_eight_bits_are_no_levels_between_0_and_1():
    """Times 255 in eight bits, they would wrap around to whole numbers below 256."""
    pixels = np.arange(256, dtype="uint8")[:, None]
    with pytest.raises(ValueError, match="multiples of 1/255"):
        Categorical(256, ordinal=True).check(pixels)
