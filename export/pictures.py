"""Write images as a PNG grid or as an array, with NumPy and Pillow."""

import io
import math
import pathlib

import numpy as np

from export.errors import message
from export.trees import replacing

_GAP = 2
_CELL_PIXELS = 56
_WHITE = 255


def save(images, path):
    """Write images as the suffix of the path says: `.png` for a grid, `.npy` for the array.

    Args:
        images: float array `(B, H, W, C)` in [0, 1]; any shape for `.npy`.
        path: str or `pathlib.Path`.

    Raises:
        ValueError: if the suffix is another, or the images make no picture.
    """
    path = pathlib.Path(path)
    writers = {".png": save_grid, ".npy": save_array}
    if path.suffix.lower() not in writers:
        raise ValueError(message("The file's suffix must be .png or .npy", str(path)))
    writers[path.suffix.lower()](images, path)


def save_grid(images, path, columns=None):
    """Write images side by side as one PNG file, whole or not at all; small ones are enlarged.

    Args:
        images: array `(B, H, W, C)` with C of 1 or 3, or `(B, H, W)`: floats, of which those
            outside [0, 1] are clipped, or uint8.
        path: str or `pathlib.Path`.
        columns: None for a square grid, or int >= 1.

    Raises:
        ValueError: if the array is of another shape, is empty or has NaN in it.
    """
    from PIL import Image

    pixels = _as_pixels(images)
    count, height, width, channels = pixels.shape
    columns = math.ceil(math.sqrt(count)) if columns is None else columns
    rows = math.ceil(count / columns)
    zoom = max(1, _CELL_PIXELS // max(height, width))
    pixels = pixels.repeat(zoom, axis=1).repeat(zoom, axis=2)
    height, width = height * zoom, width * zoom
    size = (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, channels)
    grid = np.full(size, _WHITE, np.uint8)
    for index, image in enumerate(pixels):
        top = _GAP + index // columns * (height + _GAP)
        left = _GAP + index % columns * (width + _GAP)
        grid[top : top + height, left : left + width] = image
    with replacing(path) as file:
        Image.fromarray(grid[..., 0] if channels == 1 else grid).save(file, format="PNG")


def save_array(array, path):
    """Write a `.npy` file, whole or not at all."""
    # Through memory, since NumPy's own writing to a file does not say why the disk refuses.
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array), allow_pickle=False)
    with replacing(path) as file:
        file.write(buffer.getbuffer())


def is_shown(images):
    """Return whether an array has the shape of images that a picture can have, `(B, H, W, C)`."""
    return images.ndim == 4 and images.shape[-1] in (1, 3) and images.size > 0


def _as_pixels(images):
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    if not is_shown(images):
        raise ValueError(
            message(
                "A picture needs images of shape (B, H, W, 1) or (B, H, W, 3)",
                f"shape {images.shape}",
                "Write a .npy file instead.",
            )
        )
    if not np.all(np.isfinite(images)):
        raise ValueError(message("Images must be finite numbers", "NaN or infinity"))
    if images.dtype == np.uint8:
        return images
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
