"""Residual networks, for images of 32 to 128 pixels."""

import math

import keras
from keras import layers

from keras_vae import checks
from keras_vae.networks import parts

# The image is halved until its smaller side has at most so many pixels.
_SMALLEST = 8
# The encoder can be narrower than the decoder: what it saves buys more of training.
_ENCODER_WIDTH, _DECODER_WIDTH, _DOUBLINGS = 16, 32, 2
# A multiple of the stride, so that every pixel is the sum of equally many terms (Odena et al. 2016,
# https://doi.org/10.23915/distill.00003).
_LAST_KERNEL = 4


def resnet_encoder(
    image_shape,
    latent_dim,
    filters=None,
    blocks=1,
    units=256,
    activation="relu",
    context_dim=0,
    seed=None,
):
    """Build an encoder of residual blocks, a strided convolution before those of each size.

    A block adds conv(act(conv(act(x)))) to x, its last kernel zero at first, so that training
    starts from the identity (He et al. 2016, https://arxiv.org/abs/1603.05027; Zhang et al. 2019,
    https://arxiv.org/abs/1901.09321). There is no normalisation, so that images of a batch do not
    depend on each other.

    Args:
        image_shape: tuple `(H, W, C)`, each side at least 2 ** len(filters).
        latent_dim: int >= 1, D.
        filters: tuple of ints >= 1, the channels at each size from half the image's on. By
            default 16, doubled up to 64, for as many sizes as bring the smaller side to 8.
        blocks: int >= 0, residual blocks at the smallest size, where they cost least; or a tuple
            of one number for each size.
        units: int >= 1, the width of the dense layer before z.
        activation: str or callable, of the hidden layers.
        context_dim: int >= 0, the size of a third output for a posterior with a flow; 0: none.
        seed: int or None, the seed of the initial weights.

    Returns:
        A `keras.Model`: `(B, H, W, C)` to a pair of `(B, D)`.

    Raises:
        ValueError: if an argument is out of its range, or the image too small for the strides.

    Example:

    >>> resnet_encoder((64, 64, 3), latent_dim=32).output_shape
    [(None, 32), (None, 32)]
    """
    image_shape, latent_dim = parts.check_shapes(image_shape, latent_dim)
    filters = _filters_of(image_shape, filters, _ENCODER_WIDTH)
    parts.halvings(image_shape, filters)
    initializers = parts.Initializers(seed)
    x = inputs = keras.Input(image_shape, name="image")
    counts = _blocks_of(blocks, filters, smallest=-1)
    for channels, count in zip(filters, counts, strict=True):
        x = layers.Conv2D(
            channels, 3, strides=2, padding="same", kernel_initializer=initializers.next()
        )(x)
        x = layers.Activation(activation)(_residual(x, count, activation, initializers))
    x = layers.Flatten()(x)
    width = checks.integer("units", units, 1)
    x = layers.Dense(width, activation, kernel_initializer=initializers.next())(x)
    outputs = parts.posterior_head(x, latent_dim, context_dim, initializers)
    return keras.Model(inputs, outputs, name="encoder")


def resnet_decoder(
    image_shape,
    latent_dim,
    filters=None,
    blocks=1,
    activation="relu",
    params_per_channel=1,
    output_bias=None,
    seed=None,
):
    """Build a decoder of residual blocks, a strided transposed convolution after each size.

    The last one gives the output: at the size of the image there is no hidden layer, which would
    take most of the time.

    Args:
        image_shape: tuple `(H, W, C)`, each side at least 2 ** len(filters); odd sides too.
        latent_dim: int >= 1, D.
        filters: tuple of ints >= 1, the channels at each size, from z on; by default twice those
            of `resnet_encoder`, in the opposite order.
        blocks: int >= 0, residual blocks at the smallest size, where they cost least; or a tuple
            of one number for each size.
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
    filters = _filters_of(image_shape, filters, _DECODER_WIDTH, order=-1)
    *sizes, smallest = parts.halvings(image_shape, filters)
    initializers = parts.Initializers(seed)
    x = inputs = keras.Input((latent_dim,), name="z")
    units = math.prod(smallest) * filters[0]
    x = layers.Dense(units, kernel_initializer=initializers.next())(x)
    x = layers.Reshape((*smallest, filters[0]))(x)
    shape = parts.params_shape(image_shape, params_per_channel)
    last = {"kernel_size": _LAST_KERNEL, "bias": parts.shared_bias(output_bias, shape)}
    options = [{}] * (len(filters) - 1) + [last]
    widths = (*filters[1:], shape[-1])
    counts = _blocks_of(blocks, filters, smallest=0)
    for width, count, size, option in zip(widths, counts, reversed(sizes), options, strict=True):
        x = layers.Activation(activation)(_residual(x, count, activation, initializers))
        x = parts.doubled(x, width, size, initializers, **option)
    return keras.Model(inputs, x, name="decoder")


def _filters_of(image_shape, filters, first, order=1):
    """Return the channels of each size: those given, or the default, `first` at half the image."""
    if filters is not None:
        return parts.check_widths("filters", filters)
    side = min(image_shape[:2])
    sizes = max(1, math.ceil(math.log2(max(side, 2) / _SMALLEST)))
    return tuple(first * 2 ** min(index, _DOUBLINGS) for index in range(sizes))[::order]


def _blocks_of(blocks, filters, smallest):
    """Return the number of residual blocks at each size, of which one is the smallest."""
    counts = blocks
    if not isinstance(blocks, (list, tuple)):
        counts = [0] * len(filters)
        counts[smallest] = blocks
    if len(counts) != len(filters):
        raise ValueError(
            checks.message(
                f"`blocks` must be an integer, or one for each of the {len(filters)} sizes",
                f"blocks={blocks!r}",
            )
        )
    return tuple(checks.integer("blocks", count, 0) for count in counts)


def _residual(x, blocks, activation, initializers):
    """Return x after residual blocks, which keep its shape."""
    channels = x.shape[-1]
    for _ in range(blocks):
        hidden = layers.Activation(activation)(x)
        hidden = layers.Conv2D(channels, 3, padding="same", kernel_initializer=initializers.next())(
            hidden
        )
        hidden = layers.Activation(activation)(hidden)
        hidden = layers.Conv2D(channels, 3, padding="same", kernel_initializer="zeros")(hidden)
        x = layers.Add()([x, hidden])
    return x
