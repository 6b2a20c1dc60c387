"""Networks of strided convolutions, for images of any size."""

import math

import keras
from keras import layers

from keras_vae import checks
from keras_vae.networks import parts


def conv_encoder(
    image_shape,
    latent_dim,
    filters=(32, 64),
    units=256,
    activation="relu",
    context_dim=0,
    seed=None,
):
    """Build an encoder of 3x3 convolutions of stride 2: 28x28 becomes 7x7x64.

    Args:
        image_shape: tuple `(H, W, C)`, each side at least 2 ** len(filters).
        latent_dim: int >= 1, D.
        filters: tuple of ints >= 1, the channels of each convolution.
        units: int >= 1, the width of the dense layer before z.
        activation: str or callable, of the hidden layers.
        context_dim: int >= 0, the size of a third output for a posterior with a flow; 0: none.
        seed: int or None, the seed of the initial weights.

    Returns:
        A `keras.Model`: `(B, H, W, C)` to a pair of `(B, D)`.

    Raises:
        ValueError: if an argument is out of its range, or the image too small for the strides.
    """
    image_shape, latent_dim = parts.check_shapes(image_shape, latent_dim)
    filters = parts.check_widths("filters", filters)
    parts.halvings(image_shape, filters)
    initializers = parts.Initializers(seed)
    x = inputs = keras.Input(image_shape, name="image")
    for channels in filters:
        x = layers.Conv2D(
            channels,
            3,
            strides=2,
            padding="same",
            activation=activation,
            kernel_initializer=initializers.next(),
        )(x)
    x = layers.Flatten()(x)
    width = checks.integer("units", units, 1)
    x = layers.Dense(width, activation, kernel_initializer=initializers.next())(x)
    outputs = parts.posterior_head(x, latent_dim, context_dim, initializers)
    return keras.Model(inputs, outputs, name="encoder")


def conv_decoder(
    image_shape,
    latent_dim,
    filters=(64, 32),
    activation="relu",
    params_per_channel=1,
    output_bias=None,
    seed=None,
):
    """Build a decoder of 3x3 transposed convolutions of stride 2: 7x7x64 becomes 28x28.

    Args:
        image_shape: tuple `(H, W, C)`, each side at least 2 ** len(filters); odd sides too.
        latent_dim: int >= 1, D.
        filters: tuple of ints >= 1, the channels of each transposed convolution, from z on.
        activation: str or callable, of the hidden layers.
        params_per_channel: int >= 1, numbers for a channel that the likelihood wants.
        output_bias: None, or an array that broadcasts to the output: its mean over the pixels
            is the initial bias of the last layer, which the pixels share.
        seed: int or None, the seed of the initial weights.

    Returns:
        A `keras.Model`: `(B, D)` to `(B, H, W, C * params_per_channel)`.

    Raises:
        ValueError: if an argument is out of its range, or the image too small for the strides.
    """
    image_shape, latent_dim = parts.check_shapes(image_shape, latent_dim)
    filters = parts.check_widths("filters", filters)
    *sizes, smallest = parts.halvings(image_shape, filters)
    initializers = parts.Initializers(seed)
    x = inputs = keras.Input((latent_dim,), name="z")
    units = math.prod(smallest) * filters[0]
    x = layers.Dense(units, activation, kernel_initializer=initializers.next())(x)
    x = layers.Reshape((*smallest, filters[0]))(x)
    for channels, size in zip(filters, reversed(sizes), strict=True):
        x = parts.doubled(x, channels, size, initializers, activation)
    shape = parts.params_shape(image_shape, params_per_channel)
    x = layers.Conv2DTranspose(
        shape[-1],
        3,
        padding="same",
        kernel_initializer=initializers.next(),
        bias_initializer=parts.shared_bias(output_bias, shape),
    )(x)
    return keras.Model(inputs, x, name="decoder")
