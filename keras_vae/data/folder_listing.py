"""Which image files a folder holds, and what its subfolders say about them."""

import os
import warnings
from typing import NamedTuple

from keras_vae import checks
from keras_vae.data import image_files

_PART_FOLDERS = {"train": "train", "test": "test", "val": "validation", "validation": "validation"}


class ImageFile(NamedTuple):
    """An image file: its path, its part ("train", "validation", "test") and its class or None."""

    path: str
    part: str
    class_name: str | None


def list_images(root):
    """Return the `ImageFile`s below a folder, in a fixed order.

    If there is a subfolder `train`, the subfolders test, val and validation are parts too;
    otherwise all images are for training, and are divided later. Subfolders of a part are
    classes, unless images lie beside them. Hidden files and folders are left out.

    Args:
        root: str.

    Raises:
        ValueError: if there is no image, or none for training.
    """
    subfolders = _subfolders(root)
    parts = {
        name: _PART_FOLDERS[name.lower()] for name in subfolders if name.lower() in _PART_FOLDERS
    }
    if "train" in parts.values():
        files = [
            ImageFile(path, part, class_name)
            for name, part in parts.items()
            for path, class_name in _classified(os.path.join(root, name))
        ]
        if ignored := [name for name in subfolders if name not in parts]:
            warnings.warn(
                f"{root} has a folder `train`: its folders {', '.join(ignored)} are left out.",
                UserWarning,
                stacklevel=2,
            )
    else:
        files = [ImageFile(path, "train", class_name) for path, class_name in _classified(root)]
    if not any(file.part == "train" for file in files):
        _refuse_empty(root, files)
    return files


def _subfolders(folder):
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def _classified(folder):
    """Return [(path, class name or None)] of the images below a folder."""
    with os.scandir(folder) as entries:
        beside = any(e.is_file() and image_files.is_image_name(e.name) for e in entries)
    if beside:
        return [(path, None) for path in images_below(folder)]
    return [
        (path, name)
        for name in _subfolders(folder)
        for path in images_below(os.path.join(folder, name))
    ]


def images_below(folder):
    """Return the paths of all images below a folder, in a fixed order."""
    found = []
    for directory, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        found += [
            os.path.join(directory, name)
            for name in sorted(names)
            if image_files.is_image_name(name)
        ]
    return found


def _refuse_empty(root, files):
    extensions = ", ".join(image_files.EXTENSIONS)
    received = "images for other parts only" if files else "no image"
    raise ValueError(
        checks.message(
            f"The folder {root} must hold training images with the extensions {extensions}",
            received,
            "Put images in it: directly, in one subfolder a class, or below train/ and test/.",
        )
    )
