"""Files and folders of files: their size, their hash, and writing them whole or not at all."""

import contextlib
import hashlib
import os
import pathlib
import secrets


def tree_sha256(path):
    """Return the SHA-256 of a file, or of the names and contents of a folder's files."""
    path = pathlib.Path(path)
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    total = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        total.update(f"{file.relative_to(path).as_posix()} {digest}\n".encode())
    return total.hexdigest()


def tree_size(path):
    """Return the bytes of a file, or of a folder's files."""
    path = pathlib.Path(path)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def human_size(path):
    """Return the size of a file or of a folder's files, such as "1.2 MB"."""
    return in_words(tree_size(path))


def in_words(size):
    """Return a number of bytes for people, such as "1.2 MB"."""
    size = float(size)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


@contextlib.contextmanager
def replacing(path):
    """Yield a binary file that takes its name once it is whole.

    Args:
        path: str or `pathlib.Path`, the final name; its folder is made.

    Raises:
        OSError: if the disk is full or refuses, with the final name.
    """
    path = pathlib.Path(path)
    partial = path.with_name(f".partial-{secrets.token_hex(4)}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(partial, "wb") as file:
                yield file
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        # The name of the partial file would tell the user nothing.
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"Nothing was written: {reason}", str(path)) from error
