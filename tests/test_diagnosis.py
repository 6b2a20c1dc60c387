"""`diagnose` finds each fault in a model that is made to have it, and none in a healthy one."""

import re
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from linear_gaussian import LinearGaussian, orthogonal

import keras_vae as kv
from keras_vae.objectives import ELBO
from keras_vae.schedules import LinearWarmup

OPTIONS = {"max_examples": 200, "num_samples": 20}


@pytest.fixture(scope="module")
def model():
    return orthogonal(2, 4, 2)


def problems(diagnosis):
    """Return the names of what was found, once each finding has been seen to be of use."""
    for place, finding in enumerate(diagnosis.findings, 1):
        assert re.search(r"\d", finding.evidence), "evidence holds numbers"
        assert len(finding.change) > 20
        assert f"{place}. {finding.problem}: {finding.evidence} {finding.change}" in str(diagnosis)
    return [finding.problem for finding in diagnosis.findings]


def dead_units(vae, units):
    """Make the posterior of some latent units the prior."""
    mean, log_var = (vae.encoder.get_layer(name) for name in ("z_mean", "z_log_var"))
    for layer in (mean, log_var):
        kernel, bias = layer.get_weights()
        kernel[:, units], bias[units] = 0.0, 0.0
        layer.set_weights([kernel, bias])
    return vae


def test_a_healthy_model_has_nothing_and_its_numbers_are_those_of_evaluate(model):
    vae, x = model.vae(), model.draw(200)
    diagnosis = vae.diagnose(x, **OPTIONS, seed=3)
    assert problems(diagnosis) == []
    assert "Nothing is wrong" in str(diagnosis)
    assert "Over-fitting was not looked for" in str(diagnosis)
    metrics = kv.evaluation.evaluate(vae, x, num_samples=20, seed=3)
    for name in ("elbo", "rate", "distortion", "mutual_information", "marginal_kl"):
        assert diagnosis.numbers[name] == pytest.approx(metrics[name], rel=1e-5, abs=1e-6)
    z_mean, z_log_var = (np.asarray(part, "float64") for part in vae.encode(x))
    unit_kl = 0.5 * (np.exp(z_log_var) + z_mean**2 - 1 - z_log_var).mean(axis=0)
    np.testing.assert_allclose(diagnosis.numbers["unit_kl"], unit_kl, rtol=1e-4)


def with_flow(scale):
    """A VAE whose posterior tells x by the flow's context alone, as far as `scale` lets it."""
    x = keras.Input((6,))
    nothing = [keras.layers.Dense(2, kernel_initializer="zeros")(x) for _ in range(2)]
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(6)])
    flow = kv.flows.CouplingFlow(2, (8,), seed=0)
    vae = kv.VAE(
        keras.Model(x, [*nothing, keras.layers.Identity()(x)]),
        decoder,
        likelihood="gaussian",
        posterior=kv.posteriors.FlowPosterior(flow),
        seed=2,
    )
    rng = np.random.default_rng(0)
    for weight in flow.weights:
        weight.assign_add(scale * rng.normal(size=weight.shape))
    return vae


@pytest.mark.parametrize(("scale", "active"), [(0.4, 2), (0.0, 0)])
def test_what_a_flow_makes_of_the_context_is_seen(scale, active):
    vae, x = with_flow(scale), np.random.default_rng(1).normal(size=(200, 6)).astype("float32")
    diagnosis = vae.diagnose(x, **OPTIONS)
    assert ("posterior collapse" in problems(diagnosis)) == (active == 0)
    assert kv.evaluation.evaluate(vae, x, num_samples=2)["active_units"] == active
    assert "unit_kl" not in diagnosis.numbers
    # By draws of another generator, and many more of them.
    noise = np.random.default_rng(2).normal(size=(2000, 200, 2)).astype("float32")
    z = np.asarray(vae.posterior.sample(vae.encode(x), noise)[0], "float64")
    expected = 0.5 * (np.log(z.var(axis=(0, 1))) - np.log(z.var(axis=0)).mean(axis=0))
    np.testing.assert_allclose(diagnosis.numbers["unit_information"], expected, atol=0.03)


def test_a_healthy_model_of_parts_has_nothing_either(model):
    x = model.draw(400)
    data = SimpleNamespace(train=[x[:200]], validation=[x[200:]], test=None)
    diagnosis = model.vae().diagnose(data, **OPTIONS)
    assert problems(diagnosis) == []
    train = model.vae().elbo(x[:200], 20, seed=0).mean()
    assert diagnosis.numbers["train_elbo"] == pytest.approx(train, rel=1e-5)


