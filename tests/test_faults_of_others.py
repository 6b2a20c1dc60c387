"""One test for each fault found in other VAE libraries, named after it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from linear_gaussian import oblique
from scipy import special, stats

import keras_vae as kv
from keras_vae.objectives import DIP, ELBO, IWAE, BetaTC, InfoVAE
from keras_vae.schedules import LinearWarmup

pytestmark = pytest.mark.slow


def kl_of(vae, x):
    z_mean, z_log_var = (np.asarray(part, "float64") for part in vae.encode(x))
    return 0.5 * (np.exp(z_log_var) + z_mean**2 - 1 - z_log_var).sum(axis=-1)


def log_of(vae, x, **options):
    return vae.evaluate(x, verbose=0, return_dict=True, **options)


def test_the_kl_is_not_averaged_over_the_latent(make_vae, images):
    vae = make_vae()
    expected = kl_of(vae, images).mean()
    history = vae.fit(images, batch_size=40, verbose=0, validation_data=images).history
    assert history["kl_loss"][0] == pytest.approx(expected, rel=1e-5)
    after = kl_of(vae, images)
    assert history["val_kl_loss"][0] == pytest.approx(after.mean(), rel=1e-5)
    np.testing.assert_allclose(kv.bounds.estimate(vae, images, 2, 0).kl, after, rtol=1e-4)


def test_the_reconstruction_is_not_averaged_over_the_pixels(make_vae, images):
    vae = make_vae()
    for layer in vae.decoder.layers:
        layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    assert log_of(vae, images)["reconstruction_loss"] == pytest.approx(16 * np.log(2))


@pytest.mark.parametrize(
    "objective",
    [
        lambda: ELBO(),
        lambda: ELBO(3.0),
        lambda: ELBO(LinearWarmup(3, final=2.0)),
        lambda: ELBO(2.0, capacity=LinearWarmup(3, final=4.0)),
        lambda: BetaTC(40, beta=LinearWarmup(3, final=4.0)),
        lambda: DIP(),
    ],
    ids=["elbo", "beta", "warm_up", "capacity", "beta_tc", "dip"],
)
def test_the_kl_weighs_the_same_in_training_and_test_once_the_warm_up_is_over(objective):
    """With the same terms the two losses are the same, to the last bit."""
    model = oblique(2, 3, 2)
    vae = model.vae(objective=objective())
    noise = np.random.default_rng(0).normal(size=(1, 6, 2)).astype("float32")
    terms = vae.terms(model.draw(6), noise)
    for _ in range(3):
        vae.objective(terms, training=True)
    np.testing.assert_array_equal(vae.objective(terms, training=True), vae.objective(terms))


def test_the_validation_bound_is_not_decoded_from_the_mean():
    """A wide posterior's ELBO, known in closed form, lies far below what its mean gives."""
    model = oblique(2, 3, 2)
    vae, x = model.vae(stretch=2.0), model.draw(2000)
    vae.compile()
    z_mean, z_log_var = (np.asarray(part, "float64") for part in vae.encode(x))
    residual = x - z_mean @ model.weights - model.bias
    at_mean = -stats.norm.logpdf(residual, scale=model.scale).sum(axis=-1)
    spread = (np.exp(z_log_var) @ model.weights**2).sum(axis=-1) / (2 * model.scale**2)
    assert spread.mean() > 0.5
    expected = (at_mean + spread).mean()
    bounds = kv.bounds.estimate(vae, x, 10, seed=1)
    assert -bounds.log_px.mean() == pytest.approx(expected, rel=0.03)
    assert log_of(vae, x)["reconstruction_loss"] == pytest.approx(expected, rel=0.05)
    vae.compile(keras.optimizers.SGD(0.0))
    history = vae.fit(x[:100], validation_data=(x,), verbose=0).history
    assert history["val_reconstruction_loss"][0] == pytest.approx(expected, rel=0.05)


def test_importance_weights_are_not_negated():
    """Negated weights would give less than the ELBO, and lead away from the exact value."""
    model = oblique(2, 3, 2)
    vae, x = model.vae(stretch=1.5), model.draw(100)
    exact = model.log_prob(x)
    found = vae.log_prob(x, 300, seed=1)
    np.testing.assert_allclose(found.mean(), exact.mean(), atol=0.02)
    assert vae.elbo(x, 300, seed=1).mean() < found.mean() - 0.1
    vae = model.vae(stretch=1.5, objective=IWAE(300))
    vae.compile()
    assert log_of(vae, x)["loss"] == pytest.approx(-exact.mean(), abs=0.05)


