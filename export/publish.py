"""Put whole files in the place of what was there, all of them or none."""

import contextlib
import os
import pathlib
import tempfile

from export import report
from export.errors import message

FAILED = "failed"
_PARTIAL = ".partial-"
_MOVE = "Move it away, or choose another folder."


def check_directory(directory, targets):
    """Return the export folder as a path, if files may be written there.

    Args:
        directory: str or `pathlib.Path`.
        targets: iterable of `formats.Target`.

    Raises:
        ValueError: if it is no folder, or holds what an export would replace and did not write.
    """
    if not isinstance(directory, (str, os.PathLike)) or not str(directory).strip():
        raise ValueError(
            message("`directory` must be the name of a folder", f"directory={directory!r}")
        )
    directory = pathlib.Path(directory)
    if directory.exists() and not directory.is_dir():
        raise ValueError(
            message("`directory` must be a folder", f"{directory}, a file", "Choose another name.")
        )
    if (directory / report.REPORT).exists():
        report.read(directory)
    else:
        for name in (report.README, report.SAMPLES, report.GOLDEN, "config.json"):
            if (directory / name).exists():
                raise ValueError(
                    message(
                        "`directory` must be new, or a folder of earlier exports",
                        f"{directory}, with a {name} that no export wrote",
                        _MOVE,
                    )
                )
    for target in targets:
        _check_place(directory / place(target, directory), target)
    return directory


def _check_place(path, target):
    if path.parent.exists() and not path.parent.is_dir():
        raise ValueError(message(f"{path.parent} must be a folder", "a file", _MOVE))
    if path.is_dir() and target.format.path.endswith(".tflite"):
        raise ValueError(message(f"{path} must be a file", "a folder", _MOVE))


@contextlib.contextmanager
def staging(directory):
    """Yield a folder inside the export folder, and leave no trace of it."""
    is_new = not directory.exists()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_PARTIAL, dir=directory) as folder:
            yield pathlib.Path(folder)
    except OSError as error:
        # The name of the staging folder would tell the user nothing.
        place = str(error.filename or directory)
        place = str(directory) if _PARTIAL in place else place
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"Nothing was exported: {reason}", place) from error
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


@contextlib.contextmanager
def locked(directory):
    """Keep other exports from publishing into the same folder meanwhile, where the system can."""
    try:
        import fcntl
    except ImportError:  # Windows.
        yield
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def commit(pairs, attic):
    """Give staged files and folders their names: all of them, or none and the old ones stay.

    Args:
        pairs: list of pairs of `pathlib.Path`, what is staged and its final name.
        attic: `pathlib.Path` of an empty folder beside, for what was there before.
    """
    steps = []
    try:
        for staged, final in pairs:
            final.parent.mkdir(parents=True, exist_ok=True)
            old = attic / str(len(steps))
            # Noted before anything moves, since an interruption may come between any two lines.
            steps.append((staged, final, old))
            if final.exists():
                os.rename(final, old)
            os.rename(staged, final)
    except BaseException:
        for staged, final, old in reversed(steps):
            if not staged.exists() and final.exists():
                os.rename(final, staged)
            if old.exists():
                os.rename(old, final)
            with contextlib.suppress(OSError):
                final.parent.rmdir()
        raise
