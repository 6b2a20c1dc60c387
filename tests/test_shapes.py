"""Own networks of every kind are taken; wrong ones are refused with both shapes."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv

SHAPE, LATENT = (4, 4, 1), 2


class OwnEncoder(keras.Model):
    """A subclassed network, which has no input shape before it is called."""

    def __init__(self, latent_dim=LATENT, **kwargs):
        super().__init__(**kwargs)
        self.flatten = keras.layers.Flatten()
        self.mean, self.log_var = keras.layers.Dense(latent_dim), keras.layers.Dense(latent_dim)

    def call(self, x):
        x = self.flatten(x)
        return self.mean(x), self.log_var(x)


def functional_encoder(latent_dims=(LATENT, LATENT), event=SHAPE):
    inputs = keras.Input(event)
    x = keras.layers.Flatten()(inputs)
    outputs = [keras.layers.Dense(size)(x) for size in latent_dims]
    return keras.Model(inputs, outputs[0] if len(outputs) == 1 else outputs)


def sequential_decoder(shape=SHAPE, latent_dim=None):
    layers = [keras.layers.Dense(int(np.prod(shape))), keras.layers.Reshape(shape)]
    return keras.Sequential(layers if latent_dim is None else [keras.Input((latent_dim,)), *layers])


class OwnDecoder(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = sequential_decoder()

    def call(self, z):
        return self.inner(z)


def factory_encoder(latent_dim=LATENT, shape=SHAPE):
    return kv.networks.mlp_encoder(shape, latent_dim, units=(4,))


def factory_decoder(latent_dim=LATENT, shape=SHAPE, **kwargs):
    return kv.networks.mlp_decoder(shape, latent_dim, units=(4,), **kwargs)


def with_all_parts(*parts):
    return "(?s)" + ".*".join(re.escape(part) for part in parts)


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        (OwnEncoder, OwnDecoder),
        (OwnEncoder, sequential_decoder),
        (functional_encoder, sequential_decoder),
    ],
    ids=lambda network: network.__name__,
)
def test_own_networks_train_and_reconstruct_as_their_layers_compute(encoder, decoder, images):
    keras.utils.set_random_seed(0)
    vae = kv.VAE(encoder(), decoder(), seed=0)
    vae.compile(keras.optimizers.Adam(0.02))
    many = np.tile(images, (15, 1, 1, 1))
    history = vae.fit(many, epochs=3, batch_size=20, verbose=0).history["loss"]
    assert history[-1] < history[0] - 1
    assert (vae.event_shape, vae.latent_dim) == (SHAPE, LATENT)
    z_mean, _ = vae.encoder(images)
    expected = 1 / (1 + np.exp(-np.asarray(vae.decoder(z_mean), np.float64)))
    np.testing.assert_allclose(vae.predict(images, verbose=0), expected, atol=1e-5)


def test_an_encoder_may_give_a_third_output():
    vae = kv.VAE(functional_encoder((LATENT, LATENT, 7)), factory_decoder())
    x = np.ones((1, *SHAPE), "float32")
    np.testing.assert_array_equal(vae.encode(x).z_mean, vae.encoder(x)[0])
    assert len(vae.encode(x)) == 2


def test_an_event_need_not_be_an_image():
    vae = kv.VAE(functional_encoder(event=(5,)), sequential_decoder((5,)), "gaussian")
    x, params = np.ones((3, 5), "float32"), vae.decoder(np.zeros((3, LATENT), "float32"))
    expected = -0.5 * np.sum((x - params) ** 2 + np.log(2 * np.pi), axis=-1)
    np.testing.assert_allclose(vae.likelihood.log_prob(x, params), expected, rtol=1e-5)


def test_networks_of_different_latent_size_are_refused_with_both():
    expected = with_all_parts("`decoder` must", "(None, 3)", "Received", "(None, 2)", "latent_dim")
    with pytest.raises(ValueError, match=expected):
        kv.VAE(factory_encoder(3), factory_decoder(2))


def test_a_built_sequential_decoder_of_another_latent_size_is_refused():
    with pytest.raises(ValueError, match=with_all_parts("(None, 2)", "Received", "(None, 5)")):
        kv.VAE(factory_encoder(), sequential_decoder(latent_dim=5))


@pytest.mark.parametrize(
    ("decoder", "likelihood", "expected", "received"),
    [
        (lambda: factory_decoder(shape=(5, 4, 1)), "bernoulli", (None, 4, 4, 1), (None, 5, 4, 1)),
        (
            lambda: factory_decoder(params_per_channel=2),
            "bernoulli",
            (None, 4, 4, 1),
            (None, 4, 4, 2),
        ),
        (factory_decoder, kv.likelihoods.Gaussian("per_element"), (None, 4, 4, 2), (None, 4, 4, 1)),
        (lambda: sequential_decoder((16,)), "gaussian", (None, 4, 4, 1), (None, 16)),
    ],
)
def test_a_decoder_of_the_wrong_output_is_refused_with_both_shapes(
    decoder, likelihood, expected, received
):
    with pytest.raises(ValueError, match=with_all_parts(str(expected), "Received", str(received))):
        kv.VAE(factory_encoder(), decoder(), likelihood)


@pytest.mark.parametrize(
    ("latent_dims", "received"),
    [((2,), "(None, 2)"), ((2, 3), "(None, 2) and (None, 3)")],
)
def test_an_encoder_without_a_pair_of_one_size_is_refused(latent_dims, received):
    expected = with_all_parts("(z_mean, z_log_var)", "(None, latent_dim)", "Received", received)
    with pytest.raises(ValueError, match=expected):
        kv.VAE(functional_encoder(latent_dims), factory_decoder())


@pytest.mark.parametrize("name", ["encoder", "decoder"])
@pytest.mark.parametrize(
    "value", [None, "conv", np.zeros(3), len], ids=lambda value: type(value).__name__
)
def test_what_is_no_network_is_refused_by_name(name, value):
    networks = {"encoder": factory_encoder(), "decoder": factory_decoder(), name: value}
    with pytest.raises(ValueError, match=f"`{name}` must be a Keras model. Received: {name}="):
        kv.VAE(**networks)


@pytest.mark.parametrize("shape", [(3, 5, 5, 1), (4, 4, 1), (3, 4, 4)])
def test_bounds_of_examples_of_another_shape_are_refused_with_both(shape, make_vae):
    expected = with_all_parts("(4, 4, 1)", "Received: shape", str(shape))
    with pytest.raises(ValueError, match=expected):
        make_vae().elbo(np.zeros(shape, "float32"))


def test_training_on_images_of_another_size_is_refused_with_both_shapes(make_vae):
    with pytest.raises(ValueError, match=with_all_parts("(4, 4, 1)", "(4, 5, 5")):
        make_vae().fit(np.zeros((4, 5, 5, 1), "float32"), verbose=0)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "encode", "reconstruct", "elbo"])
def test_images_without_their_channel_axis_are_refused_with_the_fix(method, make_vae, images):
    """Keras would add the axis for the encoder alone, and score each image against others."""
    with pytest.raises(ValueError, match=r"x\[\.\.\., None\]"):
        getattr(make_vae(), method)(images[:4, ..., 0])
    dataset = tf.data.Dataset.from_tensor_slices(images[..., 0]).batch(4)
    with pytest.raises(ValueError, match=r"x\[\.\.\., None\]"):
        make_vae().fit(dataset, verbose=0)


@pytest.mark.parametrize("method", ["fit", "evaluate", "elbo"])
def test_unscaled_pixels_under_a_bernoulli_are_refused(method, make_vae, images):
    with pytest.raises(ValueError, match=r"\[0, 1\].*uint8 values from 0 to 255.*Divide"):
        getattr(make_vae(), method)((images * 255).astype("uint8"))


def test_a_prior_that_another_vae_built_is_refused(make_vae):
    prior = make_vae().prior
    with pytest.raises(ValueError, match=r"latent size, 3.*built for 2"):
        kv.VAE(
            kv.networks.mlp_encoder((4, 4, 1), 3),
            kv.networks.mlp_decoder((4, 4, 1), 3),
            prior=prior,
        )
