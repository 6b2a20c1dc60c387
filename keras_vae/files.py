"""Writing so that a crash leaves either what was there or what should be there."""

import contextlib
import json
import os
import pathlib
import shutil

_PARTIAL = ".partial-"


@contextlib.contextmanager
def replacing_file(path):
    """Yield a temporary path beside `path`, and rename it to `path` if all goes well.

    Args:
        path: str or `pathlib.Path`, the final name; its folder is made.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial_name(path)
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path):
    """Yield a temporary folder beside `path`, and rename it to `path` if all goes well.

    What stands at `path` before stays until then, and is removed afterwards.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial_name(path)
    try:
        partial.mkdir()
        yield partial
        old = _partial_name(path.with_name(f"old-{path.name}"))
        if path.exists():
            os.rename(path, old)
        os.rename(partial, path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_text(path, text):
    """Write a text file whole or not at all."""
    with replacing_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path, value):
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def _partial_name(path):
    # The suffix stays, since some writers choose the format by it.
    return path.with_name(f"{_PARTIAL}{os.getpid()}-{path.name}")