def numpy_log_weights(vae, x, noise):
    """Return log p(x, z) - log q(z|x) of a Bernoulli VAE, from its networks alone."""
    z_mean, z_log_var = (np.asarray(part, "float64") for part in vae.encoder(x))
    z = z_mean + np.exp(0.5 * z_log_var) * noise
    logits = np.asarray(vae.decoder(z.reshape(-1, z.shape[-1])), "float64")
    log_px = np.sum(
        np.reshape(x, (len(x), -1)) * logits.reshape(*z.shape[:2], -1)
        - np.logaddexp(0, logits.reshape(*z.shape[:2], -1)),
        axis=-1,
    )
    log_qz = stats.norm.logpdf(z, z_mean, np.exp(0.5 * z_log_var)).sum(axis=-1)
    return log_px + stats.norm.logpdf(z).sum(axis=-1) - log_qz, log_px


@pytest.mark.parametrize("chunk_size", [1, 4, 7, 10, 25])
def test_the_number_of_draws_is_honoured_to_the_last(chunk_size, trained_vae, images):
    """Ten draws in chunks of 1, 4 (4 + 4 + 2), 7 (7 + 3) and so on."""
    x, count = images[:3], 10
    draws = np.arange(count, dtype="int32")
    noise = np.asarray(kv.random.normals(kv.random.row_seeds(3, 3), 2, draws), "float64")
    log_weights, log_px = numpy_log_weights(trained_vae, x, noise)
    found = kv.bounds.estimate(trained_vae, x, count, 3, chunk_size)
    expected = special.logsumexp(log_weights, axis=0) - np.log(count)
    np.testing.assert_allclose(found.log_prob, expected, rtol=1e-5)
    np.testing.assert_allclose(found.log_px, log_px.mean(axis=0), rtol=1e-5)
    weights = np.exp(log_weights - log_weights.max(axis=0))
    effective = weights.sum(axis=0) ** 2 / (weights**2).sum(axis=0)
    np.testing.assert_allclose(found.effective_samples, effective, rtol=1e-4)


def test_the_objective_takes_as_many_draws_as_it_says(make_vae, images):
    for k in (1, 3):
        vae = make_vae(objective=IWAE(k))
        rows = kv.random.row_seeds(2, 40)
        noise = kv.random.normals(rows, 2, np.arange(k, dtype="int32"))
        log_weights, _ = numpy_log_weights(vae, images, np.asarray(noise, "float64"))
        expected = np.log(k) - special.logsumexp(log_weights, axis=0).mean()
        assert log_of(vae, images)["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("batch_size", [7, 16, 39])
def test_the_last_batch_is_not_dropped_and_weighs_by_its_rows(batch_size, trained_vae, images):
    x = np.concatenate([images[:39] * 0, images[39:]])  # The last example is unlike the others.
    expected = trained_vae.elbo(x, seed=2)
    assert abs(expected[:39].mean() - expected[39]) > 0.5
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(batch_size)
    assert log_of(trained_vae, dataset)["loss"] == pytest.approx(-expected.mean(), rel=1e-5)
    metrics = kv.evaluation.evaluate(trained_vae, dataset, num_samples=1, seed=2)
    assert metrics["elbo"] == pytest.approx(expected.mean(), rel=1e-5)
    assert metrics["n"] == 40


@pytest.mark.parametrize("rows", [2, 3, 64])
def test_stratified_weights_sum_to_one(rows):
    """The copied ones hold 1/N, 1/M and (N - M) / NM, with M = B - 1, and sum to more."""
    weights = np.exp(BetaTC(1000).log_weights(rows))
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, rtol=1e-5)


