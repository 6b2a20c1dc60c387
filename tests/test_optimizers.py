"""Muon for the small matrices of a VAE, Adam for the rest: what each step does to the weights."""

import warnings

import keras
import numpy as np
import pytest
from conftest import PlainEncoder

import keras_vae as kv


def new_vae():
    return kv.VAE(
        kv.networks.mlp_encoder((4, 4, 1), 3, units=(24, 20), seed=0),
        kv.networks.mlp_decoder((4, 4, 1), 3, units=(20, 24), seed=1),
        seed=2,
    )


@pytest.fixture
def vae():
    return new_vae()


def steps_of(vae, optimizer):
    """Return what one step of training adds to each weight."""
    x = np.random.default_rng(0).integers(0, 2, (30, 4, 4, 1)).astype("float32")
    before = [np.asarray(weight) for weight in vae.trainable_weights]
    vae.compile(optimizer)
    vae.fit(x, batch_size=30, epochs=1, shuffle=False, verbose=0)
    return [np.asarray(w) - b for w, b in zip(vae.trainable_weights, before, strict=True)]


def test_small_matrices_step_orthogonally_and_others_as_with_adam(vae):
    found = steps_of(vae, kv.optimizers.muon(vae, 1e-3, max_cost=7000))
    adam = steps_of(new_vae(), keras.optimizers.Adam(1e-3))
    small = 0
    for step, other in zip(found, adam, strict=True):
        if step.ndim == 2 and step.size * min(step.shape) <= 7000:
            small += 1
            singular = np.linalg.svd(step, compute_uv=False)
            # Newton-Schulz with Jordan's coefficients ends between 0.7 and 1.2 times one value.
            assert singular.max() < 2 * singular.min()
            singular = np.linalg.svd(other, compute_uv=False)
            assert singular.max() > 2 * singular.min()
        else:
            np.testing.assert_allclose(step, other, rtol=1e-3, atol=1e-6)
    assert small == 5


def test_the_optimiser_is_saved_with_the_model(vae, tmp_path):
    steps_of(vae, kv.optimizers.muon(vae, 1e-3, max_cost=7000, global_clipnorm=2.0))
    vae.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    assert loaded.optimizer.get_config() == vae.optimizer.get_config()
    for one, other in zip(loaded.optimizer.variables, vae.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_that_are_not_there_yet_are_refused(vae):
    unbuilt = kv.VAE(PlainEncoder(3), vae.decoder, seed=2)
    with pytest.raises(ValueError, match=r"must have its weights.*Call it on a batch"):
        kv.optimizers.muon(unbuilt)


def test_a_table_of_means_is_no_matrix_of_a_layer(vae, tmp_path):
    vae = vae.with_prior(kv.priors.GaussianMixture(16, seed=0))
    optimizer = kv.optimizers.muon(vae, 1e-3)
    excluded = " ".join(optimizer.get_config()["exclude_layers"])
    assert "means" in excluded and "log_vars" in excluded and "kernel" not in excluded
    # A file calls the model otherwise, and its optimiser goes on with the state of each weight.
    steps_of(vae, optimizer)
    vae.save(tmp_path / "vae.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = keras.models.load_model(tmp_path / "vae.keras")
    for one, other in zip(loaded.optimizer.variables, vae.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_bad_input(vae):
    with pytest.raises(ValueError, match=r"`max_cost`.*>= 1.*0"):
        kv.optimizers.muon(vae, max_cost=0)


def test_layers_that_the_user_leaves_out_are_left_out(vae):
    for given in ("decoder", ["decoder"]):
        excluded = kv.optimizers.muon(vae, exclude_layers=given).get_config()["exclude_layers"]
        assert excluded[0] == "decoder"
