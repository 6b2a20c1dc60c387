"""Encoder and decoder factories: functional Keras models for any image size.

An encoder maps x to `(z_mean, z_log_var)`, a decoder maps z to the parameters of p(x|z) (logits,
not probabilities). Any other Keras model with these shapes is as welcome.
"""

import math

import keras
import numpy as np
from keras import layers

from keras_vae import checks, random


def mlp_encoder(image_shape, latent_dim, units=(400,), activation="relu", seed=None):
    """Build an encoder of dense layers.

    Args:
        image_shape: tuple of ints, the event shape, such as `(28, 28, 1)`.
        latent_dim: int >= 1, D.
        units: tuple of ints >= 1, the width of each hidden layer, from the image on.
        activation: str or callable, of the hidden layers.
        seed: int or None, the seed of the initial weights.

    Returns:
        A `keras.Model`: `(B, *image_shape)` to a pair of `(B, D)`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> mlp_encoder((28, 28, 1), latent_dim=20).count_params()
    330040
    """
    image_shape, latent_dim = _check_shapes(image_shape, latent_dim)
    initializers = _Initializers(seed)
    x = inputs = keras.Input(image_shape, name="image")
    x = layers.Flatten()(x)
    for width in _check_widths("units", units):
        x = layers.Dense(width, activation, kernel_initializer=initializers.next())(x)
    return keras.Model(inputs, _posterior_head(x, latent_dim, initializers), name="encoder")


