"""What compression comes to, beside the usual compressors: bytes, speed, and what a loss costs."""

import bz2
import gzip
import io
import lzma
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

import keras_vae as kv

_MEGABYTE = 1e6
# Rates of lossy compression, in bits for each pixel.
RATES = (0.025, 0.05, 0.1, 0.15, 0.2)
_QUALITIES = (1, 5, 10, 20, 40, 70, 90)
_DECODE = """
import sys, keras, numpy as np, time, keras_vae as kv
vae = keras.models.load_model(sys.argv[1])
start = time.perf_counter()
images = kv.compression.decompress(vae, sys.argv[2])
print(time.perf_counter() - start)
np.save(sys.argv[3], kv.plotting.pixels.to_uint8(images))
"""


def without_loss(path, vae, x):
    """Return bits for each pixel, and speeds, of a model's code and of others, for 8-bit x.

    The images are taken out by a new process, and compared.
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        written = kv.compression.compress(vae, x.astype("float32") / 255, folder / "x.kvz")
        words = [path, folder / "x.kvz", folder / "y.npy"]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        printed = subprocess.run(
            [sys.executable, "-c", _DECODE, *map(str, words)],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
        ).stdout
        equal = bool(np.array_equal(np.load(folder / "y.npy"), x))
    size = x.size / _MEGABYTE
    elbo = np.concatenate(
        [vae.elbo(part.astype("float32") / 255, num_samples=1, seed=0) for part in _parts(x)]
    )
    found = {
        "images": len(x),
        "bytes": written.size,
        "equal": equal,
        "model_bytes": os.path.getsize(path),
        "bits_per_pixel": written.bits_per_pixel,
        "elbo_bits_per_pixel": float(-elbo.sum() / np.log(2.0) / x.size),
        "encode_mb_s": size / written.seconds,
        "decode_mb_s": size / float(printed),
        "others": {},
    }
    for name, (pack, is_each) in _others(x).items():
        start = time.perf_counter()
        count = sum(len(pack(image)) for image in x) if is_each else len(pack(x))
        seconds = time.perf_counter() - start
        found["others"][name] = {"bits_per_pixel": 8 * count / x.size, "mb_s": size / seconds}
    return found


def with_loss(vae, x):
    """Return pairs of rate and error, in bits for each pixel and dB, of a model and of JPEG."""
    real = x.astype("float32") / 255
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for rate in RATES:
            path = pathlib.Path(folder) / "x.kvz"
            written = kv.compression.compress(vae, real, path, bits_per_pixel=rate)
            back = kv.compression.decompress(vae, path)
            rows.append(["keras_vae", written.bits_per_pixel, psnr(real, back)])
    for quality in _QUALITIES:
        packed = [_picture(image, "JPEG", quality=quality, optimize=True) for image in x]
        back = np.stack([np.asarray(Image.open(io.BytesIO(one))) for one in packed])
        bits = 8 * sum(map(len, packed)) / x.size
        # What one picture of a single grey takes is the same in all of them.
        empty = len(_picture(np.zeros_like(x[0]), "JPEG", quality=quality, optimize=True))
        error = psnr(real, back[..., None].astype("float32") / 255)
        rows.append(["JPEG", bits, error])
        rows.append(["JPEG without its header", bits - 8 * empty * len(x) / x.size, error])
    return rows


def psnr(x, y):
    """Return the peak signal-to-noise ratio of images in [0, 1], in dB, of their mean error."""
    return float(-10 * np.log10(np.mean(np.square(np.asarray(x, "float64") - y))))


def _others(x):
    """Return other compressors, and whether they take each image for itself."""
    is_binary = set(np.unique(x)) <= {0, 255}

    def packed(images):
        return np.packbits(images > 0).tobytes() if is_binary else images.tobytes()

    def picture(kind, **options):
        def pack(image):
            pixels = image[..., 0] > 0 if is_binary and kind == "PNG" else image
            return _picture(pixels, kind, **options)

        return pack

    return {
        "PNG": (picture("PNG", optimize=True), True),
        "WebP lossless": (picture("WEBP", lossless=True, method=6), True),
        "gzip": (lambda images: gzip.compress(packed(images), 9), False),
        "bz2": (lambda images: bz2.compress(packed(images), 9), False),
        "xz": (lambda images: lzma.compress(packed(images), preset=9), False),
    }


def _picture(pixels, kind, **options):
    buffer = io.BytesIO()
    pixels = np.squeeze(pixels)
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _parts(x, size=1000):
    return [x[start : start + size] for start in range(0, len(x), size)]
