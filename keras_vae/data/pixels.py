"""Pixel values: the declared range of a set, its check, its storage, resizing and colour."""

import math
import mmap
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_vae import checks

COLOR_CHANNELS = {"grayscale": 1, "rgb": 3}
CHUNK_BYTES = 1 << 25
# Weights of ITU-R 601 luma in 1/65536, which Pillow uses too.
_LUMA = (19595, 38470, 7471)


class PixelCode(NamedTuple):
    """How raw pixels are stored.

    Attributes:
        low, high: the declared range of the raw pixels.
        levels: int, where pixels are stored as uint8 and `stored / levels` is in [0, 1]; None
            where they are stored as float32 in [0, 1].
        is_binary: bool, True if each raw pixel equals `low` or `high`.
    """

    low: float
    high: float
    levels: int | None
    is_binary: bool

    def encode(self, raw):
        """Return `raw` pixels as they are stored: uint8 or float32."""
        if self.levels is None:
            if (self.low, self.high) == (0, 1):
                return raw.astype(np.float32)
            return ((raw.astype(np.float64) - self.low) / (self.high - self.low)).astype(np.float32)
        if self.low == 0:
            return raw.astype(np.uint8, copy=False)
        return (raw.astype(np.int64) - self.low).astype(np.uint8)


def decode(stored, levels):
    """Return stored pixels as NumPy float32 in [0, 1]."""
    pixels = np.asarray(stored, np.float32)
    return pixels if levels is None else pixels / np.float32(levels)


def scan(array, name, value_range=None):
    """Check all values of an array, a part at a time, and return its `PixelCode`.

    Args:
        array: NumPy array of numbers, possibly memory-mapped, first axis images.
        name: str, what errors call the array.
        value_range: (low, high) of the raw pixels, or None for the range that the type implies.

    Raises:
        ValueError: for a type that holds no numbers, NaN, infinity, or values outside the range.
    """
    kind = array.dtype.kind
    if kind not in "buif":
        raise ValueError(
            checks.message(
                f"{name} must hold numbers", f"dtype {array.dtype}", "Convert it to uint8."
            )
        )
    low, high = _declared_range(array.dtype, value_range)
    everything_is_legal = array.dtype == np.uint8 and (low, high) == (0, 255)
    is_binary = True
    smallest, largest, bad, first_bad = math.inf, -math.inf, 0, None
    for start, chunk in _chunks(array):
        is_binary = is_binary and bool(((chunk == low) | (chunk == high)).all())
        if everything_is_legal:
            if not is_binary:
                break
            continue
        if kind == "f" and not (finite := np.isfinite(chunk)).all():
            if first_bad is None:
                where = np.argwhere(~finite)[0]
                first_bad = (start + int(where[0]), *(int(i) for i in where[1:]))
            bad += int(chunk.size - finite.sum())
            chunk = chunk[finite]
        if chunk.size:
            smallest, largest = min(smallest, chunk.min()), max(largest, chunk.max())
    if bad:
        _refuse_not_finite(name, bad, first_bad)
    if smallest < low or largest > high:
        _refuse_range(name, array.dtype, (low, high), value_range, (smallest, largest))
    levels = high - low
    is_8_bit = kind in "bui" and float(low).is_integer() and float(levels).is_integer()
    levels = int(levels) if is_8_bit and levels <= 255 else None
    return PixelCode(low, high, levels, is_binary)


def _declared_range(dtype, value_range):
    if value_range is None:
        return (0, 1) if dtype.kind in "bf" else (0, 255)
    low, high = check_value_range(value_range)
    if dtype.kind in "bui" and low.is_integer() and high.is_integer():
        return int(low), int(high)
    return low, high


def check_value_range(value_range):
    """Return `value_range` as two floats, or raise `ValueError`."""
    try:
        low, high = (float(bound) for bound in value_range)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            checks.message(
                "`value_range` must be two numbers (low, high) with low < high",
                f"value_range={value_range!r}",
                "For 8-bit pixels use value_range=(0, 255).",
            )
        )
    return low, high


