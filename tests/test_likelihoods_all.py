"""What holds for every likelihood: bias, support, units, layout, seeds, configs."""

import json

import keras
import numpy as np
import pytest

import keras_vae as kv
from keras_vae.likelihoods import (
    Bernoulli,
    Categorical,
    ContinuousBernoulli,
    DiscretizedLogistic,
    Gaussian,
)

LIKELIHOODS = {
    "bernoulli": Bernoulli,
    "continuous_bernoulli": ContinuousBernoulli,
    "gaussian": lambda: Gaussian(0.5),
    "gaussian_learned": lambda: Gaussian("learned"),
    "gaussian_optimal": lambda: Gaussian("optimal"),
    "gaussian_per_element": lambda: Gaussian("per_element"),
    "logistic": DiscretizedLogistic,
    "logistic_levels": lambda: DiscretizedLogistic(levels=16),
    "logistic_mixture": lambda: DiscretizedLogistic(3),
    "categorical": lambda: Categorical(5),
    "ordinal": lambda: Categorical(5, ordinal=True),
    "ordinal_256": lambda: Categorical(256, ordinal=True),
}
DISCRETE = {name for name in LIKELIHOODS if name.split("_")[0] in ("bernoulli", "logistic")}
DISCRETE |= {"categorical", "ordinal", "ordinal_256"}
everything = pytest.mark.parametrize("name", LIKELIHOODS)


def random_params(likelihood, *shape, seed=0):
    """Parameters `(*shape, params_per_channel)`, the channel before them."""
    numbers = likelihood.params_per_channel
    return np.random.default_rng(seed).normal(size=(*shape, numbers)).astype("float32")


def merged(params):
    return params.reshape(*params.shape[:-2], -1)


@pytest.mark.parametrize("name", [name for name in LIKELIHOODS if name != "categorical"])
def test_the_bias_gives_the_mean(name):
    likelihood = LIKELIHOODS[name]()
    mean = np.linspace(0.01, 0.99, 42, dtype="float32").reshape(7, 3, 2)
    bias = likelihood.bias(mean)
    assert bias.dtype == "float32" and bias.shape == likelihood.params_shape(mean.shape)
    np.testing.assert_allclose(likelihood.mean(bias[None])[0], mean, atol=1e-4)
    # Of pixels that are always black or white it is finite all the same.
    edges = likelihood.bias(np.float32([0.0, 1.0]))
    assert np.isfinite(edges).all()
    np.testing.assert_allclose(likelihood.mean(edges[None])[0], [0, 1], atol=0.0101)


@everything
def test_channels_have_their_parameters_side_by_side(name):
    likelihood = LIKELIHOODS[name]()
    params = random_params(likelihood, 4, 3, 2)
    mean = np.asarray(likelihood.mean(merged(params)))
    x = np.asarray(likelihood.sample(merged(params), seed=0))
    log_probs = 0
    for channel in range(2):
        own = params[:, :, channel]
        np.testing.assert_allclose(mean[..., [channel]], likelihood.mean(own), rtol=1e-5)
        log_probs += np.asarray(likelihood.log_prob(x[..., [channel]], own[None])[0])
    found = likelihood.log_prob(x, merged(params)[None])[0]
    np.testing.assert_allclose(found, log_probs, rtol=1e-4, atol=1e-4)


@everything
def test_samples_are_a_function_of_the_row_seed(name):
    likelihood = LIKELIHOODS[name]()
    params = np.repeat(merged(random_params(likelihood, 1, 8, 3)), 4, axis=0)
    whole = np.asarray(likelihood.sample(params, seed=9))
    seeds = kv.random.row_seeds(9, 4)
    np.testing.assert_array_equal(likelihood.sample(params, seed=9), whole)
    np.testing.assert_allclose(likelihood.sample(params[2:], seeds[2:]), whole[2:], atol=1e-6)
    assert len(np.unique(whole.reshape(4, -1), axis=0)) == 4
    assert (np.asarray(likelihood.sample(params, seed=10)) != whole).any()


@everything
def test_samples_lie_in_the_support(name):
    likelihood = LIKELIHOODS[name]()
    params = merged(3 * random_params(likelihood, 50, 4, 2))
    draws = np.asarray(likelihood.sample(params, seed=1))
    likelihood.check(draws)
    assert np.isfinite(likelihood.log_prob(draws, params)).all()
    if likelihood.mean_range is not None:
        mean = np.asarray(likelihood.mean(params))
        low, high = likelihood.mean_range
        assert mean.min() >= low - 1e-5 and mean.max() <= high + 1e-5


@everything
def test_the_units_say_whether_it_is_a_density(name):
    kind = "probability" if name in DISCRETE else "density"
    assert LIKELIHOODS[name]().units == f"nats of a {kind}"


@everything
def test_a_config_gives_an_equal_likelihood(name):
    likelihood = LIKELIHOODS[name]()
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(likelihood)))
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is type(likelihood) and copy.get_config() == likelihood.get_config()
    params = merged(random_params(likelihood, 2, 3, 1))
    x = np.asarray(likelihood.sample(params, seed=0))
    np.testing.assert_array_equal(copy.log_prob(x, params), likelihood.log_prob(x, params))


REFUSED = [
    ("bernoulli", [-0.1, 0.5], r"values in \[0, 1\] for Bernoulli.*Divide 8-bit pixels by 255"),
    ("bernoulli", [0.0, 255.0], r"float32 values from 0 to 255\. Divide"),
    ("continuous_bernoulli", [0.5, 1.1], r"values in \[0, 1\] for ContinuousBernoulli.*Divide"),
    ("logistic", [0.0, 0.3001], r"multiples of 1/255 in \[0, 1\].*neither smooth nor resize"),
    ("logistic", [0.0, 1 / 16], r"multiples of 1/255.*give `levels`"),
    ("logistic", [0.0, 255.0], r"multiples of 1/255 in \[0, 1\].*Divide 8-bit pixels by 255"),
    ("logistic_levels", [0.0, 0.5], r"multiples of 1/15 in \[0, 1\], pixels of 16 levels"),
    ("categorical", [0.0, 5.0], r"the classes 0 to 4 for Categorical.*Number the classes from 0"),
    ("categorical", [1.5, 2.0], r"the classes 0 to 4 .*give num_categories as many"),
    ("categorical", [-1.0, 2.0], r"the classes 0 to 4 "),
    ("ordinal", [0.0, 0.3], r"multiples of 1/4 in \[0, 1\], pixels of 5 levels, for Categorical"),
    ("ordinal", [0.0, 4.0], r"multiples of 1/4 in \[0, 1\].*Divide 8-bit pixels by 255"),
]


@pytest.mark.parametrize(("name", "values", "message"), REFUSED)
def test_data_outside_the_support_are_refused_with_the_fix(name, values, message):
    with pytest.raises(ValueError, match=message):
        LIKELIHOODS[name]().check(np.float32(values)[:, None])


@pytest.mark.parametrize("name", ["logistic", "ordinal_256"])
def test_8_bit_pixels_divided_by_255_are_in_the_support(name):
    pixels = np.arange(256, dtype=np.uint8)[:, None]
    LIKELIHOODS[name]().check(pixels.astype("float32") / 255)
    LIKELIHOODS[name]().check((pixels / 255).astype("float32"))


def test_a_vae_refuses_data_outside_the_support_before_the_first_step(make_vae, images):
    vae = make_vae(likelihood=DiscretizedLogistic(levels=16), params_per_channel=2)
    for refused in (vae.fit, vae.evaluate, vae.elbo):
        with pytest.raises(ValueError, match="multiples of 1/15"):
            refused(images * 0.5)