def mlp_decoder(
    image_shape,
    latent_dim,
    units=(400,),
    activation="relu",
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
        params_per_channel: int >= 1, numbers for a channel that the likelihood wants.
        output_bias: None, or an array that broadcasts to the output: the initial bias of the
            last layer, such as `likelihood.bias(data.mean)`.
        seed: int or None, the seed of the initial weights.

    Returns:
        A `keras.Model`: `(B, D)` to `(B, *event, channels * params_per_channel)`.

    Raises:
        ValueError: if an argument is out of its range.
    """
    image_shape, latent_dim = _check_shapes(image_shape, latent_dim)
    initializers = _Initializers(seed)
    shape = _params_shape(image_shape, params_per_channel)
    x = inputs = keras.Input((latent_dim,), name="z")
    for width in _check_widths("units", units):
        x = layers.Dense(width, activation, kernel_initializer=initializers.next())(x)
    x = layers.Dense(
        math.prod(shape),
        kernel_initializer=initializers.next(),
        bias_initializer=_constant(_output_bias(output_bias, shape).ravel()),
    )(x)
    return keras.Model(inputs, layers.Reshape(shape)(x), name="decoder")


def conv_encoder(
    image_shape, latent_dim, filters=(32, 64), units=256, activation="relu", seed=None
):
    """Build an encoder of 3x3 convolutions of stride 2: 28x28 becomes 7x7x64.

    Args:
        image_shape: tuple `(H, W, C)`, each side at least 2 ** len(filters).
        latent_dim: int >= 1, D.
        filters: tuple of ints >= 1, the channels of each convolution.
        units: int >= 1, the width of the dense layer before z.
        activation: str or callable, of the hidden layers.
        seed: int or None, the seed of the initial weights.

    Returns:
        A `keras.Model`: `(B, H, W, C)` to a pair of `(B, D)`.

    Raises:
        ValueError: if an argument is out of its range, or the image too small for the strides.
    """
    image_shape, latent_dim = _check_shapes(image_shape, latent_dim)
    filters = _check_widths("filters", filters)
    _halvings(image_shape, filters)
    initializers = _Initializers(seed)
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
    return keras.Model(inputs, _posterior_head(x, latent_dim, initializers), name="encoder")


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
    image_shape, latent_dim = _check_shapes(image_shape, latent_dim)
    filters = _check_widths("filters", filters)
    *sizes, smallest = _halvings(image_shape, filters)
    initializers = _Initializers(seed)
    x = inputs = keras.Input((latent_dim,), name="z")
    units = math.prod(smallest) * filters[0]
    x = layers.Dense(units, activation, kernel_initializer=initializers.next())(x)
    x = layers.Reshape((*smallest, filters[0]))(x)
    for channels, size in zip(filters, reversed(sizes), strict=True):
        x = layers.Conv2DTranspose(
            channels,
            3,
            strides=2,
            padding="same",
            activation=activation,
            kernel_initializer=initializers.next(),
        )(x)
        # Doubling gives even sides; the odd ones are a pixel less.
        excess = tuple((0, side % 2) for side in size)
        if excess != ((0, 0), (0, 0)):
            x = layers.Cropping2D(excess)(x)
    shape = _params_shape(image_shape, params_per_channel)
    x = layers.Conv2DTranspose(
        shape[-1],
        3,
        padding="same",
        kernel_initializer=initializers.next(),
        bias_initializer=_constant(_output_bias(output_bias, shape).mean(axis=(0, 1))),
    )(x)
    return keras.Model(inputs, x, name="decoder")


def _posterior_head(x, latent_dim, initializers):
    return [
        layers.Dense(latent_dim, kernel_initializer=initializers.next(), name=name)(x)
        for name in ("z_mean", "z_log_var")
    ]


def _check_shapes(image_shape, latent_dim):
    latent_dim = checks.integer("latent_dim", latent_dim, 1)
    shape = tuple(image_shape) if isinstance(image_shape, (list, tuple)) else ()
    if not shape or any(not isinstance(side, int) or side < 1 for side in shape):
        raise ValueError(
            checks.message(
                "`image_shape` must be a tuple of integers >= 1, such as (28, 28, 1)",
                f"image_shape={image_shape!r}",
            )
        )
    return shape, latent_dim


def _check_widths(name, widths):
    if not isinstance(widths, (list, tuple)) or not widths:
        raise ValueError(
            checks.message(
                f"`{name}` must be a tuple of integers >= 1, one for each layer",
                f"{name}={widths!r}",
                f"Write {name}=(64,) for a single layer.",
            )
        )
    return tuple(checks.integer(name, width, 1) for width in widths)


def _halvings(image_shape, filters):
    """Return the sizes that an image takes on its way through the strides, its own first."""
    least = 2 ** len(filters)
    if len(image_shape) != 3 or min(image_shape[:2]) < least:
        raise ValueError(
            checks.message(
                f"`image_shape` must be (height, width, channels) with sides of at least {least} "
                f"pixels for {len(filters)} convolutions of stride 2",
                f"image_shape={image_shape}",
                "Enlarge the images (image_size), give fewer filters, or use an mlp network.",
            )
        )
    sizes = [tuple(image_shape[:2])]
    for _ in filters:
        sizes.append(tuple(math.ceil(side / 2) for side in sizes[-1]))
    return sizes


def _params_shape(image_shape, params_per_channel):
    params_per_channel = checks.integer("params_per_channel", params_per_channel, 1)
    return (*image_shape[:-1], image_shape[-1] * params_per_channel)


def _output_bias(value, shape):
    try:
        return np.broadcast_to(np.asarray(0.0 if value is None else value, "float32"), shape)
    except (TypeError, ValueError) as error:
        raise ValueError(
            checks.message(
                f"`output_bias` must be numbers that broadcast to the decoder's output, {shape}",
                f"shape {np.shape(value)}" if np.ndim(value) else f"output_bias={value!r}",
                "Take likelihood.bias(data.mean) of the same image shape.",
            )
        ) from error


def _constant(values):
    return keras.initializers.Constant(np.asarray(values, "float32").tolist())


class _Initializers:
    """Glorot-uniform initialisers, each with a seed of its own made from one seed."""

    def __init__(self, seed):
        self._sequence = None
        if seed is not None:
            self._sequence = np.random.SeedSequence(random.check_seed(seed) % 2**64)

    def next(self):
        seed = None
        if self._sequence is not None:
            seed = int(self._sequence.spawn(1)[0].generate_state(1)[0])
        return keras.initializers.GlorotUniform(seed=seed)
