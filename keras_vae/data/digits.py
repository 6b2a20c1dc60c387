"""scikit-learn's handwritten digits: 1,797 images of 8x8 pixels, no network needed."""

import numpy as np

from keras_vae.data import pixels
from keras_vae.data.stores import ArrayStore

NAME = "digits"


def open_digits(image_size=None, color_mode=None):
    """Return the digits as a store.

    Args:
        image_size: (H, W) or None for 8x8.
        color_mode: "grayscale", "rgb" or None.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = bunch.images.astype(np.uint8)
    code = pixels.scan(images, NAME, value_range=(0, 16))
    return ArrayStore(images, code, bunch.target.astype(np.int32), image_size, color_mode, NAME)