@pytest.mark.parametrize("prior", ["standard_normal", "real_nvp"])
def test_units_that_are_the_same_for_all_x_are_collapsed_wherever_they_lie(prior):
    """Under a prior that learns, posteriors collapse to another place than N(0, I)."""
    model = LinearGaussian(np.random.default_rng(2).normal(size=(4, 6)))
    vae = dead_units(model.vae(), [1, 3]).with_prior(prior)
    mean = vae.encoder.get_layer("z_mean")
    kernel, bias = mean.get_weights()
    mean.set_weights([kernel, bias + np.float32([0, 2, 0, -1])])
    diagnosis = vae.diagnose(model.draw(200), **OPTIONS)
    assert "posterior collapse" in problems(diagnosis)
    assert "2 of 4 latent units carry less than 0.01 nats: 1, 3." in str(diagnosis)


def test_what_a_unit_tells_is_that_of_a_linear_gaussian_one(model):
    """Of a normal aggregate posterior the bound is the information: log(var / mean var) / 2."""
    vae, x = model.vae(), model.draw(2000)
    exact = -0.5 * np.asarray(vae.encode(x).z_log_var, "float64").mean(axis=0)
    numbers = vae.diagnose(x, max_examples=2000, num_samples=2).numbers
    np.testing.assert_allclose(numbers["unit_information"], exact, atol=0.1)
    assert all(np.array(numbers["unit_information"]) <= np.array(numbers["unit_kl"]) + 1e-6)


@pytest.mark.parametrize(
    ("units", "change"),
    [([3], "smaller latent_dim does the same"), ([0, 1, 3], "free_bits"), (range(4), "ignores z")],
)
def test_collapsed_units_are_counted_and_named(units, change):
    weights = np.random.default_rng(2).normal(size=(4, 6))
    model = LinearGaussian(weights)
    vae = dead_units(model.vae(), list(units))
    finding = next(
        each
        for each in vae.diagnose(model.draw(200), **OPTIONS).findings
        if each.problem == "posterior collapse"
    )
    assert f"{len(units)} of 4 latent units" in finding.evidence
    assert finding.evidence.endswith(": " + ", ".join(map(str, units)) + ".")
    assert change in finding.change


def test_a_weight_of_the_kl_that_dominates(model):
    vae = dead_units(model.vae(objective=ELBO(10.0)), [0, 1])
    diagnosis = vae.diagnose(model.draw(200), **OPTIONS)
    assert problems(diagnosis) == ["posterior collapse", "the weight of the KL dominates"]
    assert "beta is 10" in diagnosis.findings[1].evidence
    assert all("Lower beta" in finding.change for finding in diagnosis.findings)
    # The same beta is no fault where the units are alive, nor the dead units those of beta 1.
    assert problems(model.vae(objective=ELBO(10.0)).diagnose(model.draw(200), **OPTIONS)) == []
    plain = dead_units(model.vae(), [0, 1]).diagnose(model.draw(200), **OPTIONS)
    assert problems(plain) == ["posterior collapse"]
    assert "Warm the weight" in plain.findings[0].change


def test_a_weight_of_the_kl_that_vanishes_and_a_prior_far_away(model):
    x = model.draw(200) + 40 * model.weights[0].astype("float32")
    vae = model.vae(objective=ELBO(0.01))
    diagnosis = vae.diagnose(x, **OPTIONS)
    found = ["the weight of the KL vanishes", "a prior far from the aggregate posterior"]
    assert problems(diagnosis) == found
    assert "beta is 0.01" in diagnosis.findings[0].evidence
    assert f"{diagnosis.numbers['marginal_kl']:.1f} of the rate" in diagnosis.findings[1].evidence
    assert all("fit_prior" in finding.change for finding in diagnosis.findings)
    assert problems(model.vae().diagnose(x, **OPTIONS)) == found[1:]
    unweighted = model.vae(objective=kv.objectives.InfoVAE(alpha=1.0)).diagnose(x, **OPTIONS)
    assert "1 - alpha is 0;" in unweighted.findings[0].evidence and problems(unweighted) == found
    assert problems(vae.diagnose(model.draw(200), **OPTIONS)) == []


def test_few_examples_of_high_information_say_nothing_of_the_prior():
    # 40 examples show no more than log 40 = 3.7 of the 9 nats that z tells.
    model = LinearGaussian(10.0 * np.eye(4, 6))
    vae = model.vae()
    diagnosis = vae.diagnose(model.draw(40), **OPTIONS)
    assert diagnosis.numbers["marginal_kl"] > 0.4 * diagnosis.numbers["rate"]
    assert "aggregate_note" in diagnosis.numbers and problems(diagnosis) == []


