"""Noise in front of an encoder, by which a VAE learns to take it away."""

import keras
import numpy as np
from keras import ops

from keras_vae import random
from keras_vae.checks import choice, message, number
from keras_vae.registry import register
from keras_vae.shapes import event_shape_of

KINDS = ("gaussian", "uniform", "speckle", "salt_and_pepper", "masking")
# Their strength is a share of the pixels.
_SHARES = ("salt_and_pepper", "masking")


@register
class Noise(keras.layers.Layer):
    """Corrupt what comes in, in training alone.

    In front of an encoder it makes a denoising VAE: the likelihood sees x as it is (Im et al.
    2017, eq. 5, https://arxiv.org/abs/1511.06406).

    Args:
        kind: "gaussian" or "uniform", added with that standard deviation or up to that value;
            "speckle", x times 1 + gaussian; "salt_and_pepper", a share of the pixels is 0 or 1;
            "masking", a share of the pixels is 0. All channels of a pixel share its fate.
        strength: float >= 0; a share is at most 1.
        seed: int or None.

    Input shape:
        `(B, *event)`.

    Output shape:
        The input's.

    Raises:
        ValueError: if the kind is unknown, or the strength out of its range.

    Example:

    >>> x = np.zeros((1, 2, 2, 1), "float32")
    >>> noise = Noise("salt_and_pepper", strength=1.0, seed=0)
    >>> bool(np.asarray(noise(x) == x).all())
    True
    >>> sorted(set(np.asarray(noise(np.zeros((9, 9, 9, 1)), training=True)).reshape(-1).tolist()))
    [0.0, 1.0]
    """

    def __init__(self, kind="gaussian", strength=0.5, seed=None, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.kind, self.strength = _checked(kind, strength)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=None):
        if not training or not self.strength:
            return inputs
        shape = ops.shape(inputs)
        pixels = (*shape[:-1], 1) if len(shape) == 4 else shape
        normals = uniforms = None
        if self.kind in ("gaussian", "speckle"):
            normals = keras.random.normal(shape, seed=self.seed_generator)
        else:
            size = shape if self.kind == "uniform" else (2, *pixels)
            uniforms = keras.random.uniform(size, seed=self.seed_generator)
        return _corrupted(inputs, self.kind, self.strength, normals, uniforms)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        own = {"kind": self.kind, "strength": self.strength, "seed": self.seed}
        return {**super().get_config(), **own}


def corrupt(x, kind="gaussian", strength=0.5, seed=None):
    """Return examples with noise, the same for the same seed whatever lies beside them.

    Args:
        x: array `(N, *event)`.
        kind, strength: see `Noise`.
        seed: None, int, or N row seeds (int32).

    Output shape:
        `(N, *event)`, a NumPy array of float32; not clipped.

    Raises:
        ValueError: see `Noise`.
    """
    kind, strength = _checked(kind, strength)
    x = np.asarray(x, "float32")
    seeds = random.as_row_seeds(seed, len(x))
    count = int(np.prod(x.shape[1:]))
    if kind in ("gaussian", "speckle"):
        normals = ops.convert_to_numpy(random.normals(seeds, count, stream=random.PIXELS))
        return np.asarray(_corrupted(x, kind, strength, normals.reshape(x.shape), None))
    pixels = (*x.shape[:-1], 1) if x.ndim == 4 else x.shape
    if kind == "uniform":
        uniforms = ops.convert_to_numpy(random.uniforms(seeds, count)).reshape(x.shape)
    else:
        places = int(np.prod(pixels[1:]))
        uniforms = ops.convert_to_numpy(random.uniforms(seeds, 2 * places))
        uniforms = np.stack([part.reshape(pixels) for part in np.split(uniforms, 2, axis=1)])
    return np.asarray(_corrupted(x, kind, strength, None, uniforms))


def noisy_encoder(encoder, kind="gaussian", strength=0.5, seed=None):
    """Return an encoder that sees x with `Noise` in training.

    Args:
        encoder: `keras.Model` that tells its input shape.
        kind, strength, seed: see `Noise`.

    Returns:
        A `keras.Model` of the same inputs and outputs.

    Raises:
        ValueError: see `Noise`; or the encoder does not tell its input shape.
    """
    # A conditional encoder takes its condition besides.
    others = (getattr(encoder, "inputs", None) or [])[1:]
    shape = tuple(encoder.inputs[0].shape[1:]) if others else event_shape_of(encoder)
    if shape is None:
        raise ValueError(
            message("`encoder` must tell its input shape", "one without", "Build it first.")
        )
    x = keras.Input(shape, name="image")
    beside = [keras.Input(given.shape[1:], name=given.name) for given in others]
    noisy = Noise(kind, strength, seed)(x)
    outputs = encoder([noisy, *beside] if beside else noisy)
    return keras.Model([x, *beside] if beside else x, outputs, name="noisy_encoder")


def _checked(kind, strength):
    choice("kind", kind, KINDS)
    return kind, number("strength", strength, minimum=0, maximum=1 if kind in _SHARES else None)


def _corrupted(x, kind, strength, normals, uniforms):
    if kind == "gaussian":
        return x + strength * normals
    if kind == "speckle":
        return x * (1.0 + strength * normals)
    if kind == "uniform":
        return x + strength * (2.0 * uniforms - 1.0)
    spared = ops.cast(uniforms[0] >= strength, "float32")
    if kind == "masking":
        return x * spared
    return x * spared + ops.cast(uniforms[1] < 0.5, "float32") * (1.0 - spared)
