"""The encoder and decoder factories: sizes, seeds, initial biases and messages."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_vae import networks

FACTORIES = [
    f"{kind}_{end}" for kind in ("mlp", "conv", "resnet") for end in ("encoder", "decoder")
]
sides = st.integers(4, 37)


def output_of(factory, seed, **arguments):
    network = getattr(networks, factory)((6, 5, 2), 3, seed=seed, **arguments)
    batch = np.random.default_rng(0).random((2, *network.input_shape[1:]), "float32")
    return np.concatenate([np.ravel(part) for part in keras.tree.flatten(network(batch))])


def convolutions(network, kind):
    return [layer.output.shape[1:] for layer in network.layers if isinstance(layer, kind)]


def test_the_convolutions_take_28x28_to_7x7x64_and_back():
    encoder = networks.conv_encoder((28, 28, 1), 16)
    decoder = networks.conv_decoder((28, 28, 1), 16)
    transposed = convolutions(decoder, keras.layers.Conv2DTranspose)
    first = next(layer for layer in decoder.layers if isinstance(layer, keras.layers.Reshape))
    assert convolutions(encoder, keras.layers.Conv2D) == [(14, 14, 32), (7, 7, 64)]
    assert first.target_shape == (7, 7, 64)
    assert transposed == [(14, 14, 64), (28, 28, 32), (28, 28, 1)]


@settings(max_examples=8)
@given(height=sides, width=sides, channels=st.integers(1, 3))
def test_networks_take_and_give_images_of_any_size(height, width, channels):
    shape = (height, width, channels)
    decoder = networks.conv_decoder(shape, 2, filters=(3, 2), params_per_channel=2)
    encoder = networks.conv_encoder(shape, 2, filters=(2, 3), units=4)
    params = np.asarray(decoder(np.ones((1, 2), "float32")))
    assert params.shape == (1, height, width, 2 * channels)
    # The strides meet in the middle: the decoder starts from where the encoder arrives.
    arrived = [side // 4 + (side % 4 > 0) for side in (height, width)]
    assert convolutions(encoder, keras.layers.Conv2D)[-1] == (*arrived, 3)
    start = next(layer for layer in decoder.layers if isinstance(layer, keras.layers.Reshape))
    assert start.target_shape == (*arrived, 3)


@pytest.mark.parametrize("shape", [(28, 28, 1), (8, 8, 1), (28, 20, 1), (32, 32, 3), (33, 17, 1)])
def test_every_pixel_depends_on_z_and_z_on_every_pixel(shape):
    decoder = networks.conv_decoder(shape, 4, filters=(8, 4), activation="elu", seed=0)
    draws = np.random.default_rng(1).normal(size=(20, 4)).astype("float32")
    assert (np.std(decoder(draws), axis=0) > 1e-6).all()
    encoder = networks.conv_encoder(shape, 4, filters=(4, 8), units=16, activation="elu", seed=0)
    image = keras.ops.convert_to_tensor(np.random.default_rng(2).random((1, *shape), "float32"))
    with tf.GradientTape() as tape:
        tape.watch(image)
        total = tf.reduce_sum(encoder(image)[0] ** 2)
    assert (np.abs(tape.gradient(total, image)) > 0).all()


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_seed_repeats_the_initial_weights_and_another_seed_changes_them(factory):
    first = output_of(factory, seed=3)
    np.testing.assert_array_equal(first, output_of(factory, seed=3))
    assert (np.abs(first - output_of(factory, seed=4)) > 1e-6).mean() > 0.5
    assert (np.abs(first - output_of(factory, seed=None)) > 1e-6).mean() > 0.5


@pytest.mark.parametrize("factory", FACTORIES)
def test_layers_of_one_network_start_from_different_numbers(factory):
    shape = {"mlp_encoder": (2, 2, 1), "mlp_decoder": (2, 2, 1)}.get(factory, (4, 4, 4))
    widths = {"units": (4, 4)} if "mlp" in factory else {"filters": (4, 4, 4)[:2]}
    network = getattr(networks, factory)(shape, 4, seed=0, **widths)
    kernels = [w.numpy().ravel() for w in network.weights if w.name == "kernel"]
    # The last kernel of a residual block is zero at first.
    scaled = [kernel[:16] / np.abs(kernel).max() for kernel in kernels if kernel.any()]
    for index, kernel in enumerate(scaled):
        for other in scaled[index + 1 :]:
            assert not np.allclose(kernel, other, atol=1e-3)


def test_initial_weights_have_the_variance_of_glorot():
    kernel = networks.mlp_encoder((28, 28, 1), 20, seed=0).get_layer(index=2).kernel.numpy()
    assert kernel.shape == (784, 400)
    assert kernel.var() == pytest.approx(2 / (784 + 400), rel=0.01)


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("latent_dim", [0, -1, 2.0, True, None])
def test_a_latent_dim_that_is_no_positive_integer_is_refused(factory, latent_dim):
    with pytest.raises(ValueError, match=r"`latent_dim` must be an integer >= 1\. Received: lat"):
        getattr(networks, factory)((8, 8, 1), latent_dim)


@pytest.mark.parametrize("factory", ["conv_encoder", "conv_decoder"])
@pytest.mark.parametrize("shape", [(3, 28, 1), (28, 3, 1), (28, 28), (784,)])
def test_an_image_too_small_for_the_strides_is_refused_with_the_way_out(factory, shape):
    with pytest.raises(ValueError, match=r"at least 4 pixels for 2 conv.*Received.*mlp network"):
        getattr(networks, factory)(shape, 2)


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("shape", [(), (0, 8, 1), (8, 8, -1), (8.0, 8, 1), (None, None, 1)])
def test_an_image_shape_of_anything_but_positive_integers_is_refused(factory, shape):
    with pytest.raises(ValueError, match=r"`image_shape` must be a tuple of integers >= 1"):
        getattr(networks, factory)(shape, 2)


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("widths", [(0,), (8, -1), (8.5,), (), 8], ids=str)
def test_bad_widths_are_refused_by_name(factory, widths):
    name = "units" if "mlp" in factory else "filters"
    with pytest.raises(ValueError, match=f"`{name}` must .* Received: {name}="):
        getattr(networks, factory)((8, 8, 1), 2, **{name: widths})


def test_a_bad_width_of_the_dense_layer_before_z_is_refused():
    with pytest.raises(ValueError, match=r"`units` must be an integer >= 1\. Received: units=0"):
        networks.conv_encoder((8, 8, 1), 2, units=0)


@pytest.mark.parametrize("factory", ["mlp_decoder", "conv_decoder"])
def test_no_parameters_for_a_channel_are_refused(factory):
    with pytest.raises(ValueError, match="`params_per_channel` must be an integer >= 1"):
        getattr(networks, factory)((8, 8, 1), 2, params_per_channel=0)


@pytest.mark.parametrize("build", [networks.mlp_decoder, networks.conv_decoder])
@pytest.mark.parametrize("bias", [np.zeros((9, 8, 1)), "bright"])
def test_an_output_bias_that_does_not_fit_is_refused(build, bias):
    with pytest.raises(ValueError, match=r"`output_bias` .*\(8, 8, 1\)"):
        build((8, 8, 1), 2, output_bias=bias)
