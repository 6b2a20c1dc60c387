"""What docs/uses.md takes for granted: the files that its commands name, of digits and a table."""

import csv
import pathlib
import subprocess
import sys

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits


def make():
    """Write INPUT, SMALL, FEW, a.png, b.png, table.csv, new.csv and TRAINED to this folder."""
    digits = load_digits()
    images = np.round(digits.images * (255 / 16)).astype("uint8")
    small = images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).astype("uint8")
    # So many that the validation part calibrates a rate of 1 %.
    for place, (image, label) in enumerate(zip(images[:1200], digits.target[:1200], strict=True)):
        _save(image, f"INPUT/{label}/{place}.png")
        if place < 100:
            _save(image, f"FEW/{label}/{place}.png")
        if place < 10:
            _save(small[place], f"SMALL/{place}.png")
    _save(images[0], "a.png")
    _save(images[1], "b.png")
    _table("table.csv", 1500)
    _table("new.csv", 50)
    options = ("--epochs", "2", "--network", "mlp", "--quiet", "--out", "TRAINED")
    command = [sys.executable, "-m", "keras_vae_cli", "train", "INPUT", *options]
    subprocess.run(command, check=True, stdout=sys.stderr)


def _save(image, name):
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


def _table(name, rows):
    rng = np.random.default_rng(rows)
    with open(name, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "class", "width", "height"])
        for place in range(rows):
            kind = int(rng.integers(2))
            writer.writerow([place, kind, rng.normal(kind), rng.normal(3 * kind)])
