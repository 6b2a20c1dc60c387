"""Gradients of the objectives: central differences in float64, and closed forms."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from linear_gaussian import oblique

from keras_vae.distributions import normal_log_prob, standard_normal_kl
from keras_vae.objectives import DIP, ELBO, IWAE, BetaTC, InfoVAE, Terms
from keras_vae.schedules import LinearWarmup

ROWS, LATENT, PIXELS, DRAWS = 4, 2, 3, 3
_rng = np.random.default_rng(0)
NOISE = _rng.normal(size=(DRAWS, ROWS, LATENT))
X = _rng.normal(size=(ROWS, PIXELS))
Z_PRIOR = _rng.normal(size=(ROWS, LATENT))
PARAMETERS = _rng.normal(size=2 * ROWS * LATENT + LATENT * PIXELS)


def float64_terms(parameters, closed_form):
    """Terms of a linear-Gaussian model whose parameters are one vector, in float64."""
    sizes = [ROWS * LATENT, ROWS * LATENT, LATENT * PIXELS]
    z_mean, z_log_var, weights = tf.split(parameters, sizes)
    z_mean, z_log_var = (tf.reshape(value, (ROWS, LATENT)) for value in (z_mean, z_log_var))
    z = z_mean + tf.exp(0.5 * z_log_var) * NOISE
    mean = tf.reshape(z, (-1, LATENT)) @ tf.reshape(weights, (LATENT, PIXELS))
    mean = tf.reshape(mean, (DRAWS, ROWS, PIXELS))
    zero = tf.zeros((), "float64")
    log_px, log_pz, log_qz = (
        tf.reduce_sum(normal_log_prob(*of), axis=-1)
        for of in ((X, mean, zero), (z, zero, zero), (z, z_mean, z_log_var))
    )
    kl = standard_normal_kl(z_mean, z_log_var) if closed_form else None
    return Terms(log_px, log_pz, log_qz, kl, z, z_mean, z_log_var, tf.constant(Z_PRIOR))


OBJECTIVES = {
    "elbo": lambda: ELBO(),
    "beta": lambda: ELBO(2.5),
    "warm_up": lambda: ELBO(LinearWarmup(10, initial=0.5, final=2.0)),
    "free_bits_met": lambda: ELBO(free_bits=0.01),
    "free_bits_unmet": lambda: ELBO(free_bits=50.0),
    "capacity_above": lambda: ELBO(3.0, capacity=30.0),
    "capacity_below": lambda: ELBO(3.0, capacity=0.1),
    "capacity_schedule": lambda: ELBO(3.0, capacity=LinearWarmup(10, final=0.2)),
    "iwae": lambda: IWAE(DRAWS),
    "beta_tc": lambda: BetaTC(50, beta=3.0, alpha=0.5, gamma=2.0),
    "beta_tc_warm_up": lambda: BetaTC(50, beta=LinearWarmup(10, initial=1.0, final=6.0)),
    "info_vae": lambda: InfoVAE(0.5, 20.0),
    "dip": lambda: DIP(2.0, 3.0),
}


@pytest.mark.parametrize("closed_form", [True, False], ids=["closed_kl", "sampled_kl"])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_gradients_agree_with_central_differences_in_float64(name, closed_form):
    objective = OBJECTIVES[name]()
    objective.build(None)
    if objective.step is not None:
        objective.step.assign(4)

    def loss(parameters):
        terms = float64_terms(parameters, closed_form)
        return objective.call(terms, objective.extra(terms), training=True)

    @tf.function
    def value_and_gradient(parameters):
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            values = loss(parameters)
            mean = tf.reduce_mean(values)
        return values, mean, tape.gradient(mean, parameters)

    values, _, gradient = value_and_gradient(tf.constant(PARAMETERS))
    assert values.dtype == gradient.dtype == tf.float64 and values.shape == (ROWS,)
    width = 1e-5
    for index in range(len(PARAMETERS)):
        step = width * np.eye(len(PARAMETERS))[index]
        above, below = (
            value_and_gradient(tf.constant(PARAMETERS + sign * step))[1] for sign in (1, -1)
        )
        expected = float(above - below) / (2 * width)
        assert float(gradient[index]) == pytest.approx(expected, rel=1e-6, abs=1e-7)


def gradients_of_a_step(vae, x, step=0):
    """Return the gradients of a training step, by names: what plain descent by one subtracts."""
    before = [weight.numpy() for weight in vae.trainable_weights]
    vae.step.assign(step)
    vae.train_on_batch(x)
    changes = {}
    for weight, value in zip(vae.trainable_weights, before, strict=True):
        changes[weight.path] = value - weight.numpy()
        weight.assign(value)
    return changes


def trainable_vae(objective):
    vae = oblique(2, 3, 2).vae(stretch=1.3, shift=0.3, objective=objective)
    vae.compile(keras.optimizers.SGD(1.0))
    return vae


def test_the_doubly_reparameterized_gradient_is_its_closed_form_for_given_draws():
    model = oblique(2, 3, 2)
    objective = IWAE(DRAWS, doubly_reparameterized=True)
    vae, x = model.vae(stretch=1.3, shift=0.3, objective=objective), model.draw(ROWS)
    noise, weight = NOISE.astype("float32"), {}

    @tf.custom_gradient
    def gate(z):
        return tf.identity(z), lambda upstream: upstream * weight["of_draws"][..., None]

    with tf.GradientTape() as tape:
        terms = vae.terms(x, noise, training=True, gate=gate)
        weight["of_draws"] = objective.latent_gradient_weight(terms)
        loss = tf.reduce_mean(objective(terms, training=True))
    layers = [vae.encoder.get_layer(name) for name in ("z_mean", "z_log_var")]
    found = tape.gradient(loss, [layer.kernel for layer in layers])

    z_mean, z_log_var = (np.asarray(part, "float64") for part in vae.encode(x))
    deviation = np.exp(0.5 * z_log_var)
    z = z_mean + deviation * noise
    residual = x - model.bias - z @ model.weights
    log_weights = -0.5 * ((residual / model.scale) ** 2).sum(-1) - 0.5 * (z**2).sum(-1)
    log_weights += 0.5 * (noise**2).sum(-1) + 0.5 * z_log_var.sum(-1)
    weights = np.exp(log_weights - log_weights.max(axis=0))
    weights /= weights.sum(axis=0)
    # d log w / dz, with the parameters of q held.
    slope = residual @ model.weights.T / model.scale**2 - z + noise / deviation
    by_z = weights[..., None] ** 2 * slope
    for gradient, by_parameter in zip(found, (1.0, 0.5 * deviation * noise), strict=True):
        expected = -x.T @ (by_z * by_parameter).sum(axis=0) / ROWS
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)


def test_doubly_reparameterized_steps_change_the_decoder_as_the_iwae_does():
    x = oblique(2, 3, 2).draw(8)
    plain, doubly = (
        gradients_of_a_step(trainable_vae(IWAE(6, doubly_reparameterized=form)), x)
        for form in (False, True)
    )
    encoder_apart = 0
    for (path, expected), found in zip(plain.items(), doubly.values(), strict=True):
        if "out" in path:
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        else:
            encoder_apart = max(encoder_apart, np.abs(found - expected).max())
    assert encoder_apart > 0.01


def test_both_estimators_have_one_expectation_and_the_double_one_less_noise():
    x = np.repeat(oblique(2, 3, 2).draw(1), 500, axis=0)
    found = []
    for doubly in (False, True):
        vae = trainable_vae(IWAE(8, doubly_reparameterized=doubly))
        steps = [gradients_of_a_step(vae, x, step=step) for step in range(30)]
        found.append(
            np.stack([np.concatenate([g[p].ravel() for p in g if "z_" in p]) for g in steps])
        )
    plain, double = found
    error = np.sqrt((plain.var(axis=0, ddof=1) + double.var(axis=0, ddof=1)) / len(plain))
    difference = plain.mean(axis=0) - double.mean(axis=0)
    assert (np.abs(difference) < 4.5 * error).all()
    assert (np.abs(plain.mean(axis=0)) > 6 * error).any()
    assert double.var(axis=0).mean() < 0.7 * plain.var(axis=0).mean()


def test_both_have_the_same_loss():
    x = oblique(2, 3, 2).draw(20)
    losses = [
        trainable_vae(IWAE(6, doubly_reparameterized=form)).evaluate(x, verbose=0)
        for form in (False, True)
    ]
    assert losses[0] == losses[1]
    steps = [
        trainable_vae(IWAE(6, doubly_reparameterized=form)).train_on_batch(x)
        for form in (False, True)
    ]
    np.testing.assert_allclose(steps[0], steps[1], rtol=1e-6)
