"""Writing so that a crash leaves either what was there or what should be there."""

import contextlib
import glob
import io
import json
import os
import pathlib
import shutil
import tempfile
import zlib

import numpy as np

from keras_vae.checks import message

_PARTIAL = ".partial-"
_OLD = "old-"


@contextlib.contextmanager
def replacing_file(path):
    """Yield a temporary path beside `path`, and rename it to `path` if all goes well.

    Args:
        path: str or `pathlib.Path`, the final name; its folder is made.
    """
    path = pathlib.Path(path)
    partial = _partial_name(path)
    try:
        with _naming(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_arrays(path, arrays):
    """Write an array as .npy, or a dict of them as .npz, on the disk before the file has its name.

    Args:
        path: str or `pathlib.Path`, the final name.
        arrays: array or dict of arrays.
    """
    # Through memory, since NumPy's own writing to a file leaves a broken archive to Python's end.
    buffer = io.BytesIO()
    if isinstance(arrays, dict):
        np.savez(buffer, **arrays)
    else:
        np.save(buffer, arrays)
    with replacing_file(path) as partial, open(partial, "wb") as file:
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def scratch_folder(path):
    """Yield a temporary folder beside `path`, for `publish`; what is not published is removed."""
    partial = _partial_name(path)
    try:
        with _naming(path):
            partial.mkdir(parents=True)
            yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def publish(partial, path, keep=()):
    """Give the folder `partial` the name `path`, in place of what has it.

    What had it is put back if that fails or is interrupted, and removed afterwards; `recover` does
    so after a kill.

    Args:
        partial, path: `pathlib.Path`s.
        keep: names of what is taken over from the old folder.
    """
    old = _partial_name(path.with_name(f"{_OLD}{path.name}"))
    try:
        if path.exists():
            os.rename(path, old)
        os.rename(partial, path)
    except BaseException:
        if old.exists() and not path.exists():
            os.rename(old, path)
        raise
    for name in keep:
        if (old / name).exists() and not (path / name).exists():
            os.rename(old / name, path / name)
    shutil.rmtree(old, ignore_errors=True)


def recover(path):
    """Undo what a process did to a folder that was killed while it published another."""
    for partial in sorted(path.parent.glob(f"{_PARTIAL}*-{glob.escape(path.name)}")):
        owner, _, name = partial.name.removeprefix(_PARTIAL).partition("-")
        # In a container each process may have the same number; this one has made nothing yet.
        is_of_others = owner != str(os.getpid()) and _is_alive(owner)
        if name not in (path.name, f"{_OLD}{path.name}") or is_of_others:
            continue
        if name != path.name and not path.exists():
            os.rename(partial, path)
        else:
            shutil.rmtree(partial, ignore_errors=True)


def _is_alive(process):
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True


def final_path(path):
    """Return the absolute path that `path` stands for, links followed."""
    try:
        return pathlib.Path(path).resolve()
    except (OSError, RuntimeError) as error:
        raise ValueError(message("--out must be a path", f"{path} ({error})")) from error


def check_place(path):
    """Write something where a folder is to be, so that no long work ends in vain.

    Args:
        path: `pathlib.Path`, absolute.

    Raises:
        ValueError: if no folder can have that name.
        OSError: if the place is full or may not be written to.
    """
    place = path.parent
    while not place.exists():
        place = place.parent
    if not place.is_dir() or not path.name:
        received = f"{path}, and {place} is no folder" if path.name else str(path)
        raise ValueError(
            message("--out must be the name of a folder to write", received, "Choose another name.")
        )
    try:
        with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=place):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(place)) from error


def fingerprint(files):
    """Return a number that changes with the names of files, their sizes and times."""
    found = 0
    for file in files:
        state = os.stat(file)
        text = f"{os.path.abspath(file)} {state.st_size} {state.st_mtime_ns}"
        found = zlib.crc32(text.encode(), found)
    return found


@contextlib.contextmanager
def _naming(path):
    """Say the final name in an error of the system: the temporary one tells the user nothing."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def remove_partial(folder, of_others=True):
    """Remove what a killed process left half-written in a folder.

    Args:
        folder: str or `pathlib.Path`.
        of_others: bool, whether also what other processes that are alive may be writing.
    """
    for partial in pathlib.Path(folder).glob(f"{_PARTIAL}*"):
        owner = partial.name.removeprefix(_PARTIAL).partition("-")[0]
        # In a container the process before had the same number.
        if of_others or owner == str(os.getpid()) or not _is_alive(owner):
            with contextlib.suppress(OSError):
                partial.unlink()


def write_text(path, text):
    """Write a text file whole or not at all."""
    with replacing_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path, value):
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path, fix):
    """Return the object of a JSON file; `fix` is what an error tells to do."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(
            message(f"{path} must be a JSON file", f"a damaged file ({error})", fix)
        ) from error
    if not isinstance(value, dict):
        raise ValueError(message(f"{path} must hold a JSON object", repr(value)[:80], fix))
    return value


def _partial_name(path):
    # The suffix stays, since some writers choose the format by it.
    return path.with_name(f"{_PARTIAL}{os.getpid()}-{path.name}")
