"""`fit_prior`: the networks stay, the prior goes where the aggregate posterior lies."""

import re
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import PlainEncoder

import keras_vae as kv
from keras_vae import fitting
from keras_vae.priors import GaussianMixture, RealNVP, StandardNormal, VampPrior

LOG_VAR = -2.0


def clustered_vae():
    """A VAE of two bits whose posteriors lie in four far corners, (-3, -3) to (3, 3)."""
    x = keras.Input((2,))
    mean = keras.layers.Dense(
        2, kernel_initializer=keras.initializers.Identity(6.0), bias_initializer=constant(-3.0)
    )
    log_var = keras.layers.Dense(2, kernel_initializer="zeros", bias_initializer=constant(LOG_VAR))
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "linear")])
    return kv.VAE(keras.Model(x, [mean(x), log_var(x)]), decoder, seed=2)


def constant(value):
    return keras.initializers.Constant(value)


def bits(rows=400):
    return np.random.default_rng(0).integers(0, 2, (rows, 2)).astype("float32")


def weights_of(vae):
    return [np.array(weight) for part in (vae.encoder, vae.decoder) for weight in part.weights]


@pytest.fixture(scope="module")
def fitted():
    """A VAE, its copy with a mixture prior, and what `fit_prior` left of the weights."""
    vae = clustered_vae()
    vae.compile()
    before = weights_of(vae)
    new = vae.fit_prior(
        GaussianMixture(20, seed=0), bits(), epochs=25, learning_rate=0.05, verbose=0, batch_size=50
    )
    return vae, new, before


def test_a_mixture_reaches_the_mutual_information_of_well_separated_clusters(fitted):
    vae, new, _ = fitted
    x = bits(200)
    bounds = [kv.bounds.estimate(each, x, num_samples=20, seed=1) for each in (vae, new)]
    # KL(N(+-3, s^2) || N(0, 1)) of two units; and log 4 for one of four equal clusters.
    closed = 0.5 * (np.exp(LOG_VAR) + 9 - 1 - LOG_VAR) * 2
    np.testing.assert_allclose(bounds[0].kl, closed, rtol=1e-5)
    assert bounds[1].kl.mean() == pytest.approx(np.log(4), abs=0.12)
    np.testing.assert_allclose(bounds[1].log_px, bounds[0].log_px, rtol=1e-6)


def test_the_networks_are_shared_and_unchanged_and_the_new_vae_is_not_compiled(fitted):
    vae, new, before = fitted
    for weight, target in zip(weights_of(vae), before, strict=True):
        np.testing.assert_array_equal(weight, target)
    for part in ("encoder", "decoder", "likelihood", "posterior"):
        assert getattr(new, part) is getattr(vae, part)
    assert vae.compiled and not new.compiled
    assert type(vae.prior) is StandardNormal and type(new.prior) is GaussianMixture
    assert all(layer.trainable for layer in (new.encoder, new.decoder, new.prior))


def test_the_new_vae_is_saved_and_generates_from_its_clusters(fitted, tmp_path):
    _, new, _ = fitted
    z = np.asarray(new.prior.sample(300, seed=0))
    assert (np.abs(np.abs(z) - 3).max(axis=1) < 2).mean() > 0.95
    new.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    np.testing.assert_allclose(loaded.elbo(bits(9), seed=1), new.elbo(bits(9), seed=1), rtol=1e-6)


@pytest.mark.slow
def test_real_nvp_raises_the_validation_elbo_that_it_prints(capsys):
    vae, x = clustered_vae(), bits()
    prior = RealNVP(3, (16,), seed=0)
    new = vae.fit_prior(prior, x, epochs=15, learning_rate=0.03, verbose=2, batch_size=50)
    text = capsys.readouterr().out
    pattern = r"Validation ELBO: (-?[\d.]+) nats before, (-?[\d.]+) after\."
    before, after = map(float, re.search(pattern, text).groups())
    # Every tenth example validates.
    held_out = x[::10]
    assert before == pytest.approx(vae.elbo(held_out, 10, seed=0).mean(), abs=0.006)
    assert after == pytest.approx(new.elbo(held_out, 10, seed=0).mean(), abs=0.006)
    assert after > before + 3
    assert new.prior is prior


@pytest.mark.slow
def test_a_fit_that_makes_the_bound_worse_is_said_also_where_nothing_is_printed(capsys):
    vae, x = clustered_vae(), bits()
    fitted = vae.fit_prior(GaussianMixture(4, seed=0), x, epochs=15, learning_rate=0.03, verbose=0)
    with pytest.warns(UserWarning, match=r"is worse than the earlier one: .* fell from .* epochs"):
        fitted.fit_prior(RealNVP(1, (4,), seed=0), x, epochs=1, learning_rate=1e-6, verbose=0)
    assert capsys.readouterr().out == ""


