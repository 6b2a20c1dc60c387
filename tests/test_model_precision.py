"""Mixed precision, and training that turns NaN."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv


def values_of(vae):
    variables = [*vae.trainable_variables, *vae.non_trainable_variables, *vae.optimizer.variables]
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def assert_all_equal(values, expected):
    for value, target in zip(values, expected, strict=True):
        np.testing.assert_array_equal(value, target)


@pytest.fixture(scope="module")
def float32_history(make_vae, images):
    return make_vae().fit(images, epochs=15, batch_size=20, shuffle=False, verbose=0).history


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_learns_as_float32_does(policy, make_vae, images, float32_history):
    keras.config.set_dtype_policy(policy)
    vae = make_vae()
    history = vae.fit(images, epochs=15, batch_size=20, shuffle=False, verbose=0).history
    assert vae.encoder.get_layer("z_mean").compute_dtype == policy.removeprefix("mixed_")
    # Early on only the rounding of the networks differs; later the paths may part.
    np.testing.assert_allclose(history["loss"][:2], float32_history["loss"][:2], rtol=0.005)
    assert history["loss"][-1] == pytest.approx(float32_history["loss"][-1], abs=0.5)
    assert history["loss"][-1] < history["loss"][0] - 1


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_terms_are_float32_and_exact_given_the_networks_outputs(policy, make_vae, images):
    keras.config.set_dtype_policy(policy)
    # A latent far from the prior, whose KL float16 could not hold to a nat.
    vae = make_vae()
    vae.encoder.get_layer("z_mean").bias.assign([100.0, 200.0])
    noise = np.random.default_rng(0).normal(size=(3, 40, 2)).astype("float32")
    terms = vae.terms(images, noise)
    given = [term for term in terms if term is not None]
    assert {keras.backend.standardize_dtype(term.dtype) for term in given} == {"float32"}
    mean, log_var = (np.asarray(part, np.float64) for part in (terms.z_mean, terms.z_log_var))
    kl = 0.5 * (np.exp(log_var) + mean**2 - 1 - log_var).sum(axis=-1)
    np.testing.assert_allclose(terms.kl, kl, rtol=1e-6)
    logits = np.asarray(vae.decoder(keras.ops.reshape(terms.z, (-1, 2))), np.float64)
    logits = logits.reshape(3, 40, 16)
    expected = (images.reshape(40, 16) * logits - np.logaddexp(0, logits)).sum(axis=-1)
    np.testing.assert_allclose(terms.log_px, expected, rtol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize(
    "parts",
    [
        {"prior": "real_nvp", "posterior": "inverse_autoregressive"},
        {"prior": "vamp", "objective": "iwae"},
        {"prior": "gaussian_mixture", "posterior": "coupling"},
    ],
    ids=str,
)
def test_densities_of_every_part_stay_float32(policy, parts, make_vae, images):
    keras.config.set_dtype_policy(policy)
    priors = {"vamp": kv.priors.VampPrior(5), "real_nvp": kv.priors.RealNVP(2, (8,))}
    parts = {**parts, "prior": priors.get(parts["prior"], parts["prior"])}
    vae = make_vae(**parts)
    history = vae.fit(images, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    terms = vae.terms(images, np.zeros((2, 40, 2), "float32"))
    found = {keras.backend.standardize_dtype(term.dtype) for term in terms if term is not None}
    assert found == {"float32"}


def test_mixed_float16_scales_the_loss_and_skips_a_step_that_overflows(make_vae, images):
    keras.config.set_dtype_policy("mixed_float16")
    vae = make_vae(optimizer=keras.optimizers.SGD(0.1))
    optimizer = vae.optimizer
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
    optimizer.build(vae.trainable_variables)
    optimizer.dynamic_scale.assign(2.0**40)
    before = [np.array(weight) for weight in vae.trainable_weights]
    vae.train_on_batch(images)
    assert_all_equal(vae.trainable_weights, before)
    assert float(optimizer.dynamic_scale) == 2.0**39
    optimizer.dynamic_scale.assign(16.0)
    vae.train_on_batch(images)
    assert (
        max(np.abs(a - b).max() for a, b in zip(vae.trainable_weights, before, strict=True)) > 1e-4
    )


def test_the_loss_scale_changes_no_step(make_vae, images):
    keras.config.set_dtype_policy("mixed_float16")
    results = []
    for scale in (1.0, 256.0):
        vae = make_vae(optimizer=keras.optimizers.SGD(0.1))
        vae.optimizer.build(vae.trainable_variables)
        vae.optimizer.dynamic_scale.assign(scale)
        vae.train_on_batch(images)
        results.append(vae.get_weights())
    for value, target in zip(*results, strict=True):
        np.testing.assert_allclose(value, target, atol=1e-4)


def poisoned(images):
    """Return batches of 20, of which the second has a weight that is not finite."""
    weights = np.ones(len(images), "float32")
    weights[23] = np.nan
    return tf.data.Dataset.from_tensor_slices((images, images, weights)).batch(20)


@pytest.mark.parametrize(
    ("cause", "optimizer", "already_trained"),
    [
        ("rate", "sgd", False),
        ("rate", "adam", True),
        ("data", "sgd", True),
        ("data", "adam", False),
    ],
)
def test_training_that_turns_nan_stops_and_goes_back_to_the_last_good_weights(
    cause, optimizer, already_trained, make_vae, images
):
    vae = make_vae(optimizer=keras.optimizers.get(optimizer))
    if already_trained:
        vae.fit(images, batch_size=20, verbose=0)
    else:
        vae.optimizer.build(vae.trainable_variables)
    good = values_of(vae)
    rate = float(vae.optimizer.learning_rate)
    if cause == "rate":
        vae.optimizer.learning_rate = 1e30
    data = poisoned(images) if cause == "data" else images
    with pytest.warns(RuntimeWarning, match="epoch 1.*learning rate.*NaN.*Gaussian.*float16"):
        rows = {"batch_size": 20} if cause == "rate" else {}
        history = vae.fit(data, epochs=5, verbose=0, **rows).history
    assert len(history["loss"]) == 1
    vae.optimizer.learning_rate = rate
    for value, target in zip(values_of(vae), good, strict=True):
        assert np.isfinite(value).all()
        np.testing.assert_allclose(value, target, rtol=1e-6)
    losses = vae.fit(images, batch_size=20, epochs=10, verbose=0).history["loss"]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_learning_rate_of_a_billion_leaves_finite_weights(optimizer, make_vae, images):
    """The losses of some epochs may be finite, though absurd; the last of those is kept."""
    vae = make_vae(optimizer=keras.optimizers.get(optimizer))
    vae.optimizer.learning_rate = 1e9
    kept = []
    keep = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: kept.append(vae.get_weights()),
        on_epoch_end=lambda epoch, logs: kept.append(vae.get_weights()),
    )
    with pytest.warns(RuntimeWarning, match="Training stopped"):
        history = vae.fit(images, batch_size=20, epochs=50, callbacks=[keep], verbose=0).history
    assert np.isfinite(history["loss"][:-1]).all() and len(history["loss"]) < 50
    assert_all_equal(vae.get_weights(), kept[-2])
    assert all(np.isfinite(value).all() for value in values_of(vae))


@pytest.mark.parametrize(
    "options", [{}, {"callbacks": [kv.callbacks.StopOnNaN()]}], ids=["default", "given"]
)
def test_a_fresh_adam_whose_first_epoch_turns_nan_is_stopped(options, make_vae, images):
    vae = make_vae()
    start = vae.get_weights()
    with pytest.warns(RuntimeWarning, match="Training stopped"):
        vae.fit(poisoned(images), batch_size=20, epochs=3, verbose=0, **options)
    assert_all_equal(vae.get_weights(), start)
    losses = vae.fit(images, batch_size=20, epochs=2, verbose=0).history["loss"]
    assert np.isfinite(losses).all()


def test_later_epochs_go_back_to_the_end_of_the_last_good_one(make_vae, images):
    class Poison(keras.callbacks.Callback):
        """Raise the rate beyond reason in the third epoch."""

        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                self.model.optimizer.learning_rate = 1e30

    expected, vae = make_vae(), make_vae()
    for model, epochs, callbacks in ((expected, 2, []), (vae, 6, [Poison()])):
        options = {"epochs": epochs, "callbacks": callbacks, "shuffle": False, "verbose": 0}
        if callbacks:
            with pytest.warns(RuntimeWarning, match="epoch 3"):
                history = model.fit(images, **options).history
        else:
            model.fit(images, **options)
    assert len(history["loss"]) == 3
    assert_all_equal(vae.get_weights(), expected.get_weights())
    assert int(vae.optimizer.iterations) == int(expected.optimizer.iterations)


@pytest.mark.slow
def test_a_validation_loss_that_is_nan_stops_training_too(make_vae, images):
    vae = make_vae()
    vae.optimizer.build(vae.trainable_variables)
    with pytest.warns(RuntimeWarning, match="Training stopped"):
        history = vae.fit(images, validation_data=(poisoned(images),), epochs=3, verbose=0).history
    assert len(history["loss"]) == 1
