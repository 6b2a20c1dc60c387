"""Training steps of a linear VAE against the forward and backward pass written by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv

PIXELS, SEED, RATE = 6, 5, 0.1


def linear_vae(latent_dim, weights, objective="elbo"):
    """A VAE of one dense layer a network: weights are those of z_mean, z_log_var, decoder."""
    image = keras.Input((PIXELS,))
    layers = [keras.layers.Dense(latent_dim) for _ in range(2)]
    encoder = keras.Model(image, [layer(image) for layer in layers])
    z = keras.Input((latent_dim,))
    layers.append(keras.layers.Dense(PIXELS))
    vae = kv.VAE(encoder, keras.Model(z, layers[2](z)), objective=objective, seed=SEED)
    for layer, pair in zip(layers, weights, strict=True):
        layer.set_weights(pair)
    return vae, layers


def initial_weights(latent_dim):
    rng = np.random.default_rng(latent_dim)
    shapes = [(PIXELS, latent_dim), (PIXELS, latent_dim), (latent_dim, PIXELS)]
    return [(rng.normal(0, 0.5, shape), rng.normal(0, 0.5, shape[1])) for shape in shapes]


def noise_of(rows, latent_dim, step, jit_compile=False):
    """The noise of a step; XLA turns the same random words into other normal numbers."""

    @tf.function(jit_compile=jit_compile)
    def draw(seed):
        return tf.random.stateless_normal((rows, 1, latent_dim), seed, alg="philox")

    return draw(tf.constant([SEED, step], tf.int64)).numpy()[:, 0].astype(np.float64)


def reference_step(x, weights, noise, beta=1.0, sample_weight=None):
    """One step of gradient descent on the mean of -ELBO, and the terms before it."""
    (w_mean, b_mean), (w_log_var, b_log_var), (w_out, b_out) = weights
    each = (np.ones(len(x)) if sample_weight is None else sample_weight)[:, None] / len(x)
    mean, log_var = x @ w_mean + b_mean, x @ w_log_var + b_log_var
    scale = np.exp(0.5 * log_var)
    z = mean + scale * noise
    logits = z @ w_out + b_out
    reconstruction = (np.logaddexp(0, logits) - x * logits).sum(axis=1)
    kl = 0.5 * (np.exp(log_var) + mean**2 - 1 - log_var).sum(axis=1)
    by_logits = each * (1 / (1 + np.exp(-logits)) - x)
    by_z = by_logits @ w_out.T
    by_mean = by_z + each * beta * mean
    by_log_var = by_z * noise * 0.5 * scale + each * beta * 0.5 * (np.exp(log_var) - 1)
    gradients = [
        (x.T @ by_mean, by_mean.sum(axis=0)),
        (x.T @ by_log_var, by_log_var.sum(axis=0)),
        (z.T @ by_logits, by_logits.sum(axis=0)),
    ]
    updated = [
        tuple(value - RATE * gradient for value, gradient in zip(*pairs, strict=True))
        for pairs in zip(weights, gradients, strict=True)
    ]
    loss = (each[:, 0] * (reconstruction + beta * kl)).sum()
    return updated, (loss, reconstruction.mean(), kl.mean())


def assert_weights_equal(layers, weights):
    for layer, expected in zip(layers, weights, strict=True):
        for value, target in zip(layer.get_weights(), expected, strict=True):
            np.testing.assert_allclose(value, target, rtol=2e-5, atol=1e-6)


@pytest.fixture(scope="module")
def x():
    return (np.random.default_rng(8).random((7, PIXELS)) < 0.5).astype("float32")


@pytest.mark.parametrize(
    ("latent_dim", "options"),
    [(1, {}), (2, {}), (1, {"run_eagerly": True}), (2, {"jit_compile": True})],
    ids=str,
)
def test_three_steps_equal_the_hand_written_gradient(latent_dim, options, x):
    weights = initial_weights(latent_dim)
    vae, layers = linear_vae(latent_dim, weights)
    vae.compile(keras.optimizers.SGD(RATE), **options)
    for step in range(3):
        noise = noise_of(len(x), latent_dim, step, options.get("jit_compile", False))
        weights, expected = reference_step(x, weights, noise)
        history = vae.fit(x, batch_size=len(x), shuffle=False, verbose=0).history
        logged = [history[name][0] for name in ("loss", "reconstruction_loss", "kl_loss")]
        np.testing.assert_allclose(logged, expected, rtol=1e-5)
        assert_weights_equal(layers, weights)


def test_a_step_with_beta_equals_the_hand_written_gradient(x):
    vae, layers = linear_vae(2, initial_weights(2), kv.objectives.ELBO(beta=4.0))
    vae.compile(keras.optimizers.SGD(RATE))
    weights, expected = reference_step(x, initial_weights(2), noise_of(len(x), 2, 0), beta=4.0)
    assert vae.train_on_batch(x)[0] == pytest.approx(expected[0], rel=1e-5)
    assert_weights_equal(layers, weights)


def weighted_fit(x, sample_weight, y):
    vae, layers = linear_vae(2, initial_weights(2))
    vae.compile(keras.optimizers.SGD(RATE))
    options = {"batch_size": len(x), "shuffle": False, "verbose": 0}
    history = vae.fit(x, y, sample_weight=sample_weight, **options).history
    return [history[name][0] for name in ("loss", "reconstruction_loss", "kl_loss")], layers


@pytest.mark.parametrize("labelled", [True, False], ids=["with_y", "without_y"])
def test_sample_weights_give_the_step_of_the_weighted_sum_over_the_batch_size(labelled, x):
    sample_weight = np.array([0.0, 0.5, 1.0, 2.0, 3.0, 0.0, 1.5])
    logged, layers = weighted_fit(x, sample_weight, np.zeros(len(x)) if labelled else None)
    noise = noise_of(len(x), 2, 0)
    weights, expected = reference_step(x, initial_weights(2), noise, sample_weight=sample_weight)
    np.testing.assert_allclose(logged, expected, rtol=1e-5)
    assert_weights_equal(layers, weights)


def test_weights_of_elements_rather_than_of_examples_are_refused(x):
    with pytest.raises(ValueError, match=r"`sample_weight` must have shape \(B,\).*\(7, 2\)"):
        weighted_fit(x, np.ones((len(x), 2)), None)
    column, _ = weighted_fit(x, np.full((len(x), 1), 0.5), None)
    assert column == weighted_fit(x, np.full(len(x), 0.5), None)[0]


def test_rows_of_weight_zero_do_not_move_the_weights(x):
    sample_weight = np.array([0, 1, 1, 0, 1, 1, 1], "float32")
    results = []
    for fill in (0.0, 1.0):
        changed = x.copy()
        changed[sample_weight == 0] = fill
        _, layers = weighted_fit(changed, sample_weight, np.zeros(len(x)))
        results.append([np.ravel(w) for layer in layers for w in layer.get_weights()])
    np.testing.assert_array_equal(*map(np.concatenate, results))


def test_regularisation_of_the_networks_is_added_to_the_gradient(x):
    steps = []
    for strength in (0.0, 0.3):
        vae, layers = linear_vae(2, initial_weights(2))
        layers[2].kernel.regularizer = keras.regularizers.L2(strength)
        vae.compile(keras.optimizers.SGD(RATE))
        vae.fit(x, batch_size=len(x), shuffle=False, verbose=0)
        steps.append(layers[2].kernel.numpy())
    expected = -RATE * 2 * 0.3 * initial_weights(2)[2][0]
    np.testing.assert_allclose(steps[1] - steps[0], expected, atol=1e-6)


def test_data_of_unknown_length_make_as_many_steps_as_they_have_batches(make_vae, images):
    objective = kv.objectives.ELBO(beta=kv.schedules.LinearWarmup(steps=4))
    vae = make_vae(objective=objective)
    batches = tf.data.Dataset.from_tensor_slices(images).batch(8).filter(lambda x: True)
    vae.fit(batches, epochs=1, verbose=0)
    assert int(vae.step) == int(objective.step) == int(vae.optimizer.iterations) == 5
