"""What an argument such as `prior=` takes: a name, an instance or a Keras config."""

import keras

from keras_vae import checks

PACKAGE = "keras_vae"


def register(cls):
    """Register a class for Keras serialisation, so that files load without custom objects.

    Raises:
        ValueError: if another class of that name is registered, which files would be read as.
    """
    other = keras.saving.get_registered_object(f"{PACKAGE}>{cls.__name__}")
    if other is not None and other.__module__ != cls.__module__:
        raise ValueError(
            checks.message(
                "The name of a registered class must be its own",
                f"{cls.__name__} of {cls.__module__}, and there is one of {other.__module__}",
                "Rename it.",
            )
        )
    return keras.saving.register_keras_serializable(PACKAGE)(cls)


def resolve(argument, value, base, names):
    """Return the instance that `value` stands for.

    Args:
        argument: str, the name of the argument, for the error.
        value: str, an instance of `base`, or a Keras config (dict).
        base: class that the instance must have.
        names: dict from name to class.

    Raises:
        ValueError: if the name is unknown or the object is of another kind.
    """
    if isinstance(value, str):
        return names[checks.choice(argument, value, names)]()
    if isinstance(value, dict):
        value = keras.saving.deserialize_keras_object(value)
    if not isinstance(value, base):
        legal = ", ".join(repr(name) for name in names)
        raise ValueError(
            checks.message(
                f"`{argument}` must be one of {legal}, a `{base.__name__}` or its config",
                f"{argument}={value!r}",
            )
        )
    return value


class Part(keras.layers.Layer):
    """Base class of what a VAE is composed of: a float32 layer whatever the global policy.

    A layer, so that Keras tracks, saves and resumes the variables it holds.
    """

    def __init__(self, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
