"""`Gaussian("optimal")`: the best scale of the batch in training, its average elsewhere."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_vae.likelihoods import Gaussian


def batches(count, spread=0.3):
    rng = np.random.default_rng(7)
    for index in range(count):
        x = rng.normal(size=(5, 3, 2)).astype("float32")
        noise = rng.normal(size=(2, 5, 3, 2)) * spread * (1 + index)
        yield x, (x + noise).astype("float32")


def log_prob_at(x, mean, scale):
    return stats.norm.logpdf(x, mean.astype(np.float64), scale).sum(axis=(2, 3))


def test_in_training_the_scale_is_the_root_mean_square_error_of_the_batch():
    likelihood = Gaussian("optimal")
    for x, mean in batches(3):
        root = np.sqrt(np.mean((x - mean.astype(np.float64)) ** 2))
        result = np.asarray(likelihood.log_prob(x, mean, training=True))
        np.testing.assert_allclose(result, log_prob_at(x, mean, root), rtol=1e-4)
        # It is the optimum: no other shared scale gives the batch a higher density.
        for scale in (0.9 * root, 0.99 * root, 1.01 * root, 1.1 * root):
            assert result.sum() > log_prob_at(x, mean, scale).sum()


def test_elsewhere_it_is_the_average_of_the_steps_and_asking_moves_nothing():
    likelihood = Gaussian("optimal")
    log_vars = []
    for x, mean in batches(4):
        likelihood.log_prob(x, mean, training=True)
        log_vars.append(np.log(np.mean((x - mean.astype(np.float64)) ** 2)))
        expected = log_prob_at(x, mean, np.exp(0.5 * np.mean(log_vars)))
        for _ in range(2):
            np.testing.assert_allclose(likelihood.log_prob(x, mean), expected, rtol=1e-4)
    draws = np.asarray(likelihood.sample(np.zeros((4000, 2), "float32"), seed=1))
    assert draws.std() == pytest.approx(np.exp(0.5 * np.mean(log_vars)), rel=0.04)


def test_the_average_follows_a_change_with_its_momentum():
    likelihood = Gaussian("optimal")
    zeros = np.zeros((1, 1, 1), "float32")
    for _ in range(100):
        likelihood.log_prob(zeros[0], zeros + 1.0, training=True)
    assert float(likelihood.log_var) == pytest.approx(0, abs=1e-5)
    for _ in range(50):
        likelihood.log_prob(zeros[0], zeros + np.float32(np.e), training=True)
    assert float(likelihood.log_var) == pytest.approx(2 * (1 - 0.99**50), rel=1e-3)


def test_the_gradient_is_that_of_the_log_of_the_mean_square_error():
    (x, mean), *_ = batches(1)
    mean = tf.constant(mean)
    with tf.GradientTape() as tape:
        tape.watch(mean)
        total = tf.reduce_sum(Gaussian("optimal").log_prob(x, mean, training=True))
    error = mean.numpy() - x
    expected = -error / np.mean(error.astype(np.float64) ** 2)
    np.testing.assert_allclose(tape.gradient(total, mean), expected, rtol=1e-4, atol=1e-5)


def test_fit_learns_the_scale_and_a_file_keeps_it(make_vae, images, tmp_path):
    vae = make_vae(likelihood=Gaussian("optimal"))
    vae.fit(images, batch_size=10, epochs=2, verbose=0)
    log_var = float(vae.likelihood.log_var)
    assert float(vae.likelihood.steps) == 8
    error = np.log(np.mean((images - vae.reconstruct(images)) ** 2))
    assert log_var == pytest.approx(float(error), abs=0.5)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    assert float(loaded.likelihood.log_var) == log_var
    assert float(loaded.likelihood.steps) == 8
    np.testing.assert_allclose(loaded.elbo(images, seed=1), vae.elbo(images, seed=1), rtol=1e-6)


def test_a_perfect_reconstruction_stays_finite():
    likelihood, x = Gaussian("optimal"), np.ones((2, 3), "float32")
    assert np.isfinite(likelihood.log_prob(x, x, training=True)).all()
    assert np.isfinite(likelihood.log_prob(x, x)).all()


def test_a_perfect_reconstruction_leaves_the_weights_finite():
    likelihood, x, mean = Gaussian("optimal"), np.ones((2, 3), "float32"), tf.ones((2, 3))
    with tf.GradientTape() as tape:
        tape.watch(mean)
        total = tf.reduce_sum(likelihood.log_prob(x, mean, training=True))
    assert np.isfinite(tape.gradient(total, mean)).all()
