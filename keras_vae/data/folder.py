"""A folder of image files: the check of them all, and their store."""

import collections
import concurrent.futures
import os
import warnings
from typing import NamedTuple

import numpy as np

from keras_vae import checks
from keras_vae.data import image_files, pixels
from keras_vae.data.folder_listing import list_images
from keras_vae.data.stores import MemoryStore, StreamedStore
from keras_vae.progress import bar

_THREADS = min(16, (os.cpu_count() or 1) + 2)
_NAMED = 5


class Folder(NamedTuple):
    """What `open_folder` found.

    Attributes:
        store: `stores.MemoryStore` or `FolderStore` of all images.
        indices: dict from "train", "validation" and "test", where present, to rows of the store.
        class_names: list of str, or None without class subfolders.
        num_skipped: int, unreadable files left out.
        num_resized: int, images of another size than the store's.
    """

    store: object
    indices: dict
    class_names: list | None
    num_skipped: int
    num_resized: int


class Checked(NamedTuple):
    """What is known of one readable image file; `image` is None where it was not kept."""

    shape: tuple
    is_binary: bool
    image: np.ndarray | None


class FolderStore(StreamedStore):
    """Image files, decoded when they are wanted.

    Args:
        paths: list of str.
        image_shape: (H, W, C); other sizes are resized, other channels are an error.
        color_mode: "grayscale", "rgb" or None.
        labels: (N,) int32 array or None.
        is_binary: bool, True if all pixels are 0 or 255.
    """

    levels = 255

    def __init__(self, paths, image_shape, color_mode, labels, is_binary):
        self.paths, self.image_shape, self.color_mode = paths, image_shape, color_mode
        self.labels, self.is_binary, self.ids = labels, is_binary, paths
        self._pool = concurrent.futures.ThreadPoolExecutor(_THREADS)

    def __len__(self):
        return len(self.paths)

    def read(self, indices):
        """Return the images of some rows as a uint8 array."""
        return np.stack(list(self._pool.map(self._image, indices)))

    def _image(self, index):
        image = _prepare(self.paths[index], self.image_shape[:2], self.color_mode)
        if image.shape != self.image_shape:
            raise ValueError(
                checks.message(
                    f"{self.paths[index]} must have {self.image_shape[2]} channels, as when the "
                    "folder was opened",
                    f"{image.shape[2]} channels",
                    "Leave the files alone while they are read.",
                )
            )
        return image


def open_folder(root, *, image_size, color_mode, in_memory, skip_bad, progress):
    """Check all images below a folder and return them as a `Folder`.

    Args:
        root: str, the folder.
        image_size: (H, W), or None for the images' own, most common size.
        color_mode: "grayscale", "rgb" or None to demand one number of channels.
        in_memory: function from a number of bytes to whether that much is kept in memory.
        skip_bad: bool, leave out files that cannot be read.
        progress: bool, show a bar on stderr if the check lasts more than a second.
    """
    files = list_images(root)
    results = _check_all(files, image_size, color_mode, in_memory, progress)
    bad = [result for result in results if isinstance(result, ValueError)]
    if bad:
        _report_bad(root, bad, len(files), skip_bad)
    readable = [(f, r) for f, r in zip(files, results, strict=True) if isinstance(r, Checked)]
    files, results = ([pair[i] for pair in readable] for i in (0, 1))
    _check_channels(files, results)
    size = image_size or _common_size(results)
    names, labels = _classes(files)
    store = FolderStore(
        [file.path for file in files],
        (*size, results[0].shape[2]),
        color_mode,
        labels,
        all(result.is_binary and result.shape[:2] == size for result in results),
    )
    if in_memory(store.nbytes):
        store = _to_memory(store, results)
    parts = np.array([file.part for file in files])
    indices = {part: np.flatnonzero(parts == part) for part in ("train", "validation", "test")}
    indices = {part: rows for part, rows in indices.items() if len(rows)}
    return Folder(store, indices, names, len(bad), sum(r.shape[:2] != size for r in results))


