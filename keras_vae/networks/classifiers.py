"""Networks that tell classes apart, for a `SemiSupervisedVAE`."""

import keras
from keras import layers

from keras_vae.checks import integer, number
from keras_vae.networks import parts
from keras_vae.networks.mlp import hidden


def mlp_classifier(
    shape, num_classes, units=(500,), activation="relu", dropout=0.0, gated=False, seed=None
):
    """Build a classifier of dense layers.

    Args:
        shape: tuple of ints, of one example.
        num_classes: int >= 2, C.
        units: tuple of ints >= 1, the width of each hidden layer.
        activation: str or callable, of the hidden layers.
        dropout: float in [0, 1), the share of the last hidden units that training leaves out
            (Srivastava et al. 2014, section 4, https://jmlr.org/papers/v15/srivastava14a.html).
        gated: bool, as of `mlp_encoder`.
        seed: int or None, of the initial weights and the dropout.

    Returns:
        A `keras.Model`: `(B, *shape)` to logits `(B, C)`.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    >>> mlp_classifier((28, 28, 1), num_classes=10).count_params()
    397510
    """
    shape, num_classes = parts.check_shapes(shape, integer("num_classes", num_classes, 2))
    initializers = parts.Initializers(seed)
    x = inputs = keras.Input(shape, name="x")
    x = hidden(layers.Flatten()(x), units, activation, gated, initializers)
    return _with_head(inputs, x, num_classes, dropout, initializers, seed)


def conv_classifier(
    image_shape, num_classes, filters=(32, 64), activation="relu", dropout=0.5, seed=None
):
    """Build a classifier of 3x3 convolutions, each followed by a maximum over 2x2 pixels.

    Args:
        image_shape: tuple `(H, W, C)`, each side at least 2 ** len(filters).
        num_classes: int >= 2, C.
        filters: tuple of ints >= 1, the channels of each convolution.
        activation: str or callable, of the hidden layers.
        dropout: float in [0, 1), as of `mlp_classifier`.
        seed: int or None, of the initial weights and the dropout.

    Returns:
        A `keras.Model`: `(B, H, W, C)` to logits `(B, num_classes)`.

    Raises:
        ValueError: if an argument is out of its range, or the image too small.
    """
    image_shape, num_classes = parts.check_shapes(
        image_shape, integer("num_classes", num_classes, 2)
    )
    filters = parts.check_widths("filters", filters)
    parts.halvings(image_shape, filters)
    initializers = parts.Initializers(seed)
    x = inputs = keras.Input(image_shape, name="image")
    for channels in filters:
        x = layers.Conv2D(
            channels,
            3,
            padding="same",
            activation=activation,
            kernel_initializer=initializers.next(),
        )(x)
        x = layers.MaxPooling2D()(x)
    return _with_head(inputs, layers.Flatten()(x), num_classes, dropout, initializers, seed)


def _with_head(inputs, x, num_classes, dropout, initializers, seed):
    """Return the model of inputs and hidden units x, with dropout and logits."""
    if number("dropout", dropout, minimum=0, below=1):
        x = layers.Dropout(dropout, seed=seed)(x)
    logits = layers.Dense(num_classes, kernel_initializer=initializers.next(), name="logits")(x)
    return keras.Model(inputs, logits, name="classifier")
