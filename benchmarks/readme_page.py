"""Write the tables of README.md from what the benchmarks left in results/.

`python benchmarks/readme_page.py` replaces what stands between `<!-- NAME -->` and `<!-- end -->`;
`--picture MODEL.keras` draws docs/digits.png anew: test images of MNIST, and what a model of
binarised digits makes of draws of z.
"""

import argparse
import json
import pathlib
import re

import numpy as np
import speed_page
import uses_page
from rows import ROWS

ROOT = pathlib.Path(__file__).parent.parent
README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "digits.png"
_RESULTS = pathlib.Path(__file__).parent / "results"
# The rows of docs/results.md that have a published figure of their own kind of model.
_LIKELIHOODS = ("gated_standard_normal", "iwae_k5", "gated_vamp", "best")


def text():
    """Return README.md with its tables as the results have them."""
    found = README.read_text()
    for name, make in (("numbers", numbers), ("speed", speed), ("files", files)):
        pattern = rf"<!-- {name} -->\n.*?<!-- end -->"
        block = f"<!-- {name} -->\n\n{make()}\n\n<!-- end -->"
        found, count = re.subn(pattern, lambda _, block=block: block, found, flags=re.DOTALL)
        if count != 1:
            raise ValueError(f"{README} must have one table <!-- {name} -->. Received: {count}.")
    return found


def numbers():
    """Return the table of what was measured beside what others have."""
    rows = [*_likelihoods(), *_uses()]
    return uses_page.table(["", "keras_vae", "published", "others, measured here"], rows)


def _likelihoods():
    for name in _LIKELIHOODS:
        row, result = ROWS[name], _read(f"reproduce/{name}")
        nll = f"{result['nll']:.2f} ± {result['nll_standard_error']:.2f}"
        minutes = f"{result['seconds'] / 60:.0f} min"
        yield [f"MNIST, NLL in nats: `{name}`, {minutes}", nll, row.published, ""]


def _uses():
    load, mean = uses_page.load, uses_page.mean
    out = load("leave_one_out")
    yield [
        "A digit that was never seen, area under the ROC curve, mean of ten",
        f"{mean(out, 'test_32', 'combined'):.3f}",
        "",
        f"5 nearest neighbours {mean(out, 'test_32', 'pixel_neighbors'):.3f}",
    ]
    gain = load("denoise")["gain"]
    names = "PCA, 32 components", "median of 3 x 3"
    others = ", ".join(f"{name} {gain[name]:.1f}" for name in names)
    yield ["Noise of 0.5 taken away, dB gained", f"{gain['keras_vae']:.1f}", "", others]
    asked = load("condition")["of"]
    yield [
        "The label that was asked for is read by a classifier",
        f"{asked['keras_vae']['read']:.1%}",
        "",
        f"test images {asked['test images']['read']:.1%}",
    ]
    errors = {name: np.mean(of) for name, of in uses_page.few_label_errors().items()}
    for name, published in (("M2", "11.97 %"), ("M1+M2", "3.33 %")):
        here = f"k-NN {errors['k-NN of pixels']:.1%}"
        yield [
            f"100 labels, {name}, test error",
            f"{errors[name]:.1%}",
            f"{published} (Kingma et al. 2014, table 1)",
            here,
        ]
    for kind, words, published in (
        ("binary", "binarised MNIST", "0.19"),
        ("8 bits", "8-bit MNIST", "1.41"),
    ):
        found = load("compress")[kind]
        rates = {name: one["bits_per_pixel"] for name, one in found["others"].items()}
        best = min(rates, key=rates.get)
        yield [
            f"Lossless, {words}, bits a pixel",
            f"{found['bits_per_pixel']:.3f}",
            f"{published} (Townsend et al. 2019)",
            f"{best} {rates[best]:.3f}, PNG {rates['PNG']:.3f}",
        ]


def speed():
    """Return the table of seconds an epoch."""
    return speed_page.short_table(speed_page.load()).strip()


def files():
    """Return the table of exported decoders."""
    found = _read("exported")
    rows = []
    for name, one in found["files"].items():
        equal = one["psnr_mean"] >= 120
        psnr = "equal" if equal else f"{one['psnr_mean']:.1f} dB ({one['psnr_worst']:.1f})"
        milliseconds = f"{found['median_ms'][name]:.2f} ms"
        error = f"{one['max_abs_error']:.1e}"
        rows.append([f"`{name}`", f"{one['size_of_float32']:.2f}", error, psnr, milliseconds])
    predict = f"{found['median_ms']['Keras model.predict']:.0f} ms"
    rows.append(["`model.predict` of Keras", "", "", "", predict])
    head = ["decoder", "size of float32", "largest error", "PSNR (worst image)", "one image"]
    return uses_page.table(head, rows)


def _read(name):
    return json.loads((_RESULTS / f"{name}.json").read_text())


def draw(model):
    """Draw test images beside generated ones."""
    import keras

    import keras_vae as kv

    vae = keras.models.load_model(model)
    test = kv.data.load("mnist", binarize="threshold").test
    real = kv.evaluation.first_examples(test, 64)
    made = vae.generate(64, seed=7)
    grids = [kv.plotting.image_grid(images, 8) for images in (real, made)]
    gap = np.full((grids[0].shape[0], 40, 1), 255, np.uint8)
    kv.plotting.pixels.save_picture(np.concatenate([grids[0], gap, grids[1]], axis=1), PICTURE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", metavar="MODEL.keras")
    options = parser.parse_args()
    if options.picture:
        draw(options.picture)
    README.write_text(text())
