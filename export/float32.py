"""Rebuild a VAE that computes in half precision, which most runtimes cannot, in float32."""

import contextlib
import textwrap

import keras
import tensorflow as tf

from export import endpoints
from export.errors import message
from export.plan import Plan

_HALF = (tf.float16.as_datatype_enum, tf.bfloat16.as_datatype_enum)


def in_float32(vae):
    """Return the VAE itself if it computes in float32, else a copy that does.

    Args:
        vae: `keras_vae.VAE`, built.

    Returns:
        A `keras_vae.VAE` with equal weights.

    Raises:
        ValueError: if a network cannot be rebuilt from its config, or its code fixes a
            half-precision dtype.
    """
    if not _half_operators(vae):
        return vae
    rebuilt = _rebuild(vae)
    remaining = _half_operators(rebuilt)
    if remaining:
        raise ValueError(
            message(
                "Export needs networks that compute in float32",
                f"half precision in {', '.join(remaining[:3])}",
                "Take the dtype from the layer's policy instead of fixing it.",
            )
        )
    return rebuilt


def _rebuild(vae):
    config = _with_float32(keras.saving.serialize_keras_object(vae))
    config.pop("compile_config", None)
    try:
        with _global_policy("float32"):
            # The config comes from an object of this process, so that its functions are trusted.
            rebuilt = keras.saving.deserialize_keras_object(config, safe_mode=False)
            if not rebuilt.built:
                rebuilt.build((None, *vae.event_shape))
        weights = zip(vae.get_weights(), rebuilt.weights, strict=True)
        rebuilt.set_weights([old.astype(new.dtype) for old, new in weights])
    except (TypeError, ValueError) as error:
        raise ValueError(
            message(
                "Export rebuilds a mixed-precision VAE from its config, in float32",
                f"a network that cannot be rebuilt: {_reason(error)}",
                "Give its class get_config and keras.saving.register_keras_serializable, or "
                "build and load the VAE under the float32 policy.",
            )
        ) from error
    return rebuilt


def _reason(error):
    """Return the first line of the error that started a chain of errors, at a legible length."""
    while error.__context__ is not None:
        error = error.__context__
    return textwrap.shorten(str(error).strip().partition("\n")[0], 200)


def _with_float32(config):
    """Return a Keras config in which every dtype of half precision is float32."""
    if isinstance(config, (list, tuple)):
        values = [_with_float32(value) for value in config]
        return values if isinstance(config, list) else tuple(values)
    if not isinstance(config, dict):
        return config
    if config.get("class_name") in ("DTypePolicy", "DTypePolicyMap"):
        return {**config, "class_name": "DTypePolicy", "config": {"name": "float32"}}
    return {
        key: "float32" if key == "dtype" and _is_half(value) else _with_float32(value)
        for key, value in config.items()
    }


def _is_half(dtype):
    return isinstance(dtype, str) and dtype.endswith("float16")


def _half_operators(vae):
    """Return the names of the operators in the graph that give half-precision numbers."""
    names = []
    for name, function in endpoints.functions(vae, Plan((), ("encode", "decode"))).items():
        specs = endpoints.signature(vae, name, None)
        traced = tf.function(function, specs, autograph=False).get_concrete_function()
        graph = traced.graph.as_graph_def()
        nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
        names += [n.name for n in nodes if any(a.type in _HALF for a in n.attr.values())]
    return names


@contextlib.contextmanager
def _global_policy(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
