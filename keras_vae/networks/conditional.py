"""Networks of a condition beside x or z, made from any factory of networks without one."""

import keras

from keras_vae.checks import integer
from keras_vae.layers import Beside
from keras_vae.networks import parts
from keras_vae.networks.mlp import mlp_encoder


def conditional_encoder(make, shape, latent_dim, condition_dim, **options):
    """Build an encoder of x and a condition.

    The condition, and whether it is given, stand beside x: as further channels, or for dense
    layers as further numbers.

    Args:
        make: encoder factory, such as `conv_encoder`.
        shape: tuple, of one example.
        latent_dim: int >= 1, D.
        condition_dim: int >= 1, C: the number of classes, or the length of a vector.
        **options: of the factory.

    Returns:
        A `keras.Model`: a pair of `(B, *shape)` and `(B, C + 1)` to a pair of `(B, D)`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> from keras_vae.networks import mlp_encoder
    >>> conditional_encoder(mlp_encoder, (8, 8, 1), 2, condition_dim=10).output_shape
    [(None, 2), (None, 2)]
    """
    shape, latent_dim = parts.check_shapes(shape, latent_dim)
    width = integer("condition_dim", condition_dim, 1) + 1
    x, condition = keras.Input(shape, name="x"), keras.Input((width,), name="condition")
    # Dense layers would have a weight for the same number at each pixel.
    features = keras.layers.Flatten()(x) if make is mlp_encoder else x
    both = Beside()([features, condition])
    inner = make(tuple(both.shape[1:]), latent_dim, **options)
    return keras.Model([x, condition], inner(both), name="encoder")


def conditional_decoder(make, shape, latent_dim, condition_dim, **options):
    """Build a decoder of z and a condition.

    Arguments and errors are those of `conditional_encoder`, for a decoder factory.

    Returns:
        A `keras.Model`: a pair of `(B, D)` and `(B, C + 1)` to the parameters of p(x|z).
    """
    shape, latent_dim = parts.check_shapes(shape, latent_dim)
    width = integer("condition_dim", condition_dim, 1) + 1
    inner = make(shape, latent_dim + width, **options)
    z, condition = keras.Input((latent_dim,), name="z"), keras.Input((width,), name="condition")
    return keras.Model([z, condition], inner(Beside()([z, condition])), name="decoder")
