"""Single image files, read as the images of a set are."""

import os

import numpy as np

from keras_vae import checks
from keras_vae.data import image_files, pixels
from keras_vae.data.folder_listing import images_below

_COLOR_MODES = {1: "grayscale", 3: "rgb"}


def image_paths(paths):
    """Return the paths of image files: those given, and those below the folders given, in order.

    Args:
        paths: list of paths of files and folders.

    Raises:
        ValueError: if a folder holds no image.
    """
    found = []
    for path in map(str, paths):
        if not os.path.isdir(path):
            found.append(path)
            continue
        below = images_below(path)
        if not below:
            extensions = ", ".join(image_files.EXTENSIONS)
            raise ValueError(
                checks.message(f"The folder {path} must hold images ({extensions})", "no image")
            )
        found += below
    return found


def read_images(files, image_shape):
    """Read image files, converted and resized to one shape.

    Args:
        files: paths of PNG, JPEG, BMP or GIF files.
        image_shape: (H, W, C); C of 1 or 3 converts colours, others must fit as they are.

    Output shape:
        `(N, H, W, C)`, NumPy float32 in [0, 1].

    Raises:
        ValueError: if a file cannot be read, or has other channels; names the file.
    """
    *size, channels = image_shape
    images = []
    for path in files:
        image = pixels.convert_color(image_files.read(str(path)), _COLOR_MODES.get(channels))
        if image.shape[-1] != channels:
            raise ValueError(
                checks.message(
                    f"{path} must have {channels} channels", f"{image.shape[-1]} channels"
                )
            )
        if image.shape[:2] != tuple(size):
            image = pixels.resize_array(image[None], size)[0]
        images.append(pixels.decode(image, 255))
    return np.stack(images)
