"""The `README.md` of an export folder: the run's model card, and what the export adds."""

import re

from export import snippets, trees
from export.formats import ENDPOINTS, LABEL, PRECISIONS
from export.labels import NONE, Labels


def text(files, model, card, picture=None):
    """Return the README as Markdown.

    Args:
        files: list of dicts, the entries of the report.
        model: dict, the metadata of the latest export.
        card: str, Markdown to begin with, or None.
        picture: str, Markdown of what a file draws, or None.
    """
    head = card.rstrip() if card else f"# {cell(model['name'] or 'An exported VAE')}"
    sections = [_tagged(head, files)]
    sections += ["## Samples of an exported file", picture] if picture else []
    sections += ["## Exported files", _facts(model), _table(files)]
    if len({entry["model"]["weights_sha256"] for entry in files}) > 1:
        sections.append("The files are of several models: `report.json` says which is of which.")
    sections += [part for part in (_left_out(files), _legend(files)) if part]
    delegates = _delegates(files)
    if delegates:
        sections += ["## On phones", delegates]
    sections += [
        "## Check it here",
        "```bash\nkeras-vae export check .\n```",
        "This runs every file on the golden vectors beside it and compares, with no more than "
        "the runtime of each format.",
        "## Run it",
        snippets.usage(files),
        "## Versions of the export",
        "\n".join(f"- {name} {version}" for name, version in model["versions"].items()),
        f"SHA-256 of the weights: `{model['weights_sha256']}`",
    ]
    return "\n\n".join(sections) + "\n"


def cell(value):
    """Return a value as Markdown text that stands for itself, in a cell of a table too."""
    text = re.sub(r"([\\`*\[\]<>|~$#]|(?<!\w)_|_(?!\w))", r"\\\1", str(value))
    return " ".join(text.split())


def _tagged(card, files):
    """Add the formats to the tags at the head of a card, if it has such a head."""
    tags = "".join(f"- {name}\n" for name in dict.fromkeys(entry["format"] for entry in files))
    return re.sub(r"\A(---\n(?:(?!---\n).*\n)*?tags:\n)", rf"\g<1>{tags}", card)


def _facts(model):
    image = "x".join(map(str, model["image_shape"]))
    limits = model["output_range"]
    comes_out = "floats that can leave 0 to 1 (clip them to show them)"
    if limits is not None:
        comes_out = (
            f"{'integers' if limits[1] == 255 else 'floats'} from {limits[0]} to {limits[1]}"
        )
    more = _label(model) + _decision(model)
    if model.get("columns"):
        return _facts_of_rows(model) + more
    return (
        f"z has {model['latent_dim']} numbers, an image {image}. Images go in as floats from 0 to "
        f"1 and come out as {comes_out}: the mean of p(x|z) under a {model['likelihood']['class']} "
        f"likelihood. Prior: {model['prior']['class']}. One seed gives one z in every file and in "
        "Keras."
    ) + more


def _facts_of_rows(model):
    rows = ["| place | column | what goes in and comes out |", "|---|---|---|"]
    for place, column in enumerate(model["columns"]):
        categories = [f"{code}: {cell(name)}" for code, name in enumerate(column["categories"])]
        shown = ", ".join(categories[:10]) + (" and so on" if len(categories) > 10 else "")
        rows.append(f"| {place} | {cell(column['name'])} | {shown or 'the number itself'} |")
    return (
        f"z has {model['latent_dim']} numbers, and `image` stands for a row of {len(rows) - 2}: "
        "floats as they are in the table, categories by their number, or by the next number after "
        "the last where one was never seen, and NaN for what is missing.\n\n" + "\n".join(rows)
    )


def _label(model):
    """Say what the further input of a model with labels is."""
    labels = Labels.of(model)
    if labels is None:
        return ""
    text = (
        f"\n\nEvery endpoint has one more input, `{LABEL}`, {labels.dtype} of shape "
        f"({', '.join(map(str, ('B', *labels.row_shape)))}): {labels.words}"
    )
    if not labels.num_classes:
        return f"{text}. There must be one: no vector stands for none."
    text += f", or {NONE} for none."
    if model.get("labels"):
        names = (f"{place}: {cell(name)}" for place, name in enumerate(model["labels"]))
        text += f" They are {', '.join(names)}."
    if labels.needed_by:
        needed = " and ".join(f"`{name}`" for name in labels.needed_by)
        text += (
            f" In `encode` and `reconstruct` {NONE} stands for the most likely class, in `score` "
            f"for any of them, in `generate` for one that the seed draws; {needed} need a class, "
            f"and give what means nothing for {NONE}."
        )
    return text


def _decision(model):
    found = model.get("detector")
    if not found:
        return ""
    return (
        f"\n\n`score` decides by {found['criterion']}: `anomaly_score` is higher where an example "
        f"is more abnormal, and `is_anomaly` is 1 where it lies above {found['threshold']:.6g}."
    )


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
    reasons = {}
    for entry in files:
        for name, reason in entry["left_out"].items():
            reasons.setdefault((name, reason), []).append(f"`{entry['path']}`")
    return "\n".join(
        f"- No `{name}` in {', '.join(paths)}: {reason}."
        for (name, reason), paths in reasons.items()
    )


def _legend(files):
    if all(entry["worst_error"] is None for entry in files):
        return ""
    return (
        "The worst error is the largest difference from the Keras model over all endpoints, as a "
        "part of the largest magnitude of that output, or of 1; PSNR is the mean over the images "
        "of `decode`, in brackets the worst image, 120 dB for equal ones; the time is the median "
        "of `decode` for one row on the machine that exported."
    )


def _delegates(files):
    """Say what the delegates of phones leave to slower operators, a line for a file and a case."""
    lines = []
    for entry in files:
        cases = {}
        for name, found in entry.get("signatures", {}).items():
            if name in ENDPOINTS:
                cases.setdefault(_case(found), []).append(f"`{name}`")
        lines += [
            f"- `{entry['path']}`, {', '.join(names)}: {case}" for case, names in cases.items()
        ]
    return "\n".join(lines)


def _case(found):
    outside, partitions = ", ".join(found["outside_xnnpack"]), found["xnnpack_partitions"]
    if not outside:
        words = "XNNPACK takes all of it."
    elif not partitions:
        words = "XNNPACK takes none of it."
    else:
        words = f"XNNPACK leaves out {outside}."
    objections = "; ".join(found["gpu_objections"])
    return words + (f" The GPU delegate does not take {objections}." if objections else "")
