"""What the encoder and decoder factories share: heads, last layers, seeds and checks."""

import math

import keras
import numpy as np
from keras import layers

from keras_vae import checks, random


def posterior_head(x, latent_dim, context_dim, initializers):
    """Return the outputs of an encoder: z_mean, z_log_var and, where asked for, a context."""
    sizes = {"z_mean": latent_dim, "z_log_var": latent_dim}
    if checks.integer("context_dim", context_dim, 0):
        sizes["context"] = context_dim
    return [
        layers.Dense(size, kernel_initializer=initializers.next(), name=name)(x)
        for name, size in sizes.items()
    ]


def check_shapes(image_shape, latent_dim):
    """Return both as a tuple and an int, or raise `ValueError`."""
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


def check_widths(name, widths):
    """Return the widths of layers as a tuple of ints, or raise `ValueError`."""
    if not isinstance(widths, (list, tuple)) or not widths:
        raise ValueError(
            checks.message(
                f"`{name}` must be a tuple of integers >= 1, one for each layer",
                f"{name}={widths!r}",
                f"Write {name}=(64,) for a single layer.",
            )
        )
    return tuple(checks.integer(name, width, 1) for width in widths)


def params_shape(image_shape, params_per_channel):
    """Return the shape of what a decoder gives for one example."""
    params_per_channel = checks.integer("params_per_channel", params_per_channel, 1)
    return (*image_shape[:-1], image_shape[-1] * params_per_channel)


def output_bias_of(value, shape):
    """Return the initial bias of the last layer, broadcast to `shape`."""
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


def constant(values):
    """Return the initialiser that gives these values, one that a config can hold."""
    return keras.initializers.Constant(np.asarray(values, "float32").tolist())


class Initializers:
    """Glorot-uniform initialisers, each with a seed of its own made from one seed."""

    def __init__(self, seed):
        self._sequence = None
        if seed is not None:
            self._sequence = np.random.SeedSequence(random.check_seed(seed) % 2**64)

    def next(self):
        """Return the next initialiser."""
        seed = None
        if self._sequence is not None:
            seed = int(self._sequence.spawn(1)[0].generate_state(1)[0])
        return keras.initializers.GlorotUniform(seed=seed)


def halvings(image_shape, filters):
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


def doubled(x, channels, size, initializers, activation=None, kernel_size=3, bias="zeros"):
    """Return x after a transposed convolution of stride 2, cut to `size`, twice its own or less."""
    x = layers.Conv2DTranspose(
        channels,
        kernel_size,
        strides=2,
        padding="same",
        activation=activation,
        kernel_initializer=initializers.next(),
        bias_initializer=bias,
    )(x)
    # Doubling gives even sides; the odd ones are a pixel less.
    excess = tuple((0, side % 2) for side in size)
    return layers.Cropping2D(excess)(x) if excess != ((0, 0), (0, 0)) else x


def shared_bias(output_bias, shape):
    """Return the initialiser of a last bias that all pixels share: the mean over the pixels."""
    return constant(output_bias_of(output_bias, shape).mean(axis=(0, 1)))
