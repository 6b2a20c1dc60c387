"""One image file to one array, with Pillow."""

import os

import numpy as np
from PIL import Image, ImageOps

from keras_vae import checks

EXTENSIONS = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
# How a Pillow mode becomes one whose pixels are bytes; other modes become RGB.
_MODES = {"1": "L", "PA": "RGBA", "RGBX": "RGB", "RGBa": "RGBA", "La": "LA"}
_BYTE_MODES = ("L", "LA", "RGB", "RGBA")


def is_image_name(name):
    """Return whether a file name is visible and has the extension of an image."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS


def read(path):
    """Return an image as uint8 (H, W, C), C of 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA).

    Of an animation it is the first frame. Palettes are resolved, 16-bit grey is scaled to 8 bits,
    and the orientation noted in a photograph is applied.

    Args:
        path: str.

    Raises:
        ValueError: if the file cannot be read as an image; names the file.
    """
    try:
        with Image.open(path) as image:
            image.load()
            image = ImageOps.exif_transpose(image)
            array = _to_bytes(image)
    except Exception as error:  # A damaged file may fail anywhere in a decoder, with any type.
        raise ValueError(
            checks.message(
                f"{path} must be a readable image",
                f"{type(error).__name__}: {error}".rstrip("."),
                "Replace or remove the file, or let training leave such files out: skip_bad=True "
                "(keras-vae train --skip-bad).",
            )
        ) from error
    return array if array.ndim == 3 else array[..., None]


def _to_bytes(image):
    if image.mode.startswith("I") or image.mode == "F":
        grey = np.asarray(image).astype(np.float64)
        return np.clip(np.rint(grey / 257), 0, 255).astype(np.uint8)
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif image.mode not in _BYTE_MODES:
        image = image.convert(_MODES.get(image.mode, "RGB"))
    return np.array(image)
