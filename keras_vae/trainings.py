"""A training under way: the folder `training` of its run, from which it goes on."""

import dataclasses
import fcntl
import json
import os
import pathlib
import shutil

from keras_vae import checkpoints, runs
from keras_vae.checks import file_format, message
from keras_vae.files import (
    check_place,
    final_path,
    read_json,
    recover,
    remove_partial,
    write_json,
)

OPTIONS = "options.json"
FORMAT = "keras_vae training"
FORMAT_VERSION = 1
_LOCK = "lock"


@dataclasses.dataclass
class Training:
    """A training of the run at `path`.

    Attributes:
        path: `pathlib.Path`, of the run.
        options: dict of JSON values, what determines the training.
        resumes: bool, whether it goes on.
        overwrite: bool, whether it replaces the run at `path`.
    """

    path: pathlib.Path
    options: dict
    resumes: bool = False
    overwrite: bool = False

    @property
    def folder(self):
        return self.path / runs.TRAINING

    def part(self, name):
        """Return the folder for the checkpoints of one part of the training."""
        return self.folder / name

    @property
    def is_saved(self):
        """Whether there is a checkpoint."""
        return any(checkpoints.paths(part) for part in self.folder.glob("*"))

    def __enter__(self):
        if not self.resumes:
            # Another training may have begun there while this one read its data.
            _check_new(self.path, self.overwrite)
        self._lock = _lock(self.folder)
        if not self.resumes:
            if self.overwrite:
                _empty(self.folder)
            head = {"format": FORMAT, "format_version": FORMAT_VERSION}
            write_json(self.folder / OPTIONS, {**head, "options": self.options})
        return self

    def __exit__(self, kind, error, traceback):
        """Leave nothing of a training that failed before it saved anything."""
        try:
            if kind is not None and not self.is_saved:
                shutil.rmtree(self.folder, ignore_errors=True)
                if self.path.is_dir() and not any(self.path.iterdir()):
                    self.path.rmdir()
        finally:
            os.close(self._lock)


def _empty(folder):
    """Remove what is in the folder of a training, but for the lock."""
    for child in folder.iterdir():
        if child.is_dir():
            shutil.rmtree(child, ignore_errors=True)
        elif child.name != _LOCK:
            child.unlink()


def _lock(folder):
    """Return an open file that says that a process trains here; its end takes the lock away."""
    folder.mkdir(parents=True, exist_ok=True)
    file = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise ValueError(
            message(
                "One process at a time trains in a run folder",
                f"{folder.parent}, in which another one trains now",
                "Wait for it or stop it, or choose another name with --out.",
            )
        ) from None
    except OSError:
        # A file system without locks.
        pass
    return file


def find(path, options, given, overwrite=False, resume=False):
    """Return the `Training` that is to be made at `path`, or None if its run is finished.

    Args:
        path: str or `pathlib.Path`, of the run.
        options: dict of JSON values, those of a new training.
        given: set of str, the options that the user gave, which must be as they were.
        overwrite: bool, whether a run at `path` may be replaced.
        resume: bool, whether to go on where there is something to go on from.

    Raises:
        ValueError: if `path` may not be written, or the options are not those it began with.
    """
    path = final_path(path)
    recover(path)
    record = path / runs.TRAINING / OPTIONS
    if not resume:
        _check_new(path, overwrite)
        return Training(path, options, overwrite=overwrite)
    if record.is_file():
        return Training(path, _recorded(record, options, given), resumes=True)
    if (path / runs.CONFIG).is_file():
        _check_unchanged(_of_run(path, options), options, given)
        return None
    _check_target(path, overwrite=False)
    return Training(path, options)


def _check_new(path, overwrite):
    if (path / runs.TRAINING / OPTIONS).is_file() and not overwrite:
        raise ValueError(
            message(
                "--out must be a new name",
                f"{path}, whose training is not finished",
                "Go on with it by --resume, replace it by --overwrite, or choose another name.",
            )
        )
    _check_target(path, overwrite)


def _check_target(path, overwrite):
    """Raise `ValueError` unless a run may be written to `path`."""
    if not path.exists() or _is_empty(path):
        check_place(path)
        return
    if not (path / runs.CONFIG).is_file() and not (path / runs.TRAINING).is_dir():
        raise ValueError(
            message(
                "--out must be a new name or a run folder",
                f"{path}, which exists and is no run folder",
                "Choose another name with --out.",
            )
        )
    if not overwrite:
        raise ValueError(
            message(
                "--out must be a new name",
                f"{path}, which exists",
                "Replace it with --overwrite, or choose another name with --out.",
            )
        )
    others = sorted({child.name for child in path.iterdir()} - runs.FILES)
    if others:
        raise ValueError(
            message(
                "--overwrite replaces a run folder that holds nothing but the run",
                f"{path} with {', '.join(others)}",
                "Move these away, or choose another name with --out.",
            )
        )
    check_place(path)


def _is_empty(path):
    """Return whether there is nothing at a path, or a training that was killed as it began."""
    if not path.is_dir():
        return False
    names = {child.name for child in path.iterdir()}
    if names != {runs.TRAINING} or not (path / runs.TRAINING).is_dir():
        return not names
    remove_partial(path / runs.TRAINING)
    begun = {child.name for child in (path / runs.TRAINING).iterdir()}
    return begun <= {_LOCK}


def _recorded(record, options, given):
    """Return the options that the training began with; those that are given must be the same."""
    value = read_json(record, _ANEW)
    fix = f"Go on with the keras_vae that wrote it. {_ANEW}"
    file_format(record, value, FORMAT, FORMAT_VERSION, fix)
    recorded = value.get("options")
    if not isinstance(recorded, dict):
        raise ValueError(message(f"{record} must hold `options`", repr(recorded)[:80], _ANEW))
    missing = sorted(set(options) - set(recorded))
    if missing:
        received = f"none named {', '.join(missing)}"
        raise ValueError(message(f"{record} must hold all options", received, _ANEW))
    _check_unchanged(recorded, options, given)
    return recorded


def _of_run(path, options):
    """Return the options that a finished run says it was trained with."""
    config = runs.load(path).config
    found = {"seed": config.get("seed")}
    for section in ("data", "model", "training"):
        found |= config[section]
    # The same set or file may be named in several ways.
    source, asked = str(found.get("source")), str(options.get("source"))
    if os.path.realpath(source) == os.path.realpath(asked) or source.startswith(f"{asked}:"):
        found["source"] = asked
    return {**options, **{name: found[name] for name in options if name in found}}


def _check_unchanged(recorded, options, given):
    """Raise `ValueError` unless the options that are given are as recorded."""
    wanted = json.loads(json.dumps(options))
    changed = sorted(name for name in given if wanted.get(name) != recorded.get(name))
    if changed:
        raise ValueError(
            message(
                "--resume goes on with the options that the training began with",
                ", ".join(
                    f"{name} {wanted.get(name)!r}, begun with {recorded.get(name)!r}"
                    for name in changed
                ),
                f"Leave them out. {_ANEW}",
            )
        )


_ANEW = "To begin anew, give --overwrite in place of --resume, or another --out."
