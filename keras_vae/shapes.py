"""Whether an encoder, a decoder and a likelihood fit together."""

import keras

from keras_vae.checks import message


def as_network(name, value):
    """Return the Keras model that `value` is, or is the config of.

    Args:
        name: str, "encoder" or "decoder", for the error.
        value: `keras.Model`, or a Keras config (dict).

    Raises:
        ValueError: if it is neither.
    """
    if isinstance(value, dict):
        value = keras.saving.deserialize_keras_object(value)
    if not isinstance(value, keras.Layer):
        raise ValueError(
            message(
                f"`{name}` must be a Keras model",
                f"{name}={value!r}",
                f"Build one with keras_vae.networks.conv_{name}, or your own keras.Model.",
            )
        )
    return value


def event_shape_of(encoder):
    """Return the shape of one example that the encoder takes, or None if it is not known yet."""
    shape = _input_shape(encoder)
    if shape is None or None in shape[1:]:
        return None
    return tuple(shape[1:])


def check_event(shape, event_shape):
    """Raise `ValueError` unless a batch of static shape `shape` holds examples of `event_shape`."""
    event = tuple(shape)[1:]
    if len(event) == len(event_shape) and all(
        size in (None, expected) for size, expected in zip(event, event_shape, strict=True)
    ):
        return
    fix = "Build the networks with the data's image_shape."
    if (*event, 1) == tuple(event_shape):
        fix = "Add the channel axis with x[..., None]."
    elif tuple(shape) == tuple(event_shape):
        fix = "Add the batch axis with x[None]."
    raise ValueError(
        message(
            f"`x` must be a batch of examples of shape {tuple(event_shape)}",
            f"shape {tuple(shape)}",
            fix,
        )
    )


def check_sample_weight(shape):
    """Raise `ValueError` unless weights of static shape `shape` are one number an example."""
    if len(shape) > 1 and set(shape[1:]) != {1}:
        raise ValueError(
            message(
                "`sample_weight` must have shape (B,), one number for each example",
                f"shape {tuple(shape)}",
                "The likelihood sums over the elements of an example.",
            )
        )


def check_networks(encoder, decoder, event_shape, likelihood):
    """Return the latent size of an encoder and a decoder that fit together.

    Args:
        encoder, decoder: Keras models; they are built if they are not yet.
        event_shape: tuple of ints, the shape of one example.
        likelihood: `Likelihood`, which tells the shape that the decoder must give.

    Raises:
        ValueError: which shape was expected and which came.
    """
    latent_dim = _latent_dim(encoder, event_shape)
    given = _input_shape(decoder)
    if given is not None and tuple(given[1:]) != (latent_dim,):
        raise ValueError(
            message(
                f"`decoder` must take z of the encoder's latent size, shape (None, {latent_dim})",
                f"a decoder of input shape {_text(given)}",
                "Give both networks the same latent_dim.",
            )
        )
    output = decoder(keras.KerasTensor((None, latent_dim), "float32"))
    expected = (None, *likelihood.params_shape(event_shape))
    if not hasattr(output, "shape") or tuple(output.shape) != expected:
        fix = f"Set params_per_channel={likelihood.params_per_channel} in the decoder's factory"
        if expected[-1] != event_shape[-1] * likelihood.params_per_channel:
            # Columns that differ, as those of a Product.
            fix = f"Build the decoder for likelihood.params_shape({event_shape})"
        raise ValueError(
            message(
                f"`decoder` must give the parameters of {type(likelihood).__name__} for examples "
                f"of shape {event_shape}, which have shape {_text(expected)}",
                f"a decoder of output shape {_describe(output)}",
                f"{fix}, and give both networks the same shape of examples.",
            )
        )
    return latent_dim


def _latent_dim(encoder, event_shape):
    expected_input = (None, *event_shape)
    given = _input_shape(encoder)
    if given is not None and any(
        size is not None and size != event
        for size, event in zip(given[1:], event_shape, strict=False)
    ):
        raise ValueError(
            message(
                f"`x` must have the shape that the encoder takes, {_text(given)}",
                f"shape {_text(expected_input)}",
                "Build the networks with the data's image_shape.",
            )
        )
    outputs = encoder(keras.KerasTensor(expected_input, "float32"))
    shapes = None
    if isinstance(outputs, (list, tuple)) and len(outputs) >= 2:
        shapes = [tuple(output.shape) for output in outputs[:2]]
    if shapes is None or shapes[0] != shapes[1] or len(shapes[0]) != 2 or None in shapes[0][1:]:
        raise ValueError(
            message(
                "`encoder` must give a pair (z_mean, z_log_var) of shape (None, latent_dim) each",
                f"an encoder of output shape {_describe(outputs)}",
                "See keras_vae.networks.mlp_encoder for one that does.",
            )
        )
    return shapes[0][1]


def context_dim_of(encoder, event_shape):
    """Return the size of an encoder's third output `(B, C)`, the context of a flow, or 0."""
    outputs = encoder(keras.KerasTensor((None, *event_shape), "float32"))
    if len(outputs) < 3:
        return 0
    shape = tuple(outputs[2].shape)
    if len(shape) != 2 or shape[1] is None:
        raise ValueError(
            message(
                "The third output of `encoder`, the context of a flow, must have shape "
                "(None, context_dim)",
                f"shape {_text(shape)}",
                "Flatten it.",
            )
        )
    return shape[1]


def _input_shape(network):
    try:
        shape = network.input_shape
    except AttributeError:
        return None
    return shape if isinstance(shape, tuple) and not isinstance(shape[0], tuple) else None


def _describe(outputs):
    if isinstance(outputs, (list, tuple)):
        return " and ".join(_text(output.shape) for output in outputs)
    return _text(getattr(outputs, "shape", outputs))


def _text(shape):
    return str(tuple(shape)) if isinstance(shape, (tuple, list)) else str(shape)
