"""The residual networks and the gated dense ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

import keras_vae as kv
from keras_vae import networks

sides = st.integers(4, 37)


def randomise(network, seed=0):
    """Move all weights, those that are zero at first too."""
    rng = np.random.default_rng(seed)
    for weight in network.weights:
        fan_in = np.prod(weight.shape[:-1]) if len(weight.shape) > 1 else 100
        weight.assign_add(rng.normal(size=weight.shape) / np.sqrt(fan_in))
    return network


def draws(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def shapes_of(network, kind):
    return [layer.output.shape[1:] for layer in network.layers if isinstance(layer, kind)]


def strided(encoder):
    convolutions = [layer for layer in encoder.layers if isinstance(layer, layers.Conv2D)]
    return [layer.output.shape[1:] for layer in convolutions if layer.strides == (2, 2)]


@pytest.mark.parametrize("name", ["resnet_encoder", "resnet_decoder"])
def test_each_block_is_the_identity_at_first_and_not_for_long(name):
    network = getattr(networks, name)((8, 12, 2), 3, filters=(4, 5), blocks=(2, 2), seed=0)
    adds = [layer for layer in network.layers if isinstance(layer, layers.Add)]
    assert len(adds) == 4
    pairs = keras.Model(network.input, [(layer.input[0], layer.output) for layer in adds])
    x = draws(3, *network.input_shape[1:])
    for before, after in pairs(x):
        assert np.std(before) > 1e-3
        np.testing.assert_array_equal(before, after)
    randomise(network)
    for before, after in pairs(x):
        assert np.abs(np.asarray(before) - np.asarray(after)).mean() > 1e-3


@settings(max_examples=6)
@given(height=sides, width=sides, channels=st.integers(1, 3))
def test_images_of_any_size_go_in_and_come_out(height, width, channels):
    shape = (height, width, channels)
    encoder = networks.resnet_encoder(shape, 2, filters=(2, 3), units=4)
    decoder = networks.resnet_decoder(shape, 2, filters=(3, 2), params_per_channel=2)
    arrived = (-(-height // 4), -(-width // 4), 3)
    assert strided(encoder)[-1] == arrived
    assert shapes_of(decoder, layers.Reshape) == [arrived]
    assert decoder.output_shape == (None, height, width, 2 * channels)
    assert [output.shape for output in encoder(np.zeros((1, *shape)))] == [(1, 2)] * 2


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 7, 3), (32, 20, 1), (33, 17, 1)])
def test_every_pixel_depends_on_z_and_z_on_every_pixel(shape):
    options = {"filters": (4, 4), "activation": "elu", "seed": 0}
    decoder = randomise(networks.resnet_decoder(shape, 4, **options))
    assert (np.std(decoder(draws(20, 4)), axis=0) > 1e-4).all()
    encoder = randomise(networks.resnet_encoder(shape, 4, units=16, **options))
    image = tf.constant(draws(1, *shape))
    with tf.GradientTape() as tape:
        tape.watch(image)
        total = tf.reduce_sum(encoder(image)[0] ** 2)
    assert (np.abs(tape.gradient(total, image)) > 0).all()


def test_images_of_a_batch_do_not_depend_on_each_other():
    encoder = randomise(networks.resnet_encoder((8, 8, 1), 3, filters=(4,), seed=0))
    x = draws(3, 8, 8, 1)
    for training in (False, True):
        alone = encoder(x[:1], training=training)[0]
        np.testing.assert_allclose(encoder(x, training=training)[0][:1], alone, atol=1e-5)


@pytest.mark.parametrize("shape", [(32, 32, 3), (37, 41, 1)])
def test_only_operators_that_mobile_delegates_take_are_there(shape):
    taken = {"InputLayer", "Conv2D", "Conv2DTranspose", "Dense", "Activation", "Add", "Reshape"}
    taken |= {"Flatten", "Cropping2D"}
    for network in (networks.resnet_encoder(shape, 4), networks.resnet_decoder(shape, 4)):
        assert {type(layer).__name__ for layer in network.layers} <= taken
        activations = {getattr(layer, "activation", None) for layer in network.layers}
        assert activations <= {None, keras.activations.relu, keras.activations.linear}


@pytest.mark.parametrize(
    ("side", "channels"), [(32, [16, 32]), (64, [16, 32, 64]), (128, [16, 32, 64, 64])]
)
def test_the_default_filters_bring_the_image_to_8_pixels(side, channels):
    sizes = [side // 2**index for index in range(1, len(channels) + 1)]
    expected = [(size, size, count) for size, count in zip(sizes, channels, strict=True)]
    assert sizes[-1] == 8
    encoder = networks.resnet_encoder((side, side, 3), 4)
    assert strided(encoder) == expected and shapes_of(encoder, layers.Add) == expected[-1:]
    decoder = networks.resnet_decoder((side, side, 3), 4)
    # Twice as wide.
    expected = [(*size[:2], 2 * size[2]) for size in expected]
    assert shapes_of(decoder, layers.Reshape) == expected[-1:]
    doubled = shapes_of(decoder, layers.Conv2DTranspose)
    assert doubled == [*expected[-2::-1], (side, side, 3)]
    # A block where it costs least.
    assert shapes_of(decoder, layers.Add) == expected[-1:]


def test_each_size_can_have_its_own_number_of_blocks():
    for network, sizes in (
        (networks.resnet_encoder((32, 32, 1), 4, blocks=(0, 2)), [8, 8]),
        (networks.resnet_decoder((32, 32, 1), 4, blocks=(2, 1)), [8, 8, 16]),
    ):
        assert [shape[0] for shape in shapes_of(network, layers.Add)] == sizes


def test_the_smaller_side_sets_the_default_filters():
    assert strided(networks.resnet_encoder((32, 128, 1), 4))[-1] == (8, 32, 32)
    assert strided(networks.resnet_encoder((50, 40, 1), 4))[-1] == (7, 5, 64)


def test_an_untrained_decoder_with_the_bias_gives_each_channel_its_mean():
    likelihood = kv.likelihoods.DiscretizedLogistic(2)
    mean = np.float32([0.1, 0.5, 0.9])
    decoder = networks.resnet_decoder(
        (9, 8, 3),
        latent_dim=3,
        params_per_channel=likelihood.params_per_channel,
        output_bias=likelihood.bias(mean),
    )
    images = np.asarray(likelihood.mean(decoder(np.zeros((1, 3)))))
    np.testing.assert_allclose(images[0], np.broadcast_to(mean, (9, 8, 3)), atol=1e-4)


@pytest.mark.parametrize("kind", ["mlp", "conv", "resnet"])
def test_the_context_is_a_dense_function_of_what_the_mean_is_of(kind):
    build = getattr(networks, f"{kind}_encoder")
    encoder = build((8, 8, 1), 3, context_dim=5, seed=0)
    x = draws(4, 8, 8, 1)
    head = encoder.get_layer("context")
    hidden = keras.Model(encoder.input, [head.input, encoder.get_layer("z_mean").input])(x)
    np.testing.assert_array_equal(hidden[0], hidden[1])
    expected = np.asarray(hidden[0]) @ np.asarray(head.kernel) + np.asarray(head.bias)
    context = encoder(x)[2]
    assert context.shape == (4, 5)
    np.testing.assert_allclose(context, expected, atol=1e-5)
    assert np.std(context, axis=0).min() > 1e-3
    # It changes nothing of the other two.
    for with_context, without in zip(encoder(x), build((8, 8, 1), 3, seed=0)(x)):
        np.testing.assert_allclose(with_context, without, atol=1e-6)
    with pytest.raises(ValueError, match="`context_dim` must be an integer >= 0"):
        build((8, 8, 1), 3, context_dim=-1)


def gated(x, weights):
    """The hidden layer (x A + a) * sigmoid(x B + b) and so on, from kernels and biases."""
    for kernel, bias, gate_kernel, gate_bias in zip(*[iter(weights)] * 4):
        x = (x @ kernel + bias) / (1 + np.exp(-(x @ gate_kernel + gate_bias)))
    return x


@pytest.mark.parametrize("name", ["mlp_encoder", "mlp_decoder"])
def test_a_gated_network_equals_numpy(name):
    network = getattr(networks, name)((2, 3, 1), 2, units=(5, 4), gated=True, seed=0)
    randomise(network)
    x = draws(3, *network.input_shape[1:])
    *hidden, kernel, bias = [np.asarray(weight, np.float64) for weight in network.weights]
    if name == "mlp_encoder":
        *hidden, mean_kernel, mean_bias = hidden
        expected = gated(x.reshape(3, -1), hidden) @ mean_kernel + mean_bias
        np.testing.assert_allclose(network(x)[0], expected, rtol=1e-4, atol=1e-5)
    expected = gated(x.reshape(3, -1), hidden) @ kernel + bias
    found = np.asarray(network(x)[1] if name == "mlp_encoder" else network(x))
    np.testing.assert_allclose(found.reshape(3, -1), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet_encoder", "resnet_decoder"])
def test_bad_arguments_are_refused(name):
    build = getattr(networks, name)
    with pytest.raises(ValueError, match="`blocks` must be an integer >= 0"):
        build((8, 8, 1), 2, blocks=-1)
    with pytest.raises(ValueError, match=r"one for each of the 2 sizes.*blocks=\(1,\)"):
        build((8, 8, 1), 2, filters=(2, 2), blocks=(1,))
    with pytest.raises(ValueError, match=r"at least 8 pixels for 3 conv.*mlp network"):
        build((28, 7, 1), 2, filters=(2, 2, 2))