def test_a_data_object_with_labels_is_fitted_to_and_validated_with(capsys):
    # Images of one row and two columns, labels beside them.
    x = bits(200).reshape(-1, 1, 2, 1)
    data = kv.data.load((x, np.arange(200) % 2), batch_size=32, labels=True, progress=False)
    vae = kv.VAE(
        kv.networks.mlp_encoder((1, 2, 1), 2, units=(4,), seed=0),
        kv.networks.mlp_decoder((1, 2, 1), 2, units=(4,), seed=1),
        seed=2,
    )
    new = vae.fit_prior("gaussian_mixture", data, epochs=1, verbose=2)
    before = float(re.search(r"ELBO: (-?[\d.]+) nats", capsys.readouterr().out).group(1))
    held_out = np.concatenate([np.asarray(batch[0]) for batch in data.validation])
    assert before == pytest.approx(vae.elbo(held_out, 10, seed=0).mean(), abs=0.006)
    assert new.prior.num_components == 100


@pytest.mark.parametrize("prior", ["gaussian_mixture", RealNVP(1, (4,), seed=0)])
def test_an_encoder_that_is_a_subclass_is_fitted_to(prior):
    vae = kv.VAE(PlainEncoder(2), clustered_vae().decoder, seed=2)
    new = vae.fit_prior(prior, bits(40), epochs=1, verbose=0)
    assert new.elbo(bits(3), seed=1).shape == (3,)


def test_a_seed_repeats_the_fit():
    options = {"epochs": 1, "verbose": 0, "batch_size": 20}
    first, again = (
        clustered_vae().fit_prior("gaussian_mixture", bits(60), seed=3, **options).prior.means
        for _ in range(2)
    )
    np.testing.assert_allclose(first, again, atol=1e-6)


@pytest.mark.parametrize(("steps", "epochs"), [(1, 2000), (7, 286), (100, 20), (430, 20)])
def test_by_default_there_are_at_least_2000_steps_and_20_epochs(steps, epochs):
    assert fitting._enough_epochs(steps) == epochs


def built_mixture():
    prior = GaussianMixture(2)
    prior.build((None, 2))
    return prior


@pytest.mark.parametrize(
    ("prior", "options", "message"),
    [
        ("standard_normal", {}, r"`prior` must be one of 'gaussian_mixture', 'real_nvp'"),
        ("real_nvpp", {}, r"`prior` must be one of .*Did you mean 'real_nvp'"),
        (StandardNormal(), {}, r"`prior` must be 'gaussian_mixture' or 'real_nvp'.*nothing to fit"),
        (VampPrior(3), {}, r"`prior` must be .*VampPrior trains with its encoder"),
        (built_mixture(), {}, r"`prior` must be .* a new instance .*which is built"),
        ("real_nvp", {"epochs": 0}, r"`epochs` must be an integer >= 1"),
        ("real_nvp", {"learning_rate": 0}, r"`learning_rate` must be > 0"),
        ("real_nvp", {"batch_size": 0}, r"`batch_size` must be an integer >= 1"),
        ("real_nvp", {"seed": None}, r"`seed` must be an integer"),
        (
            RealNVP(1, (4,)),
            {"learning_rate": 1e30, "epochs": 1, "verbose": 0},
            r"Lower the learning",
        ),
    ],
)
def test_bad_arguments_are_refused(prior, options, message):
    with pytest.raises(ValueError, match=message):
        clustered_vae().fit_prior(prior, bits(20), **options)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (bits(9), r"at least 10 examples\. Received: 9 examples"),
        (np.full((20, 2), 7.0, "float32"), r"values in \[0, 1\] for Bernoulli"),
        (np.zeros((20, 3), "float32"), r"shape"),
    ],
)
def test_bad_data_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        clustered_vae().fit_prior("real_nvp", x)


def test_data_without_a_part_to_validate_with_are_refused():
    x = bits(40).reshape(-1, 1, 2, 1)
    data = kv.data.load(x, validation_fraction=0, test_fraction=0, progress=False)
    vae = kv.VAE(
        kv.networks.mlp_encoder((1, 2, 1), 2, units=(4,)),
        kv.networks.mlp_decoder((1, 2, 1), 2, units=(4,)),
    )
    with pytest.raises(ValueError, match=r"validation or a test part.*validation_fraction=0\.1"):
        vae.fit_prior("real_nvp", data)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (lambda batches: batches.repeat(), r"length that is known.*infinite.*take\(n\)"),
        (lambda batches: batches.filter(lambda x: True), r"length that is known"),
        (lambda batches: batches.take(0), r"must hold batches"),
        (lambda batches: batches.map(lambda x: x * np.nan), r"finite numbers"),
    ],
)
def test_batches_to_train_with_that_cannot_be_are_refused(train, message):
    batches = tf.data.Dataset.from_tensor_slices(bits(20)).batch(10)
    data = types.SimpleNamespace(train=train(batches), validation=batches, test=None)
    with pytest.raises(ValueError, match=message):
        clustered_vae().fit_prior("real_nvp", data, epochs=1, verbose=0)


def test_a_model_that_knows_no_shape_before_its_data_is_fitted_too():
    class Encoder(keras.Model):
        def __init__(self):
            super().__init__()
            self.heads = [keras.layers.Dense(2), keras.layers.Dense(2)]

        def call(self, x):
            return [head(x) for head in self.heads]

    vae = kv.VAE(Encoder(), keras.Sequential([keras.layers.Dense(2)]))
    with pytest.raises(ValueError, match=r"must know the shape of its data.*Train it first"):
        vae.generate(2)
    fitted = vae.fit_prior("gaussian_mixture", bits(20), epochs=1, verbose=0)
    assert fitted.built and fitted.generate(3, seed=0).shape == (3, 2)
