"""The file of a fitted detector: arrays, and JSON beside them."""

import json

import numpy as np

from keras_vae.checks import file_format, message
from keras_vae.data.arrays import DAMAGE
from keras_vae.files import write_arrays

FORMAT, FORMAT_VERSION = "keras_vae detector", 1
_SCORE = "score_"
_FIX = "Fit the detector again."


def write(path, about, state):
    """Write a detector to a .npz file, whole or not at all.

    Args:
        path: str or `pathlib.Path`.
        about: dict of JSON values.
        state: dict of `usual`, an array, `score`, a dict of arrays, and `calibration`, an array or
            None.
    """
    about = {"format": FORMAT, "format_version": FORMAT_VERSION, **about}
    arrays = {"about": np.array(json.dumps(about))}
    arrays |= {f"{_SCORE}{name}": value for name, value in state["score"].items()}
    both = {name: state[name] for name in ("usual", "calibration")}
    arrays |= {name: value for name, value in both.items() if value is not None}
    write_arrays(path, arrays)


def read(path):
    """Return what `write` was given.

    Raises:
        ValueError: if the file is none, or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays["about"]))
        state = {"usual": arrays.get("usual"), "calibration": arrays.get("calibration")}
    except (FileNotFoundError, PermissionError):
        raise
    except (*DAMAGE, AttributeError, TypeError) as error:
        raise ValueError(refusal(path, error)) from error
    if not isinstance(about, dict):
        raise ValueError(refusal(path, "no description"))
    file_format(path, about, FORMAT, FORMAT_VERSION, _FIX)
    names = [name for name in arrays if name.startswith(_SCORE)]
    state["score"] = {name.removeprefix(_SCORE): arrays[name] for name in names}
    return about, state


def refusal(path, error):
    """Return the text of the error for what is no detector."""
    return message(f"{path} must be a detector that was saved", f"{error}", _FIX)
