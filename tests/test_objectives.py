"""The ELBO's values, gradients and schedules against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

import keras_vae as kv
from keras_vae.objectives import ELBO, Terms
from keras_vae.schedules import LinearWarmup


def random_terms(kl_scale=1.0, closed_form=True, seed=0):
    """Terms of K=3 draws for B=4 examples whose KL is a function of the posterior."""
    rng = np.random.default_rng(seed)
    z_mean, z_log_var = (kl_scale * rng.normal(size=(4, 2)) for _ in range(2))
    log_px, log_pz, log_qz = rng.normal(-5, 2, (3, 3, 4))
    kl = 0.5 * np.sum(np.exp(z_log_var) + z_mean**2 - 1 - z_log_var, axis=-1)
    values = (log_px, log_pz, log_qz, kl, rng.normal(size=(3, 4, 2)), z_mean, z_log_var)
    values = [tf.constant(value, tf.float32) for value in values]
    return Terms(*values) if closed_form else Terms(*values)._replace(kl=None)


def reference_elbo(terms, beta, free_bits):
    kl = terms.log_qz.numpy() - terms.log_pz.numpy()
    kl = kl.mean(axis=0) if terms.kl is None else terms.kl.numpy()
    paid = kl if not free_bits or kl.mean() > free_bits else np.full_like(kl, free_bits)
    return -terms.log_px.numpy().mean(axis=0) + beta * paid


@pytest.mark.parametrize("closed_form", [True, False])
@given(beta=st.floats(0, 10), free_bits=st.sampled_from([0.0, 0.1, 50.0]), seed=st.integers(0, 99))
def test_values_equal_numpy(closed_form, beta, free_bits, seed):
    terms = random_terms(closed_form=closed_form, seed=seed)
    expected = reference_elbo(terms, beta, free_bits)
    np.testing.assert_allclose(ELBO(beta, free_bits)(terms), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("free_bits", "pushed"), [(0.0, True), (0.01, True), (50.0, False)], ids=["off", "met", "unmet"]
)
def test_gradients_equal_numpy_and_vanish_within_the_free_bits(free_bits, pushed):
    terms = random_terms()
    beta, objective = 3.0, ELBO(3.0, free_bits)
    with tf.GradientTape() as tape:
        tape.watch([terms.log_px, terms.z_mean, terms.z_log_var])
        kl = kv.distributions.standard_normal_kl(terms.z_mean, terms.z_log_var)
        loss = tf.reduce_mean(objective(terms._replace(kl=kl), training=True))
    by_log_px, by_mean, by_log_var = tape.gradient(
        loss, [terms.log_px, terms.z_mean, terms.z_log_var], unconnected_gradients="zero"
    )
    weight = beta * pushed / 4
    np.testing.assert_allclose(by_log_px, np.full((3, 4), -1 / 12), rtol=1e-6)
    np.testing.assert_allclose(by_mean, weight * terms.z_mean, rtol=1e-5)
    expected = weight * 0.5 * (np.exp(terms.z_log_var) - 1)
    np.testing.assert_allclose(by_log_var, expected, rtol=1e-5, atol=1e-7)


@given(
    steps=st.integers(1, 1000),
    initial=st.floats(0, 5),
    final=st.floats(0, 5),
    step=st.integers(0, 2000),
)
def test_linear_warmup_interpolates_then_stays(steps, initial, final, step):
    schedule = LinearWarmup(steps, initial=initial, final=final)
    expected = np.interp(step, [0, steps], [initial, final])
    assert float(schedule(step)) == pytest.approx(expected, abs=1e-5)


def test_a_schedule_counts_training_steps_only_and_ends_at_the_final_weight():
    objective, terms = ELBO(LinearWarmup(4, initial=0.5, final=2.0)), random_terms()
    step = tf.function(lambda: (objective.report()["beta"], objective(terms, training=True)))
    for beta in (0.5, 0.875, 1.25, 1.625, 2.0, 2.0):
        for _ in range(2):
            untrained = objective(terms)
            np.testing.assert_allclose(untrained, reference_elbo(terms, 2.0, 0), rtol=1e-5)
        logged, loss = step()
        assert float(logged) == pytest.approx(beta)
        np.testing.assert_allclose(loss, reference_elbo(terms, beta, 0), rtol=1e-5)


def test_a_warmup_is_not_frozen_in_compiled_training(make_vae, images):
    vae = make_vae(objective=ELBO(LinearWarmup(4)))
    history = vae.fit(images, batch_size=40, epochs=6, shuffle=False, verbose=0).history
    np.testing.assert_allclose(history["beta"], [0, 0.25, 0.5, 0.75, 1, 1], rtol=1e-6)
    expected = np.array(history["reconstruction_loss"]) + np.array(history["beta"]) * np.array(
        history["kl_loss"]
    )
    np.testing.assert_allclose(history["loss"], expected, rtol=1e-5)


def test_val_loss_takes_the_final_beta_during_a_warmup(make_vae, images):
    vae = make_vae(objective=ELBO(LinearWarmup(steps=1000, final=5.0)))
    history = vae.fit(images, epochs=2, validation_data=images, verbose=0).history
    for loss, reconstruction, kl in zip(
        *(history[f"val_{name}"] for name in ("loss", "reconstruction_loss", "kl_loss")),
        strict=True,
    ):
        assert loss == pytest.approx(reconstruction + 5.0 * kl, rel=1e-5)


def test_a_warmup_resumes_where_the_file_left_it(make_vae, images, tmp_path):
    vae = make_vae(objective=ELBO(LinearWarmup(10), free_bits=0.25))
    vae.fit(images, batch_size=40, epochs=3, verbose=0)
    vae.save(tmp_path / "vae.keras")
    resumed = keras.models.load_model(tmp_path / "vae.keras")
    assert resumed.objective.free_bits == 0.25
    history = resumed.fit(images, batch_size=40, epochs=2, verbose=0).history
    np.testing.assert_allclose(history["beta"], [0.3, 0.4], rtol=1e-6)


def test_beta_changes_what_is_learnt(make_vae, images):
    many = np.tile(images, (30, 1, 1, 1))
    weak, strong = (
        make_vae(objective=ELBO(beta)).fit(many, epochs=3, batch_size=20, verbose=0).history
        for beta in (0.0, 10.0)
    )
    assert strong["kl_loss"][-1] < 0.1 < 1 < weak["kl_loss"][-1]


@pytest.mark.parametrize("beta", [-1.0, float("nan"), "1", None, True])
def test_a_beta_that_is_no_weight_is_refused_with_the_fix(beta):
    with pytest.raises(
        ValueError, match=r"`beta` must be >= 0\. Received: beta=.*Use 0 for a plain"
    ):
        ELBO(beta)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: ELBO(free_bits=-0.1), "free_bits"),
        (lambda: LinearWarmup(0), "steps"),
        (lambda: LinearWarmup(2.5), "steps"),
        (lambda: LinearWarmup(10, initial=-1.0), "initial"),
        (lambda: LinearWarmup(10, final=-1.0), "final"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(make, name):
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: {name}="):
        make()