def _prepare(path, size, color_mode):
    image = pixels.convert_color(image_files.read(path), color_mode)
    if size is None or image.shape[:2] == size:
        return image
    return pixels.resize_array(image[None], size)[0]


def _check_all(files, size, color_mode, in_memory, progress):
    """Return a `Checked` or a `ValueError` for each file; images are kept while memory allows."""

    def check(file):
        try:
            image = _prepare(file.path, size, color_mode)
        except ValueError as error:
            return error
        return Checked(image.shape, bool(((image == 0) | (image == 255)).all()), image)

    results, kept, keep = [], 0, True
    pool = concurrent.futures.ThreadPoolExecutor(_THREADS)
    try:
        checked = pool.map(check, files)
        for result in bar(checked, progress, "Checking images", "image", len(files)):
            if isinstance(result, Checked):
                kept += result.image.nbytes
                if keep and not in_memory(kept):
                    keep = False
                    results = [_forget(earlier) for earlier in results]
                result = result if keep else _forget(result)
            results.append(result)
    finally:
        pool.shutdown(cancel_futures=True)
    return results


def _forget(result):
    return result._replace(image=None) if isinstance(result, Checked) else result


def _report_bad(root, errors, total, skip_bad):
    if skip_bad and len(errors) < total:
        message = (
            f"{len(errors)} of {total} files in {root} are not readable images and are left out."
        )
        warnings.warn(f"{message} The first: {errors[0]}", UserWarning, stacklevel=2)
        return
    if len(errors) == 1 and total > 1:
        raise errors[0]
    named = "\n".join(f"  {error}" for error in errors[:_NAMED])
    extensions = ", ".join(image_files.EXTENSIONS)
    raise ValueError(
        f"{len(errors)} of {total} files with the extensions {extensions} in {root} are not "
        f"readable images{' (the first ones follow)' if len(errors) > _NAMED else ''}:\n{named}"
    )


def _check_channels(files, results):
    first, counts = {}, collections.Counter(result.shape[2] for result in results)
    for file, result in zip(files, results, strict=True):
        first.setdefault(result.shape[2], file.path)
    if len(counts) > 1:
        kinds = (
            f"{counts[n]} images with {n} channel{'s' * (n > 1)} (such as {first[n]})"
            for n in sorted(counts)
        )
        raise ValueError(
            checks.message(
                "The images of a folder must have one number of channels",
                ", ".join(kinds),
                'Convert them all with color_mode="grayscale" or color_mode="rgb".',
            )
        )


def _common_size(results):
    """Return the most common (H, W), the smallest of them in a tie."""
    counts = collections.Counter(result.shape[:2] for result in results)
    ranked = sorted(counts, key=lambda size: (-counts[size], size))
    if len(ranked) > 1:
        sizes = ", ".join(f"{h}x{w} ({counts[h, w]})" for h, w in ranked[:_NAMED])
        more = f" and {len(ranked) - _NAMED} others" if len(ranked) > _NAMED else ""
        warnings.warn(
            f"The images have {len(ranked)} sizes, height x width: {sizes}{more}. All are resized "
            f"to {ranked[0][0]}x{ranked[0][1]}; image_size=(height, width) chooses another.",
            UserWarning,
            stacklevel=2,
        )
    return ranked[0]


def _classes(files):
    if any(file.class_name is None for file in files):
        return None, None
    names = sorted({file.class_name for file in files})
    numbers = {name: number for number, name in enumerate(names)}
    return names, np.array([numbers[file.class_name] for file in files], np.int32)


def _to_memory(store, results):
    if any(result.image is None for result in results):
        return store.to_memory()
    size = store.image_shape[:2]
    images = np.empty((len(results), *store.image_shape), np.uint8)
    for row, result in enumerate(results):
        image = result.image
        if image.shape[:2] != size:
            image = pixels.resize_array(image[None], size)[0]
        images[row] = image
    return MemoryStore(images, store.levels, store.labels, store.is_binary)
