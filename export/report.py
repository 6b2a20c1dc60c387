"""`report.json` of an export folder: what is there, and how good it is."""

import json
import pathlib
from typing import NamedTuple

import numpy as np

from export import pictures, readme
from export.errors import message
from export.formats import ENDPOINTS, FORMATS

REPORT = "report.json"
README = "README.md"
GOLDEN = "golden"
SAMPLES = "samples.png"
_FORMAT, _FORMAT_VERSION = "keras_vae export report", 1


def read(directory):
    """Return the report of an export folder.

    Raises:
        ValueError: if there is none, or it is damaged or of another version.
    """
    path = pathlib.Path(directory) / REPORT
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _no_report(path, f"a folder without {REPORT}") from error
    except ValueError as error:
        raise _no_report(path, f"a damaged {REPORT}") from error
    if not isinstance(report, dict) or report.get("format") != _FORMAT:
        raise _no_report(path, f"a {REPORT} of something else")
    if report.get("format_version") != _FORMAT_VERSION:
        raise _no_report(path, f"version {report.get('format_version')!r} of {_FORMAT!r}")
    files = report.get("files")
    if not isinstance(files, list) or not files or not all(map(_is_entry, files)):
        raise _no_report(path, f"a damaged {REPORT}")
    return report


def _is_entry(entry):
    """Whether an entry has what others read of it, and names a file below the folder."""
    if not isinstance(entry, dict):
        return False
    texts = all(isinstance(entry.get(key), str) for key in ("path", "sha256", "golden"))
    if not texts or ".." in pathlib.PurePosixPath(entry["path"]).parts:
        return False
    format_ = FORMATS.get(entry.get("format"))
    names = entry.get("endpoints")
    return (
        format_ is not None
        and entry.get("precision") in format_.gates
        and isinstance(names, list)
        and bool(names)
        and all(name in ENDPOINTS for name in names)
        and isinstance(entry.get("model"), dict)
        and not pathlib.PurePosixPath(entry["path"]).is_absolute()
    )


class Samples(NamedTuple):
    """Images that an exported file drew.

    Attributes:
        images: array `(B, H, W, C)`, as `pictures.save_grid` takes it.
        seed: int.
        has_classes: bool, whether they are of the classes in turn.
    """

    images: np.ndarray
    seed: int
    has_classes: bool


def stage(folder, directory, entries, golden, card=None, drawn=None):
    """Write the report of an export folder with new files in it, below another folder.

    Args:
        folder: `pathlib.Path` of the folder to write to; it is made.
        directory: `pathlib.Path` of the export folder.
        entries: list of dicts, one for each new file.
        golden: bytes of the packed golden vectors of all of them.
        card: str, Markdown that the README begins with, or None.
        drawn: pair of the path of a new file, as in its entry, and its `Samples`; or None.

    Returns:
        list of pairs of `pathlib.Path`: what is written, and its final name.
    """
    new = {entry["path"] for entry in entries}
    earlier = read(directory)["files"] if (directory / REPORT).exists() else []
    kept = [e for e in earlier if e["path"] not in new and (directory / e["path"]).exists()]
    files = sorted(kept + entries, key=lambda entry: entry["path"])
    report = {"format": _FORMAT, "format_version": _FORMAT_VERSION, "files": files}
    text = json.dumps(report, indent=1, allow_nan=False) + "\n"
    contents = {
        f"{GOLDEN}/{entries[0]['golden']}": golden,
        REPORT: text.encode(),
        README: readme.text(files, entries[-1]["model"], card, drawn and _picture(*drawn)).encode(),
    }
    pairs = []
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        pairs.append((path, directory / name))
    if drawn:
        pictures.save_grid(drawn[1].images, folder / SAMPLES)
        pairs.append((folder / SAMPLES, directory / SAMPLES))
    return pairs


def _picture(path, samples):
    """Return the picture of the samples as Markdown, with where they come from."""
    classes = ", of the classes in turn" if samples.has_classes else ""
    words = f"{len(samples.images)} images that `{path}` draws for the seed {samples.seed}"
    return f"![Samples]({SAMPLES})\n\n{words}{classes}."


def forget_unused(directory, earlier):
    """Remove those golden vectors of earlier exports that no file needs any more.

    Args:
        directory: `pathlib.Path` of the export folder.
        earlier: set of str, the names of golden vectors before the export.
    """
    used = golden_names(directory)
    for name in earlier - used:
        (directory / GOLDEN / name).unlink(missing_ok=True)


def golden_names(directory):
    """Return the names of the golden vectors that an export folder's report speaks of."""
    if not (directory / REPORT).exists():
        return set()
    return {pathlib.PurePosixPath(entry["golden"]).name for entry in read(directory)["files"]}


def _no_report(path, received):
    return ValueError(
        message(
            f"{path.parent} must be a folder that keras-vae exported, with its {REPORT}",
            received,
            "Name the export folder, such as RUN/export, or export the model again.",
        )
    )
