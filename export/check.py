"""Check an export folder on this machine: every file on its golden vectors, in its own runtime."""

import pathlib
from typing import NamedTuple

from export import compare, formats, report, runtimes, trees, vectors


class Checked(NamedTuple):
    """What came of one file.

    Attributes:
        path: `pathlib.Path` of the file or folder.
        worst_error: float, as in `export.compare.Comparison`, or None if it could not run.
        failures: tuple of str, what is wrong.
        missing: str, how to install the runtime that is missing here, or "".
    """

    path: pathlib.Path
    worst_error: float | None = None
    failures: tuple = ()
    missing: str = ""


def check(directory):
    """Run every file of an export folder on the golden vectors beside it.

    It needs no more than the runtime of each format: no TensorFlow for `.tflite` and `.onnx`.

    Args:
        directory: str or `pathlib.Path` of the export folder.

    Returns:
        list of `Checked`, one for each file of the report.

    Raises:
        ValueError: if the folder holds no report, or a damaged one.
    """
    directory = pathlib.Path(directory)
    return [_check(directory, entry) for entry in report.read(directory)["files"]]


def _check(directory, entry):
    path = directory / entry["path"]
    if not path.exists():
        return Checked(path, failures=("the file is missing",))
    if trees.tree_sha256(path) != entry["sha256"]:
        return Checked(path, failures=("the file is not what was exported: its hash differs",))
    try:
        golden = vectors.load(directory / report.GOLDEN / pathlib.Path(entry["golden"]).name)
        missing = [name for name in entry["endpoints"] if name not in golden]
        if missing:
            return Checked(path, failures=(f"no golden vectors of {', '.join(missing)}",))
        runtime = runtimes.load(path)
    except ImportError as error:
        return Checked(path, missing=str(error))
    except ValueError as error:
        return Checked(path, failures=(str(error),))
    gate = formats.FORMATS[entry["format"]].gates[entry["precision"]]
    found = compare.compare(runtime, compare.endpoints_of(golden, entry["endpoints"]), gate)
    return Checked(path, found.worst_error, found.failures)
