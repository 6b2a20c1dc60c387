"""What a VAE tells of a batch of examples, each of it computed once and only if it is asked for."""

import functools
import io
import math

import numpy as np
from keras import ops
from PIL import Image

from keras_vae import bounds, random
from keras_vae.checks import message
from keras_vae.layers import TableFeatures
from keras_vae.plotting.pixels import to_uint8

# All examples are judged by the same draws, those of the exported `score`, so that what lies beside
# an example changes nothing.
_SEED = 0


class View:
    """A batch as a VAE sees it.

    Args:
        vae: `VAE`.
        x: array `(B, *event)`.
    """

    def __init__(self, vae, x):
        self.vae = vae
        self.x = bounds.check_batch(vae, x)
        self._bounds = {}

    def bounds(self, num_samples):
        """The `Bounds` from so many draws of z."""
        if num_samples not in self._bounds:
            seeds = np.repeat(random.row_seeds(_SEED, 1), len(self.x))
            self._bounds[num_samples] = bounds.estimate(self.vae, self.x, num_samples, seeds)
        return self._bounds[num_samples]

    @functools.cached_property
    def z(self):
        """The centres of q(z|x), `(B, D)`."""
        return ops.convert_to_numpy(self.vae.embed(self.x))

    @functools.cached_property
    def features(self):
        """The rows as numbers of one scale, `(B, F)`: as `layers.TableFeatures` gives them, or
        as they are where the likelihood tells no columns.
        """
        columns = self.vae.likelihood.columns
        if columns is None:
            return self.x.reshape(len(self.x), -1)
        return ops.convert_to_numpy(TableFeatures(columns)(self.x))

    @functools.cached_property
    def code_length(self):
        """The nats that a PNG file of each image takes, `(B,)`: of the bits that a model of binary
        pixels sees, else of 8-bit pixels.
        """
        if len(self.vae.event_shape) != 3:
            raise ValueError(
                message(
                    "The code length is one of images (H, W, C)",
                    f"examples of shape {self.vae.event_shape}",
                    'Choose another score, such as "combined", which leaves it out then.',
                )
            )
        images = self.x > 0.5 if self.vae.likelihood.is_binary else to_uint8(self.x)
        sizes = [sum(_png_bytes(plane) for plane in _planes(image)) for image in images]
        return np.array(sizes) * 8 * math.log(2.0)


def _planes(image):
    """Return what can be a PNG file each: the image, or its channels where they are no colours."""
    channels = image.shape[-1]
    if channels == 1:
        return [image[..., 0]]
    if channels in (3, 4) and image.dtype == np.uint8:
        return [image]
    return [image[..., channel] for channel in range(channels)]


def _png_bytes(plane):
    buffer = io.BytesIO()
    Image.fromarray(plane).save(buffer, "PNG", optimize=True)
    return buffer.tell()