@pytest.mark.filterwarnings("ignore:The schedule of")
@pytest.mark.parametrize(("steps", "unfinished"), [(2, False), (1000, True)])
def test_a_warm_up_that_never_finished(model, steps, unfinished):
    vae = model.vae(objective=ELBO(LinearWarmup(steps)))
    vae.compile(keras.optimizers.SGD(0.0))
    vae.fit(model.draw(64), batch_size=16, verbose=0)
    diagnosis = vae.diagnose(model.draw(200), **OPTIONS)
    assert problems(diagnosis) == ["a warm-up that never finished"] * unfinished
    if unfinished:
        assert "`beta` is 0.004 after 4 steps" in str(diagnosis)


@pytest.mark.parametrize("bias", [1e3, -1e3])
def test_log_variances_at_a_limit(model, bias):
    vae = model.vae()
    layer = vae.encoder.get_layer("z_log_var")
    layer.bias.assign([float(layer.bias[0]), bias])
    diagnosis = vae.diagnose(model.draw(200), **OPTIONS)
    finding = next(f for f in diagnosis.findings if f.problem == "saturated log-variances")
    assert "50.0%" in finding.evidence and "units 1:" in finding.evidence


def test_data_outside_the_support_and_grey_pixels(trained_vae, images):
    outside = trained_vae.diagnose(images * 2, **OPTIONS)
    assert problems(outside) == ["data outside the likelihood's support"]
    assert "In the held-out part" in outside.findings[0].evidence
    parts = SimpleNamespace(train=[3.0 * images], validation=[images], test=None)
    outside = trained_vae.diagnose(parts, **OPTIONS)
    assert problems(outside) == ["data outside the likelihood's support"]
    assert "In the training part" in outside.findings[0].evidence
    assert outside.numbers == {}
    grey = np.where(np.arange(16).reshape(4, 4, 1) < 4, 0.5, images).astype("float32")
    diagnosis = trained_vae.diagnose(grey, **OPTIONS)
    assert problems(diagnosis)[0] == "grey pixels under a Bernoulli"
    assert "25% of the values" in str(diagnosis) and "continuous_bernoulli" in str(diagnosis)
    assert "grey pixels under a Bernoulli" not in problems(trained_vae.diagnose(images, **OPTIONS))


def parts_with_an_odd_pixel(model, size):
    """Return data whose held-out part has another last pixel, which no z explains."""
    x = model.draw(400)
    held_out = x[200:].copy()
    held_out[:, -1] += size
    return SimpleNamespace(train=[x[:200]], validation=None, test=[held_out])


@pytest.fixture(scope="module")
def blind_model():
    """A model whose last pixel is noise alone."""
    weights = np.zeros((2, 4))
    weights[0, 0], weights[1, 1] = 1.0, 0.8
    return LinearGaussian(weights)


def test_an_encoder_that_fits_the_training_data_alone(blind_model):
    vae = blind_model.vae()
    layer = vae.encoder.get_layer("z_mean")
    kernel, bias = layer.get_weights()
    kernel[-1] = 3.0
    # The pixel is always the same in training, so that the encoder errs elsewhere alone.
    data = parts_with_an_odd_pixel(blind_model, 1.0)
    data.train[0][:, -1], data.test[0][:, -1] = 1.0, 1.5
    layer.set_weights([kernel, bias - 3.0])
    found = problems(vae.diagnose(data, **OPTIONS))
    assert "over-fitting of the encoder" in found and "over-fitting of the decoder" not in found


def test_a_decoder_that_fits_the_training_data_alone(blind_model):
    data = parts_with_an_odd_pixel(blind_model, 3.0)
    diagnosis = blind_model.vae().diagnose(data, **OPTIONS)
    assert problems(diagnosis) == ["over-fitting of the decoder"]
    fall = float(re.search(r"log p\(x\) is ([\d.]+) nats higher", str(diagnosis))[1])
    x, held_out = data.train[0], data.test[0]
    exact = blind_model.log_prob(x).mean() - blind_model.log_prob(held_out).mean()
    assert fall == pytest.approx(exact, abs=0.1)


def test_a_posterior_with_a_flow_is_diagnosed_too(model):
    diagnosis = model.vae(posterior="coupling").diagnose(model.draw(200), **OPTIONS)
    assert problems(diagnosis) == [] and "marginal_kl" not in diagnosis.numbers


@pytest.mark.parametrize(
    ("data", "options", "says"),
    [
        (np.zeros((19, 4)), {}, "at least 20 examples.*19"),
        (np.zeros((40, 4)), {"num_samples": 1}, "`num_samples` must be an integer >= 2"),
        (np.zeros((40, 4)), {"max_examples": 5}, "`max_examples` must be an integer >= 20"),
        (SimpleNamespace(train=[1], validation=None, test=None), {}, "validation or a test part"),
    ],
)
def test_too_little_to_look_at_is_refused(data, options, says, model):
    with pytest.raises(ValueError, match=says):
        model.vae().diagnose(data, **options)
