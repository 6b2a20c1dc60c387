"""The Frechet distance against SciPy and closed forms, and the measure on the digits."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

import keras_vae as kv
from keras_vae import sample_quality
from keras_vae.sample_quality import frechet_distance


def normals(n=500, size=4, seed=0):
    """Return draws whose sample mean is zero and whose sample covariance is I, exactly."""
    x = np.random.default_rng(seed).normal(size=(n, size))
    x -= x.mean(axis=0)
    root = linalg.inv(linalg.cholesky(np.cov(x, rowvar=False), lower=True))
    return x @ root.T


@given(size=st.integers(1, 6), seed=st.integers(0, 99))
def test_it_equals_the_formula_with_scipys_matrix_root(size, seed):
    rng = np.random.default_rng(seed)
    x, y = (rng.normal(size=(40, size)) @ rng.normal(size=(size, size)) for _ in range(2))
    y = y + rng.normal(size=size)
    c, d = (np.atleast_2d(np.cov(each, rowvar=False)) for each in (x, y))
    trace = np.trace(c + d) - 2 * np.trace(linalg.sqrtm(c @ d).real)
    expected = np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2) + trace
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert frechet_distance(y, x) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@given(shift=st.floats(-5, 5), scale=st.floats(0.0, 5))
def test_shifted_and_scaled_normals_have_the_closed_form(shift, scale):
    x = normals()
    expected = 4 * shift**2 + 4 * (scale - 1) ** 2
    assert frechet_distance(x, scale * x + shift) == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_equal_sets_are_at_no_distance_even_of_deficient_rank():
    x = normals()
    x[:, 1], x[:, 2] = x[:, 0], 3.0
    assert frechet_distance(x, x) == pytest.approx(0.0, abs=1e-6)
    assert frechet_distance(x, x[::-1] + [0, 0, 2, 0]) == pytest.approx(4.0, rel=1e-6)


@pytest.fixture(scope="module")
def digits():
    return kv.data.load("digits", batch_size=100, labels=True)


def vae_of(digits):
    """Return an untrained VAE of the digits."""
    shape = digits.image_shape
    return kv.VAE(
        kv.networks.mlp_encoder(shape, 4, units=(16,), seed=0),
        kv.networks.mlp_decoder(shape, 4, units=(16,), seed=1),
        likelihood="continuous_bernoulli",
        seed=2,
    )


@pytest.mark.slow
def test_real_digits_are_nearer_to_others_than_made_ones_and_training_helps(digits):
    vae, epoch = vae_of(digits), digits.epoch
    first = sample_quality.measure(vae, digits, num_images=150, seed=1, epochs=2)
    assert digits.epoch == epoch
    vae.compile(keras.optimizers.Adam(0.005))
    vae.fit(digits.train, epochs=6, verbose=0)
    trained = sample_quality.measure(vae, digits, num_images=150, seed=1, epochs=2)
    assert first["classifier_accuracy"] > 0.5 and first["frechet_images"] == 150
    # The classifier and the real images are the same, whatever was trained in between.
    for name in ("classifier_accuracy", "frechet_distance_of_real"):
        assert trained[name] == pytest.approx(first[name], rel=1e-3)
    assert 0 < first["frechet_distance_of_real"] < 0.5 * trained["frechet_distance"]
    assert trained["frechet_distance"] < 0.9 * first["frechet_distance"]


def test_as_many_images_are_made_as_the_smallest_part_holds(digits, monkeypatch):
    """The distance falls with the number of images, so that unequal ones do not compare."""
    counts = []

    def count(features, others):
        counts.append((len(features), len(others)))
        return 0.0

    monkeypatch.setattr(sample_quality, "frechet_distance", count)
    found = sample_quality.measure(vae_of(digits), digits, num_images=2000, epochs=1)
    assert counts == [(digits.num_test, digits.num_test)] * 2
    assert found["frechet_images"] == digits.num_test


def test_data_without_labels_and_too_few_images_are_refused(digits):
    with pytest.raises(ValueError, match=r"must have labels.*labels=True"):
        sample_quality.measure(vae_of(digits), kv.data.load("digits"))
    with pytest.raises(ValueError, match="`num_images` must be an integer >= 2"):
        sample_quality.measure(vae_of(digits), digits, num_images=1)