def _chunks(array):
    rows = rows_per_chunk(array.shape[1:], array.dtype.itemsize)
    for start in range(0, len(array), rows):
        yield start, np.asarray(array[start : start + rows])
        release(array)


def release(array):
    """Let go of the pages of a file that a memory-mapped array has read.

    Without that the whole file would come to count as memory of this process. The system keeps
    them at hand as long as there is room.
    """
    while isinstance(array, np.ndarray):
        array = array.base
    if isinstance(array, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        array.madvise(mmap.MADV_DONTNEED)


def rows_per_chunk(shape, itemsize):
    """Return how many rows of a shape are worked on at once, to bound memory."""
    return max(1, CHUNK_BYTES // max(1, math.prod(shape) * itemsize))


def _refuse_not_finite(name, count, first):
    raise ValueError(
        checks.message(
            f"{name} must hold finite numbers",
            f"{count} values that are NaN or infinite, the first at index {first}",
            "Repair or remove these images, for example with numpy.isfinite.",
        )
    )


def _refuse_range(name, dtype, declared, value_range, found):
    smallest, largest = (value.item() for value in found)
    if smallest >= 0 and largest <= 255:
        fitting = (0, 255)
    elif smallest >= -1 and largest <= 1:
        fitting = (-1, 1)
    else:
        fitting = (smallest, largest)
    if value_range is None and dtype.kind in "ui":
        expected = f"`value_range` is required for {dtype} pixels outside [0, 255] in {name}"
    else:
        expected = (
            f"{name} must hold values in the declared range [{declared[0]:g}, {declared[1]:g}]"
        )
    raise ValueError(
        checks.message(
            expected,
            f"{dtype} values from {smallest:g} to {largest:g}",
            f"Declare the range of the raw pixels with value_range={fitting}, "
            "or scale or clip the images first.",
        )
    )


def compact(images):
    """Return float32 `images` in [0, 1] and their levels, as uint8 and 255 where that is exact.

    Args:
        images: float32 array in [0, 1].

    Returns:
        images, levels: uint8 and 255 if each value is k/255 in float32, else as given and None.
    """
    small = np.empty(images.shape, np.uint8)
    for start, chunk in _chunks(images):
        levels = np.rint(chunk * np.float32(255))
        if not np.array_equal(levels / np.float32(255), chunk):
            return images, None
        small[start : start + len(chunk)] = levels
    return small, 255


def resize(images, size, levels=255):
    """Return stored images of another size as a uint8 tensor with 255 levels.

    Interpolation is bilinear and smooths before it shrinks; the result is rounded to 8 bits,
    whatever the images' own precision.

    Args:
        images: (N, H, W, C) array or tensor of stored pixels.
        size: (H, W).
        levels: int or None, see `PixelCode`.
    """
    pixels = tf.cast(images, tf.float32)
    if levels != 255:
        pixels *= 255.0 / (levels or 1)
    pixels = tf.image.resize(pixels, size, method="bilinear", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0.0, 255.0), tf.uint8)


def resize_array(images, size, levels=255):
    """Return `resize` of a NumPy array as a NumPy array, computed on the CPU."""
    with tf.device("CPU:0"):
        return resize(images, size, levels).numpy()


def convert_color(images, color_mode):
    """Return images with the channels of `color_mode`; an alpha channel is dropped.

    Args:
        images: (..., C) NumPy array, C of 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA).
        color_mode: "grayscale", "rgb" or None, which changes nothing.
    """
    if color_mode is None:
        return images
    has_color = images.shape[-1] >= 3
    if color_mode == "rgb":
        return images[..., :3] if has_color else np.repeat(images[..., :1], 3, axis=-1)
    if not has_color:
        return images[..., :1]
    if images.dtype.kind == "f":
        weights = np.array(_LUMA, np.float32) / np.float32(65536)
        return (images[..., :3] @ weights)[..., None].astype(images.dtype)
    luma = images[..., :3].astype(np.uint32) @ np.array(_LUMA, np.uint32)
    return ((luma + 32768) >> 16).astype(images.dtype)[..., None]
