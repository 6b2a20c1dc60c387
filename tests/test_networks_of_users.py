"""Networks that behave otherwise in training: dropout, batch normalisation, regularisation."""

import keras
import numpy as np
import pytest

import keras_vae as kv

SHAPE = (4, 4, 1)


def encoder(*layers):
    inputs = keras.Input(SHAPE)
    x = keras.layers.Flatten()(inputs)
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, [keras.layers.Dense(2)(x), keras.layers.Dense(2)(x)])


def decoder(*layers):
    inputs = keras.Input((2,))
    x = keras.layers.Dense(8)(inputs)
    for layer in layers:
        x = layer(x)
    return keras.Model(inputs, keras.layers.Reshape(SHAPE)(keras.layers.Dense(16)(x)))


def test_batch_normalisation_learns_in_training_and_not_in_evaluation(images):
    norms = [keras.layers.BatchNormalization(), keras.layers.BatchNormalization()]
    vae = kv.VAE(encoder(norms[0]), decoder(norms[1]), seed=0)
    vae.compile(keras.optimizers.Adam(0.01))
    vae.fit(images, verbose=0)
    trained = [np.array(norm.moving_mean) for norm in norms]
    # They begin at zero exactly, and the decoder's stay near it, as z does.
    assert all(np.abs(mean).max() > 1e-6 for mean in trained)
    vae.evaluate(images, verbose=0)
    vae.elbo(images)
    for norm, mean in zip(norms, trained, strict=True):
        np.testing.assert_array_equal(norm.moving_mean, mean)


def test_dropout_acts_with_training_alone(images):
    vae = kv.VAE(encoder(keras.layers.Dropout(0.9)), decoder(), seed=0)
    np.testing.assert_array_equal(vae(images), vae(images))
    means = [np.array(vae.encode(images, training=True).z_mean) for _ in range(2)]
    assert np.abs(means[0] - means[1]).max() > 0.1


def test_the_noise_of_a_call_in_training_follows_the_seed(images):
    def calls(seed):
        vae = kv.VAE(
            kv.networks.mlp_encoder(SHAPE, 2, seed=0),
            kv.networks.mlp_decoder(SHAPE, 2, seed=1),
            seed=seed,
        )
        return [np.array(vae(images, training=True)) for _ in range(2)]

    (first, second), again, other = calls(2), calls(2), calls(3)
    np.testing.assert_array_equal(first, again[0])
    assert np.abs(first - second).max() > 1e-3 and np.abs(first - other[0]).max() > 1e-3


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_regularisation_counts_once_whatever_the_weights(policy, images):
    """Without a loss of the data, the kernel shrinks by the gradient of its own penalty."""
    keras.config.set_dtype_policy(policy)
    dense = keras.layers.Dense(8, kernel_regularizer=keras.regularizers.L2(0.1))
    vae = kv.VAE(encoder(dense), decoder(), seed=0)
    optimizer = keras.optimizers.SGD(0.5)
    vae.compile(optimizer)
    before = np.array(dense.kernel)
    loss = vae.train_on_batch(images, sample_weight=np.zeros(len(images)), return_dict=True)["loss"]
    assert loss == pytest.approx(0.1 * np.square(before).sum(), rel=1e-2)
    np.testing.assert_allclose(dense.kernel, before * (1 - 0.5 * 0.2), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_activity_regularisation_is_added_to_the_loss(policy, images):
    keras.config.set_dtype_policy(policy)
    dense = keras.layers.Dense(8, activity_regularizer=keras.regularizers.L2(0.1))
    vae = kv.VAE(encoder(dense), decoder(), seed=0)
    vae.compile(keras.optimizers.SGD(0.0))
    parts = vae.train_on_batch(images, return_dict=True)
    # Keras's versions differ in whether they divide by the batch.
    activity = 0.1 * np.square(images.reshape(len(images), -1) @ np.array(dense.kernel)).sum()
    penalty = parts["loss"] - parts["reconstruction_loss"] - parts["kl_loss"]
    assert min(abs(penalty - activity), abs(penalty - activity / len(images))) < 0.02 * penalty


def test_a_checkpoint_holds_no_weights_that_are_not_finite(images, tmp_path):
    vae = kv.VAE(encoder(), decoder(), seed=0)
    vae.compile(keras.optimizers.Adam(0.01))
    path = tmp_path / "best.keras"
    dataset = np.concatenate([images, np.full_like(images[:1], 0.5)])
    dense = vae.decoder.layers[1]
    vae.fit(dataset, verbose=0)
    good = vae.get_weights()
    dense.bias.assign(np.full(8, 3e38, "float32"))
    with pytest.warns(RuntimeWarning, match="not finite"):
        vae.fit(dataset, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(path)])
    assert vae.stop_training and len(good) == len(vae.get_weights())
    saved = keras.models.load_model(path)
    for weight, kept in zip(saved.get_weights(), vae.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, kept)


def test_xla_is_off_where_there_is_no_accelerator_and_the_choice_is_kept(make_vae, tmp_path):
    vae = make_vae()
    assert vae.jit_compile is False and vae.get_compile_config()["jit_compile"] == "auto"
    assert make_vae(compile_options={"jit_compile": True}).jit_compile is True


def test_pixels_are_drawn_from_a_stream_of_their_own():
    likelihood, seeds = kv.likelihoods.Gaussian(), [7, 8]
    drawn = np.array(likelihood.sample(np.zeros((2, 3), "float32"), seeds))
    own = kv.random.normals(np.array(seeds, "int32"), 3, stream=kv.random.PIXELS)
    np.testing.assert_array_equal(drawn, own)
    for stream in (kv.random.LATENT, kv.random.PRIOR):
        other = kv.random.normals(np.array(seeds, "int32"), 3, stream=stream)
        assert np.abs(drawn - other).min() > 1e-4


def test_a_gaussian_holds_its_scale_within_what_float32_can_bear():
    scales = kv.likelihoods.Gaussian("per_element")
    for log_var, limit in ((-1e4, np.exp(-6.0)), (1e4, np.exp(5.0))):
        x, params = np.ones((1, 1), "float32"), np.array([[0.5, log_var]], "float32")
        expected = -0.5 * np.log(2 * np.pi) - np.log(limit) - 0.125 / limit**2
        assert float(scales.log_prob(x, params)[0]) == pytest.approx(expected, rel=1e-5)
    assert float(np.exp(0.5 * kv.likelihoods.Gaussian("learned").log_var)) == pytest.approx(0.25)
