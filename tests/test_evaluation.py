"""What is done with a trained VAE: numbers with their errors, reconstructions, generated images."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

import keras_vae as kv


@pytest.fixture(scope="module")
def metrics(trained_vae, images):
    return kv.evaluation.evaluate(trained_vae, images, num_samples=20, seed=3)


def test_metrics_are_the_means_of_the_bounds_with_their_standard_errors(
    metrics, trained_vae, images
):
    elbo = trained_vae.elbo(images, 20, seed=3)
    log_prob = trained_vae.log_prob(images, 20, seed=3)
    for name, values in (("elbo", elbo), ("nll", -log_prob)):
        assert metrics[name] == pytest.approx(values.mean(), rel=1e-6)
        assert metrics[f"{name}_standard_error"] == pytest.approx(stats.sem(values), rel=1e-5)
    assert metrics["elbo"] == pytest.approx(-metrics["distortion"] - metrics["rate"], rel=1e-6)
    assert metrics["bits_per_dim"] == pytest.approx(metrics["nll"] / 16 / np.log(2), rel=1e-6)
    assert -metrics["nll"] > metrics["elbo"]
    given = {name: metrics[name] for name in ("n", "num_samples", "seed", "latent_dim")}
    assert given == {"n": 40, "num_samples": 20, "seed": 3, "latent_dim": 2}
    assert "note" not in metrics


def test_rate_and_active_units_are_those_of_the_encoder(metrics, trained_vae, images):
    z_mean, z_log_var = (np.asarray(part, np.float64) for part in trained_vae.encode(images))
    kl = 0.5 * (np.exp(z_log_var) + z_mean**2 - 1 - z_log_var).sum(axis=-1)
    assert metrics["rate"] == pytest.approx(kl.mean(), rel=1e-5)
    assert metrics["active_units"] == (z_mean.var(axis=0) > 0.01).sum() >= 1


def test_a_collapsed_posterior_has_no_active_unit_and_no_rate(make_vae, images):
    vae = make_vae()
    for layer in ("z_mean", "z_log_var"):
        layer = vae.encoder.get_layer(layer)
        layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    metrics = kv.evaluation.evaluate(vae, images, num_samples=3)
    assert (metrics["active_units"], metrics["rate"]) == (0, 0.0)


@pytest.mark.parametrize("batch_size", [1, 7, 40])
@pytest.mark.parametrize("form", ["x", "x_y"])
def test_the_batch_size_changes_no_metric(batch_size, form, metrics, trained_vae, images):
    slices = images if form == "x" else (images, np.arange(40))
    dataset = tf.data.Dataset.from_tensor_slices(slices).batch(batch_size)
    result = kv.evaluation.evaluate(trained_vae, dataset, num_samples=20, seed=3)
    assert result == pytest.approx(metrics, rel=1e-5)


def test_grey_pixels_under_a_bernoulli_are_said_to_be_no_likelihood(trained_vae, images):
    metrics = kv.evaluation.evaluate(trained_vae, images * 0.5, num_samples=2)
    assert "bits_per_dim" not in metrics
    assert "Bernoulli" in metrics["note"] and "Binarise" in metrics["note"]


def test_a_density_has_no_bits_per_dim(make_vae, images):
    metrics = kv.evaluation.evaluate(make_vae(likelihood="gaussian"), images, num_samples=2)
    assert "bits_per_dim" not in metrics and "differential nats" in metrics["note"]


def test_one_grey_batch_among_binary_ones_is_noticed(trained_vae, images):
    grey = np.full_like(images[:20], 0.5)
    dataset = tf.data.Dataset.from_tensor_slices(np.concatenate([grey, images])).batch(20)
    assert "grey" in kv.evaluation.evaluate(trained_vae, dataset, num_samples=1)["note"]
    assert "note" not in kv.evaluation.evaluate(trained_vae, images, num_samples=1)


def test_active_units_are_those_whose_mean_varies_by_more_than_a_hundredth(images):
    """z_mean is linear in the first pixel, so that its variance over the data is known."""
    inputs = keras.Input(images.shape[1:])
    flat = keras.layers.Flatten()(inputs)
    scale = 1 / images[:, 0, 0, 0].std()
    weights = np.zeros((16, 3), "float32")
    weights[0] = scale * np.sqrt([0.009, 0.02, 4.0])
    mean = keras.layers.Dense(3, use_bias=False)
    mean.build((None, 16))
    mean.set_weights([weights])
    encoder = keras.Model(inputs, [mean(flat), keras.layers.Dense(3)(flat)])
    vae = kv.VAE(encoder, kv.networks.mlp_decoder(images.shape[1:], 3, seed=0), seed=0)
    assert kv.evaluation.evaluate(vae, images, num_samples=1)["active_units"] == 2


def test_one_example_has_no_standard_error(trained_vae, images):
    metrics = kv.evaluation.evaluate(trained_vae, images[:1], num_samples=2)
    assert not [name for name in metrics if name.endswith("standard_error")]
    json.dumps(metrics, allow_nan=False)


@pytest.mark.parametrize("seed", [None, 1.5, 2**64 + 3])
def test_what_is_no_seed_is_refused(trained_vae, images, seed):
    with pytest.raises(ValueError, match="`seed` must be an integer"):
        kv.evaluation.evaluate(trained_vae, images, seed=seed)


def test_nothing_to_evaluate_is_refused(trained_vae):
    empty = tf.data.Dataset.from_tensor_slices(np.zeros((0, 4, 4, 1), "float32")).batch(2)
    with pytest.raises(ValueError, match="`dataset` must hold at least one example"):
        kv.evaluation.evaluate(trained_vae, empty)


@pytest.mark.parametrize("batch_size", [1, 7, 40])
def test_keras_evaluate_is_the_elbo_of_the_models_seed_for_any_batch_size(
    batch_size, trained_vae, images
):
    result = trained_vae.evaluate(images, batch_size=batch_size, verbose=0, return_dict=True)
    assert result["loss"] == pytest.approx(-trained_vae.elbo(images, seed=2).mean(), rel=1e-5)
    assert result["loss"] == pytest.approx(result["reconstruction_loss"] + result["kl_loss"])
    values = trained_vae.evaluate(images, batch_size=batch_size, verbose=0)
    names = ["loss", "reconstruction_loss", "kl_loss"]
    assert trained_vae.metrics_names == names
    assert values == [result[name] for name in names]


def test_evaluating_twice_gives_the_same_and_counts_afresh(trained_vae, images):
    first = trained_vae.evaluate(images, verbose=0)
    trained_vae.evaluate(images[:3], verbose=0)
    assert trained_vae.evaluate(images, verbose=0) == first


def test_a_trained_model_reconstructs_better_than_the_mean_image(trained_vae, images):
    errors = np.mean((np.asarray(trained_vae.reconstruct(images)) - images) ** 2)
    assert errors < 0.6 * np.mean((images.mean(axis=0) - images) ** 2)


def test_reconstruct_call_and_predict_decode_the_centre_without_noise(trained_vae, images):
    z_mean = trained_vae.encoder(images)[0]
    expected = special.expit(np.asarray(trained_vae.decoder(z_mean), np.float64))
    for result in (
        trained_vae.reconstruct(images),
        trained_vae(images),
        trained_vae.predict(images, batch_size=7, verbose=0),
        trained_vae.decode(trained_vae.embed(images)),
    ):
        np.testing.assert_allclose(result, expected, atol=1e-6)
    assert np.abs(np.asarray(trained_vae(images, training=True)) - expected).max() > 1e-3


def test_the_log_variance_is_clipped_where_float32_ends(make_vae, images):
    vae = make_vae()
    layer = vae.encoder.get_layer("z_log_var")
    layer.bias.assign([1e9, -1e9])
    z_log_var = np.asarray(vae.encode(images).z_log_var)
    assert np.unique(z_log_var[:, 0]).tolist() == [20] and np.unique(z_log_var[:, 1]).tolist() == [
        -20
    ]
    assert np.isfinite(vae.elbo(images, seed=0)).all()


def test_generated_images_decode_the_documented_draws(trained_vae):
    seeds = kv.random.row_seeds(7, 5)
    z = np.asarray(kv.random.normals(seeds, 2, stream=kv.random.PRIOR)) * 0.5
    expected = special.expit(np.asarray(trained_vae.decoder(z), np.float64))
    for seed in (7, seeds, seeds.tolist()):
        images = trained_vae.generate(5, temperature=0.5, seed=seed)
        np.testing.assert_allclose(images, expected, atol=1e-6)


@pytest.mark.parametrize("n", [1, 512, 513])
def test_a_generated_image_depends_on_its_seed_and_row_only(n, trained_vae):
    images, more = (np.asarray(trained_vae.generate(count, seed=3)) for count in (n, 600))
    np.testing.assert_allclose(images, more[:n], atol=1e-6)
    # Latents of two dimensions may decode alike, but not all of them.
    assert len(np.unique(more.reshape(600, -1), axis=0)) > 590


def test_temperature_zero_generates_the_centre_of_the_prior(trained_vae):
    centre = keras.ops.sigmoid(trained_vae.decoder(np.zeros((1, 2), "float32")))
    images = trained_vae.generate(3, temperature=0, seed=1)
    np.testing.assert_allclose(images, np.repeat(centre, 3, axis=0), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({"n": 0}, "n"), ({"n": 2.0}, "n"), ({"temperature": -1}, "temperature")],
)
def test_generate_refuses_arguments_out_of_range_by_name(arguments, name, trained_vae):
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: {name}="):
        trained_vae.generate(**arguments)


@pytest.mark.parametrize("measure", ["elbo", "evaluate", "diagnose", "annealed"])
def test_a_model_whose_weights_are_nan_has_no_numbers(measure, make_vae, images):
    vae = make_vae()
    vae.set_weights([np.full_like(weight, np.nan) for weight in vae.get_weights()])
    with pytest.raises(ValueError, match=r"NaN for .* of .* examples.*train it again"):
        if measure == "evaluate":
            kv.evaluation.evaluate(vae, images, num_samples=2)
        elif measure == "annealed":
            kv.evaluation.annealed(vae, images[:2], num_steps=1, num_chains=1)
        else:
            getattr(vae, measure)(images, num_samples=2)


def test_endless_data_and_what_is_no_array_are_refused(trained_vae, images):
    batches = tf.data.Dataset.from_tensor_slices(images).batch(10)
    with pytest.raises(ValueError, match=r"must end.*take\(100\)"):
        kv.evaluation.evaluate(trained_vae, batches.repeat(), num_samples=2)
    with pytest.raises(ValueError, match=r"finite numbers.*complex"):
        kv.evaluation.evaluate(trained_vae, images.astype("complex64"), num_samples=2)
    with pytest.raises(ValueError, match=r"must be an array.*first_examples"):
        trained_vae.elbo(batches)