@pytest.mark.parametrize("name", ["elbo", "iwae", "info_vae", "dip"])
def test_the_kl_is_not_clipped_to_zero_by_a_default(name, images):
    """A posterior at 0.02 nats from the prior costs 0.02 nats and is pulled to the prior."""
    image, z = keras.Input((16,)), keras.Input((2,))
    mean, log_var, out = keras.layers.Dense(2), keras.layers.Dense(2), keras.layers.Dense(16)
    vae = kv.VAE(
        keras.Model(image, [mean(image), log_var(image)]),
        keras.Model(z, out(z)),
        objective=name,
        seed=0,
    )
    for layer in (mean, log_var, out):
        layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    mean.bias.assign([0.2, 0.0])
    vae.compile(keras.optimizers.SGD(0.1))
    x = np.repeat(images.reshape(40, 16), 50, axis=0)
    assert log_of(vae, x)["kl_loss"] == pytest.approx(0.02, rel=1e-5)
    if name in ("elbo", "iwae"):
        logged = log_of(vae, x)
        total = logged["reconstruction_loss"] + 0.02
        assert logged["loss"] == pytest.approx(total, abs=1e-4 if name == "elbo" else 0.02)
    vae.train_on_batch(x)
    # The bound of five draws pulls with a fifth of the strength.
    assert float(mean.bias[0]) < 0.2 - (0.003 if name == "iwae" else 0.012)


@pytest.mark.parametrize("compile_options", [{}, {"jit_compile": True}, {"steps_per_execution": 2}])
def test_a_warm_up_is_not_frozen_at_trace_time(compile_options, make_vae, images):
    objective = ELBO(LinearWarmup(4, final=8.0))
    still = keras.optimizers.SGD(0.0)
    vae = make_vae(optimizer=still, objective=objective, compile_options=compile_options)
    logged = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logged.append((logs["loss"] - logs["reconstruction_loss"]) / logs["kl_loss"])

    x = np.tile(images[:10], (2, 1, 1, 1))
    vae.fit(x, batch_size=10, epochs=3, shuffle=False, verbose=0, callbacks=[Watch()])
    # Each epoch has two steps, of equal KL: the weight is 0 and 2, 4 and 6, 8 and 8.
    np.testing.assert_allclose(logged, [1, 5, 8], rtol=1e-4)
    assert int(objective.step) == 6


def test_trackers_are_reset_between_epochs_and_calls(make_vae, images):
    vae = make_vae(optimizer=keras.optimizers.SGD(0.0))
    vae.fit(images * 0, verbose=0)
    history = vae.fit(images, validation_data=images, epochs=2, verbose=0).history
    for prefix in ("", "val_"):
        kl = kl_of(vae, images).mean()
        np.testing.assert_allclose(history[f"{prefix}kl_loss"], [kl, kl], rtol=1e-5)
    assert history["val_loss"][0] == history["val_loss"][1]
    first = log_of(vae, images)
    log_of(vae, images * 0)
    assert log_of(vae, images) == first
    assert first["loss"] == pytest.approx(history["val_loss"][0], rel=1e-6)


def test_log_prob_has_the_sign_of_a_log_probability(trained_vae, images):
    assert (trained_vae.log_prob(images, 50, seed=0) < 0).all()
    assert trained_vae.elbo(images, 50, seed=0).mean() < 0
    # Of likely data it is higher than of unlikely: what was learnt against its negative.
    likely, unlikely = (trained_vae.log_prob(x, 50, seed=0).mean() for x in (images, 1 - images))
    assert likely > unlikely + 1
    metrics = kv.evaluation.evaluate(trained_vae, images, num_samples=50)
    assert 0 < metrics["nll"] < -metrics["elbo"]
    assert log_of(trained_vae, images)["loss"] > 0


@pytest.mark.parametrize("objective", [ELBO(50.0), InfoVAE(0.0, 0.0), BetaTC(800, 9.0, 9.0, 9.0)])
def test_the_kl_does_not_have_the_wrong_sign(objective, images, make_vae):
    """A decoder that ignores z leaves nothing but the KL to be made smaller."""
    vae = make_vae(optimizer=keras.optimizers.Adam(0.02), objective=objective)
    vae.decoder.trainable = False
    for layer in vae.decoder.layers:
        layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    before = kl_of(vae, images).mean()
    vae.fit(np.tile(images, (20, 1, 1, 1)), batch_size=40, epochs=2, verbose=0)
    assert 0 <= kl_of(vae, images).mean() < 0.2 * before
