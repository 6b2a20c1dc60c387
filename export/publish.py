"""Put whole files in the place of what was there, and leave no trace of what failed."""

import contextlib
import os
import pathlib
import tempfile

from export.errors import message
from keras_vae import files

FAILED = "failed"


@contextlib.contextmanager
def staging(directory):
    """Yield a folder inside the export folder, and leave no trace of it."""
    if directory.exists() and not directory.is_dir():
        raise ValueError(
            message("`directory` must be a folder", f"{directory}, a file", "Choose another name.")
        )
    is_new = not directory.exists()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=directory) as folder:
            yield pathlib.Path(folder)
    except OSError as error:
        # The name of the staging folder would tell the user nothing.
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"Nothing was exported: {reason}", str(directory)) from error
    finally:
        if is_new:
            with contextlib.suppress(OSError):
                directory.rmdir()


def place(target, directory):
    """Return where an export of a `formats.Target` belongs, relative to the export folder."""
    path = target.format.path
    base = (directory / path).parent
    versions = [int(child.name) for child in base.glob("*") if child.name.isdecimal()]
    return path.format(precision=target.precision, version=max(versions, default=0) + 1)


def publish(target, staged, directory):
    """Give a staged file or folder its name, and return it."""
    while True:
        path = directory / place(target, directory)
        path.parent.mkdir(parents=True, exist_ok=True)
        if staged.is_dir() and not target.format.is_versioned:
            files.publish(staged, path)
            return path
        try:
            os.replace(staged, path)
        except OSError:
            # Another export may have taken the version meanwhile.
            if target.format.is_versioned and path.exists():
                continue
            raise
        return path


def set_aside(staged, name, directory):
    """Keep a file that failed its comparison where nothing takes it for a good one."""
    path = directory / FAILED / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if staged.is_dir():
        files.publish(staged, path)
    else:
        os.replace(staged, path)
    return path
