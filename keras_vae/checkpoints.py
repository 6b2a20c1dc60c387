"""The files from which a training goes on: written whole, found again, and checked."""

import json
import pathlib
import warnings
import zipfile
import zlib
from typing import NamedTuple

import keras
import numpy as np

from keras_vae.checks import file_format, message
from keras_vae.files import remove_partial, write_arrays

FORMAT = "keras_vae checkpoint"
FORMAT_VERSION = 1
_PATTERN = "checkpoint-*.npz"
_META = "meta"
_DAMAGE = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError)


class Place(NamedTuple):
    """Where a training stands.

    Attributes:
        epoch: int, the epoch that is under way.
        batch: int, the batches of it that are done.
    """

    epoch: int = 0
    batch: int = 0


def variables(model):
    """Return all that training changes: weights, random states, trackers, the optimiser's."""
    found = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
    return list({id(variable): variable for variable in found}.values())


def write(folder, place, model, meta, keep=2):
    """Write a checkpoint unless a weight is not finite; remove the oldest ones once it is whole.

    Of several workers the chief writes; all of them must call it.

    Args:
        folder: `pathlib.Path`, made if need be.
        place: `Place`.
        model: `VAE`, compiled and built.
        meta: dict of JSON values that go with it.
        keep: int >= 1, how many are kept.

    Raises:
        OSError: if it cannot be written. Then the earlier ones are as they were.
    """
    arrays = [_array(variable) for variable in variables(model)]
    is_finite = all(np.isfinite(array).all() for array in arrays if array.dtype.kind == "f")
    if not is_finite or not model.workers.is_chief:
        return
    meta = {
        **meta,
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "place": place,
        "parts": _parts(model),
        "shapes": [array.shape for array in arrays],
    }
    path = folder / _PATTERN.replace("*", f"{place.epoch:06d}-{place.batch:09d}")
    named = {f"{index:06d}": array for index, array in enumerate(arrays)}
    write_arrays(path, {**named, _META: np.array(json.dumps(meta))})
    found = paths(folder)
    earlier = [other for other in found if other <= path]
    # Those of later places were damaged, or this training would not have come here again.
    for other in [*earlier[:-keep], *found[len(earlier) :]]:
        other.unlink(missing_ok=True)


def newest(folder):
    """Return the last whole checkpoint of a folder: its `meta` and arrays, or None.

    Damaged ones are passed over with a warning.

    Raises:
        ValueError: if it is of another version.
    """
    folder = pathlib.Path(folder)
    remove_partial(folder)
    for path in reversed(paths(folder)):
        try:
            with np.load(path, allow_pickle=False) as file:
                meta = json.loads(str(file[_META]))
                arrays = [file[name] for name in sorted(set(file.files) - {_META})]
            _check_whole(meta, arrays)
        except PermissionError:
            raise
        except _DAMAGE as error:
            warnings.warn(
                f"{path} is damaged ({type(error).__name__}); an earlier checkpoint is looked for.",
                stacklevel=2,
            )
            continue
        fix = "Go on with the keras_vae that wrote it, or train anew in another folder."
        file_format(path, meta, FORMAT, FORMAT_VERSION, fix)
        return meta, arrays
    if paths(folder):
        warnings.warn(
            f"No checkpoint in {folder} is whole: the training begins anew.", stacklevel=2
        )
    return None


def _check_whole(meta, arrays):
    """Raise `ValueError` unless a checkpoint has all that belongs to one of this version."""
    if not isinstance(meta, dict) or (
        meta.get("format_version") == FORMAT_VERSION
        and not (
            {"format", "place", "parts", "shapes", "history", "pending", "stopped"} <= set(meta)
            and meta["shapes"] == [list(array.shape) for array in arrays]
        )
    ):
        raise ValueError("parts are missing")


def restore(model, folder):
    """Give a model the state of the last whole checkpoint of a folder; return its `meta`, or None.

    Of several workers the chief reads; all of them must call it.

    Args:
        model: `VAE`, compiled and built.
        folder: `pathlib.Path`.

    Raises:
        ValueError: if the checkpoint is that of another model; nothing is changed then.
    """
    arrays = []

    def read():
        found = newest(folder)
        if found is None:
            return None
        arrays.extend(found[1])
        return found[0]

    meta = model.workers.from_chief(read)
    if meta is None:
        return None
    targets = variables(model)
    expected = [_parts(model), [list(variable.shape) for variable in targets]]
    found = [meta["parts"], meta["shapes"]]
    if expected != found:
        differ = [
            f"{name} {theirs!r} where the model has {ours!r}"
            for (name, ours), theirs in zip(_parts(model).items(), meta["parts"].values())
            if ours != theirs
        ] or ["weights of other shapes or in another number"]
        raise ValueError(
            message(
                f"The checkpoint in {folder} must be one of this model and optimiser",
                f"one with {', '.join(differ)}",
                "Build the model as it was, or train anew in another folder.",
            )
        )
    for variable, array in zip(targets, model.workers.share_arrays(arrays), strict=True):
        variable.assign(array)
    return meta


def _array(variable):
    array = keras.ops.convert_to_numpy(variable)
    # NumPy's files know no bfloat16; float32 holds all of its values.
    return array.astype(np.float32) if array.dtype.kind == "V" else array


def _parts(model):
    names = ("likelihood", "prior", "objective", "posterior", "optimizer")
    return {name: type(getattr(model, name)).__name__ for name in names}


def paths(folder):
    """Return the paths of the checkpoints in a folder, the oldest first."""
    return sorted(folder.glob(_PATTERN))
