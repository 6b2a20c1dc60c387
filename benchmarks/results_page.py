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
_ROAD = """
## The command line

`python benchmarks/road.py` measures them anew: `make demo`, which is `keras-vae train digits` with
its defaults, and `keras-vae train mnist --recipe textbook --binarize dynamic --latent-dim 20
--epochs 10`. A Gaussian of grey pixels has nats of a density, which can have either sign; pixels of
0 and 1 under a Bernoulli have nats of a probability. The two do not compare.

| data | test ELBO, nats | test NLL, nats | k | n |
|---|---|---|---|---|
| digits, grey (density) | {demo} |
| MNIST, binarised dynamically | {mnist} |

## Two latent dimensions

The recipe of the textbooks (two latent dimensions, batch 128, Adam 1e-3, grey pixels under a
Bernoulli, 10 epochs) ends at a training loss of {ours}, and at {theirs} as the texts write it, both
from the same initial weights; that is a cross-entropy, no likelihood. Its 16 ReLU units before z
make it a matter of luck: from five other sets of initial weights it ended at
{others}. In the one of the largest loss all 16 had died, and the
mean image is drawn.
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
    _PAGE.write_text(text + _road(json.loads((RESULTS.parent / "road.json").read_text())))


def _road(found):
    textbook = found["textbook"]
    first, other = (
        textbook["from_the_texts_initial_weights"],
        textbook["from_other_initial_weights"],
    )
    return _ROAD.format(
        demo=_estimates(found["demo"]),
        mnist=_estimates(found["mnist"]),
        ours=first["loss"][0],
        theirs=first["loss_as_the_texts"][0],
        others=", ".join(map(str, sorted(other["loss"]))),
    )


def _estimates(found):
    elbo = found["elbo"] if "elbo" in found else -found["negative_elbo"]
    cells = (
        f"{elbo:.2f} ± {found['elbo_standard_error']:.2f}",
        f"{found['nll']:.2f} ± {found['nll_standard_error']:.2f}",
        found["num_samples"],
        found["n"],
    )
    return " | ".join(map(str, cells))


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
