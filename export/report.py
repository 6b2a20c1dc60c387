"""`report.json` and `README.md` of an export folder: what is there, and how good it is."""

import json
import pathlib

from export import trees
from export.errors import message
from export.formats import FORMATS, PRECISIONS

REPORT = "report.json"
README = "README.md"
GOLDEN = "golden"
_FORMAT, _FORMAT_VERSION = "keras_vae export report", 1


def read(directory):
    """Return the report of an export folder.

    Raises:
        ValueError: if there is none, or it is damaged or of another version.
    """
    path = pathlib.Path(directory) / REPORT
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        known = report["format"] == _FORMAT and report["format_version"] == _FORMAT_VERSION
        entries = {entry["path"]: entry for entry in report["files"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _no_report(path, f"a file that is missing or damaged ({error})") from error
    if not known:
        raise _no_report(path, f"version {report['format_version']} of {report['format']!r}")
    return {**report, "files": list(entries.values())}


def write(directory, entries, golden, about, card=None):
    """Add the files of an export to the report of its folder, with their golden vectors.

    Args:
        directory: `pathlib.Path` of the export folder.
        entries: list of dicts, one for each file.
        golden: bytes of the packed golden vectors of all of them.
        about: dict, the metadata of the export.
        card: str, Markdown that the README begins with, or None.
    """
    if not entries:
        return
    name = entries[0]["golden"]
    with trees.replacing(directory / GOLDEN / name) as file:
        file.write(golden)
    try:
        earlier = read(directory)["files"]
    except ValueError:
        earlier = []
    new = {entry["path"] for entry in entries}
    kept = [e for e in earlier if e["path"] not in new and (directory / e["path"]).exists()]
    files = sorted(kept + entries, key=lambda entry: entry["path"])
    report = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "model": about,
        "files": files,
    }
    text = json.dumps(report, indent=1, allow_nan=False) + "\n"
    for place, content in ((REPORT, text), (README, _readme(report, card))):
        with trees.replacing(directory / place) as file:
            file.write(content.encode())
    used = {entry["golden"] for entry in files}
    for file in (directory / GOLDEN).glob("*.npz"):
        if file.name not in used:
            file.unlink(missing_ok=True)


def _readme(report, card):
    about = report["model"]
    head = card.rstrip() if card else f"# {about['name'] or 'An exported VAE'}"
    image = "x".join(map(str, about["image_shape"]))
    low, high = about["image_range"]
    facts = [
        f"z has {about['latent_dim']} numbers; an image is {image}, {about['image_dtype']} from "
        f"{low} to {high}: the mean of p(x|z) under a {about['likelihood']['class']} likelihood.",
        "Prior: " + about["prior"]["class"] + ". The same seed gives the same z and the same "
        "image in every file whose precision leaves the sampler alone, and in Keras.",
    ]
    sections = [head, "## Exported files", "\n\n".join(facts), _table(report["files"])]
    left_out = _left_out(report["files"])
    if left_out:
        sections.append(left_out)
    delegates = _delegates(report["files"])
    if delegates:
        sections += ["## On phones", delegates]
    sections += [
        "## What the numbers are",
        "The worst error is the largest difference from the Keras model, as a part of the "
        "largest magnitude of that output; PSNR is the mean over the images of `decode` (in "
        "brackets the worst image). Latency is the median of `decode` for one row where this was "
        "exported.",
        "## Check it here",
        "```bash\nkeras-vae export check .\n```",
        "This runs every file on the golden vectors beside it and compares, with no more than "
        "the runtime of each format.",
        "## Run it",
        _usage(report["files"]),
        "## Versions",
        "\n".join(f"- {name} {version}" for name, version in about["versions"].items()),
        f"SHA-256 of the weights: `{about['weights_sha256']}`",
    ]
    return "\n\n".join(sections) + "\n"


def _table(files):
    rows = [
        "| file | numbers | size | endpoints | worst error | PSNR | decode |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in files:
        image = ((entry["errors"] or {}).get("decode") or {}).get("image") or {}
        psnr = "-"
        if "psnr_mean" in image:
            psnr = f"{image['psnr_mean']:.1f} ({image['psnr_worst']:.1f}) dB"
        latency = entry.get("latency_ms", {}).get("decode")
        worst = entry["worst_error"]
        cells = (
            f"[{entry['path']}]({entry['path']})",
            PRECISIONS[entry["precision"]].words,
            trees.in_words(entry["size"]),
            ", ".join(entry["endpoints"]),
            "not compared" if worst is None else f"{worst:.1e}",
            psnr,
            "-" if latency is None else f"{latency:.2f} ms",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _left_out(files):
    lines = [
        f"- `{entry['path']}` has no `{name}`: {reason}."
        for entry in files
        for name, reason in entry["left_out"].items()
    ]
    return "\n".join(lines)


def _delegates(files):
    """Say what the delegates of phones leave to the slower operators."""
    lines = []
    for entry in files:
        for name, found in entry.get("signatures", {}).items():
            outside = ", ".join(found["outside_xnnpack"]) or "nothing"
            objections = "; ".join(found["gpu_objections"]) or "nothing"
            lines.append(
                f"- `{entry['path']}`, `{name}`: {found['xnnpack_partitions']} XNNPACK partition"
                f"{'s' * (found['xnnpack_partitions'] != 1)}, outside: {outside}. "
                f"The GPU delegate does not take: {objections}."
            )
    return "\n".join(lines)


def _usage(files):
    shown = next((entry for entry in files if "generate" in entry["endpoints"]), None)
    if shown is None:
        path, call = files[0]["path"], "print(model.endpoints)"
    else:
        path, call = shown["path"], "image, z = model.generate(16, seed=7)"
    code = f'```python\nfrom export import load\n\nmodel = load("{path}")\n{call}\n```'
    words = [f"- {FORMATS[name].words}" for name in dict.fromkeys(e["format"] for e in files)]
    return "\n".join(words) + "\n\n" + code


def _no_report(path, received):
    return ValueError(
        message(
            f"{path.parent} must be a folder that keras-vae exported, with its {REPORT}",
            received,
            "Export the model again, or name the export folder itself.",
        )
    )


def entry_hash_is_right(directory, entry):
    """Whether a file is what it was when it was exported."""
    path = pathlib.Path(directory) / entry["path"]
    return path.exists() and trees.tree_sha256(path) == entry["sha256"]
