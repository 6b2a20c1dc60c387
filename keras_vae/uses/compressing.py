"""Compress the images of a source, and write those of a file."""

import math
import os
import time

from keras_vae import compression
from keras_vae.checks import message
from keras_vae.compression.archive import check, read_checked
from keras_vae.files import check_place, final_path
from keras_vae.uses.inputs import check_other, open_examples
from keras_vae.uses.pictures import Named, check_pictures, write_pictures


def compress(run, source, out, bits_per_pixel=None, binarize=False, progress=False, **options):
    """Compress the images of a source by a run's model; see `compression.compress`.

    Args:
        run: `runs.Run`.
        source, options: as of `open_examples`.
        out: str or path that ends in .kvz.
        bits_per_pixel: None for no loss, or float > 0.
        binarize: bool, whether pixels above a half are 1 and the others 0.
        progress: bool, whether to show a bar.

    Returns:
        `compression.Compressed`.
    """
    if run.vae.likelihood.columns is not None:
        raise ValueError(message("A run of images can compress", f"{run.name}, one of a table"))
    likelihood = run.vae.likelihood
    if bits_per_pixel is None and likelihood.levels and likelihood.level_values()[-1] != 1:
        received = f"{type(likelihood).__name__} of classes"
        raise ValueError(message("A run of pixels can compress", received))
    check_other(source, out)
    check_place(final_path(out))
    examples = open_examples(run, source, binarize=binarize, progress=progress, **options)
    return compression.compress(
        run.vae, Named(run, examples, source), out, bits_per_pixel, progress
    )


def decompress(run, path, out, progress=False):
    """Write the images of a file of `compress`.

    Args:
        run: `runs.Run` of the model that it was written with.
        path: str or path of the file.
        out: str or path that ends in .npy, or without a suffix a folder of PNG files.
        progress: bool, whether to show a bar.

    Returns:
        `compression.Compressed`, with the path that was written.
    """
    start = time.perf_counter()
    check_other(path, out)
    size, (count, blocks) = os.path.getsize(path), check(run.vae, path)
    out = check_pictures(out, run.vae.event_shape)
    images = read_checked(run.vae, path, blocks, progress)
    write_pictures(images, count, out, run.vae.event_shape)
    numbers = count * math.prod(run.vae.event_shape)
    return compression.Compressed(out, count, size, 8 * size / numbers, time.perf_counter() - start)
