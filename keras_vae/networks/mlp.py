"""Dense networks, for images of any shape and for vectors."""

import math

import keras
from keras import layers

from keras_vae.networks import parts


def mlp_encoder(
    image_shape,
    latent_dim,
    units=(400,),
    activation="relu",
    gated=False,
    context_dim=0,
    seed=None,
):
    """Build an encoder of dense layers.

    Args:
        image_shape: tuple of ints, the event shape, such as `(28, 28, 1)`.
        latent_dim: int >= 1, D.
        units: tuple of ints >= 1, the width of each hidden layer, from the image on.
        activation: str or callable, of the hidden layers.
        gated: bool, whether each hidden unit is a linear one times a sigmoid one, in place of
            `activation` (Dauphin et al. 2017, eq. 1, https://arxiv.org/abs/1612.08083).
        context_dim: int >= 0, the size of a third output for a posterior with a flow; 0: none.
        seed: int or None, the seed of the initial weights.

    Returns:
        A `keras.Model`: `(B, *image_shape)` to a pair of `(B, D)`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> mlp_encoder((28, 28, 1), latent_dim=20).count_params()
    330040
    """
    image_shape, latent_dim = parts.check_shapes(image_shape, latent_dim)
    initializers = parts.Initializers(seed)
    x = inputs = keras.Input(image_shape, name="image")
    x = layers.Flatten()(x)
    x = hidden(x, units, activation, gated, initializers)
    outputs = parts.posterior_head(x, latent_dim, context_dim, initializers)
    return keras.Model(inputs, outputs, name="encoder")


def mlp_decoder(
    image_shape,
    latent_dim,
    units=(400,),
    activation="relu",
    gated=False,
    params_per_channel=1,
    output_bias=None,
    seed=None,
):
    """Build a decoder of dense layers.

    Args:
        image_shape: tuple of ints, the event shape, such as `(28, 28, 1)`.
        latent_dim: int >= 1, D.
        units: tuple of ints >= 1, the width of each hidden layer, from z on.
        activation: str or callable, of the hidden layers.
        gated: bool, whether each hidden unit is a linear one times a sigmoid one, in place of
            `activation` (Dauphin et al. 2017, eq. 1, https://arxiv.org/abs/1612.08083).
        params_per_channel: int >= 1, numbers for a channel that the likelihood wants.
        output_bias: None, or an array that broadcasts to the output: the initial bias of the
            last layer, such as `likelihood.bias(data.mean)`.
        seed: int or None, the seed of the initial weights.

    Returns:
        A `keras.Model`: `(B, D)` to `(B, *event, channels * params_per_channel)`.

    Raises:
        ValueError: if an argument is out of its range.
    """
    image_shape, latent_dim = parts.check_shapes(image_shape, latent_dim)
    initializers = parts.Initializers(seed)
    shape = parts.params_shape(image_shape, params_per_channel)
    x = inputs = keras.Input((latent_dim,), name="z")
    x = hidden(x, units, activation, gated, initializers)
    x = layers.Dense(
        math.prod(shape),
        kernel_initializer=initializers.next(),
        bias_initializer=parts.constant(parts.output_bias_of(output_bias, shape).ravel()),
    )(x)
    return keras.Model(inputs, layers.Reshape(shape)(x), name="decoder")


def hidden(x, units, activation, gated, initializers):
    """Return x after dense layers of these widths; arguments as of `mlp_encoder`."""
    for width in parts.check_widths("units", units):
        dense = layers.Dense(
            width, None if gated else activation, kernel_initializer=initializers.next()
        )
        if gated:
            gate = layers.Dense(width, "sigmoid", kernel_initializer=initializers.next())
            x = layers.Multiply()([dense(x), gate(x)])
        else:
            x = dense(x)
    return x
