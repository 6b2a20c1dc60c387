"""Write docs/results.md from what the rows left in results/reproduce."""

import json
import pathlib

from rows import ROWS

RESULTS = pathlib.Path(__file__).parent / "results" / "reproduce"
_PAGE = pathlib.Path(__file__).parent.parent / "docs" / "results.md"
_HEAD = """\
# Results

Each row is trained and evaluated by one command, `python benchmarks/reproduce.py ROW`; what it
wrote is in `benchmarks/results/reproduce/`, its recipe in `benchmarks/rows.py`. NLL is the
importance-weighted bound with k draws in nats per image, over all n test images of binarised MNIST
(drawn once, from the seed), -ELBO the negative evidence lower bound from the same draws; ± is one
standard error over the images. Recipes were chosen on held-out training images, never on the test
images. Seconds are those of the training alone, on as many processors as the row names; `best` is
the network of `conv_real_nvp`, trained on with importance weights. `textbook` is the dense network
784-400-20 on grey pixels, whose sampled loss is within 1.5 of 104 by no more than 0.02; neither it
nor `keras-vae train --recipe textbook`, a convolutional network, compares with the other.

"""
_COLUMNS = "| row | published | asked for | NLL | -ELBO | k | n | seed | epochs | seconds | CPUs |"


def render():
    """Write the page."""
    lines = [_COLUMNS, "|" + "---|" * (_COLUMNS.count("|") - 1)]
    for name, row in ROWS.items():
        path = RESULTS / f"{name}.json"
        if path.exists():
            lines.append(_line(name, row, json.loads(path.read_text())))
    machines = sorted({json.loads(path.read_text())["machine"] for path in RESULTS.glob("*.json")})
    text = _HEAD + "\n".join(lines) + f"\n\nMachine: {'; '.join(machines)}.\n"
    _PAGE.write_text(text)


def _line(name, row, result):
    asked = "" if row.target is None else f"at most {row.target:g}"
    if row.minutes is not None:
        asked += f" in {row.minutes:g} min"
    elbo = f"{result['negative_elbo']:.2f} ± {result['negative_elbo_standard_error']:.2f}"
    if "decoded_from_the_mean" in result:
        # Grey pixels under a Bernoulli: a cross-entropy, of which there is no likelihood.
        nll = "none"
        elbo += f", from the mean {result['decoded_from_the_mean']:.2f}"
    else:
        nll = f"{result['nll']:.2f} ± {result['nll_standard_error']:.2f}"
    cells = (
        name,
        row.published,
        asked.strip(),
        nll,
        elbo,
        result["num_samples"],
        result["n"],
        result["seed"],
        result["epochs"],
        round(result["seconds"]),
        result["processors"],
    )
    return "| " + " | ".join(map(str, cells)) + " |"
