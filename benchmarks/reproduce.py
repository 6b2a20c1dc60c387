"""Reproduce the published negative log-likelihoods of binarised MNIST, row by row.

    python benchmarks/reproduce.py ROW [ROW ...] [--work FOLDER] [--seed N] [--epochs N]
    python benchmarks/reproduce.py ROW --validation [--set learning_rate=1e-3 epochs=50 ...]
    python benchmarks/reproduce.py --render

Trains on the 60,000 training images of TensorFlow Datasets' MNIST, binarised anew each epoch, and
evaluates all 10,000 test images with 5000 importance samples. Both go on where they were stopped,
from what they keep in FOLDER. `--validation` holds out 5,000 training images and evaluates
those with 500 samples instead: what a recipe is chosen by, whose numbers `--set` changes.
"""

import argparse
import ast
import json
import os
import pathlib
import platform
import time

import keras
import numpy as np
from results_page import RESULTS, render
from rows import ROWS

import keras_vae as kv

_TEST_SAMPLES, _VALIDATION_SAMPLES = 5000, 500
_VALIDATION = 5000
_PART = 500


class Clock(keras.callbacks.Callback):
    """Count the seconds of training, also over restarts, and write them with the losses."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.record = {"epochs": 0, "seconds": 0.0, "processor_seconds": 0.0}
        if path.exists():
            self.record = json.loads(path.read_text())

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter(), time.process_time()

    def on_epoch_end(self, epoch, logs=None):
        wall, processor = self._start
        self.record["epochs"] = epoch + 1
        self.record["processors"] = len(os.sched_getaffinity(0))
        self.record["seconds"] += time.perf_counter() - wall
        self.record["processor_seconds"] += time.process_time() - processor
        self.record["last"] = {name: float(value) for name, value in (logs or {}).items()}
        _write(self.path, self.record)


def train(row, data, folder, seed, epochs):
    """Train a row, or go on with it, and return the VAE and the record of its training."""
    vae, record = _fit(row, row.build(data, seed), data, folder, epochs)
    last = row.finish
    if last is None:
        return vae, record
    row = row._replace(learning_rate=last.learning_rate)
    vae = vae.with_objective(last.objective())
    vae, finish = _fit(row, vae, data, folder / "finish", last.epochs)
    both = {key: record[key] + finish[key] for key in ("epochs", "seconds", "processor_seconds")}
    return vae, finish | both


def _fit(row, vae, data, folder, epochs):
    """Train a VAE with the numbers of a row, and keep it in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    steps = data.num_train // row.batch_size * epochs
    vae.compile(
        row.optimizer(vae, steps),
        jit_compile=row.jit_compile,
        steps_per_execution=row.steps_per_execution,
    )
    clock = Clock(folder / "training.json")
    path = folder / "model.keras"
    if not path.exists():
        backup = keras.callbacks.BackupAndRestore(folder / "backup")
        vae.fit(data.train, epochs=epochs, verbose=0, callbacks=[clock, backup])
        vae.save(path)
    return keras.models.load_model(path), clock.record


def evaluate(vae, images, num_samples, folder, seed):
    """Return the bounds of all images, `(3, N)`; finished parts are read from the folder."""
    parts = []
    for start in range(0, len(images), _PART):
        path = folder / f"bounds-{num_samples}-{start}.npy"
        if not path.exists():
            seeds = kv.random.row_seeds(seed, _PART, first_row=start)
            chunk = images[start : start + _PART]
            found = kv.bounds.estimate(vae, chunk, num_samples, seeds[: len(chunk)])
            np.save(folder / "part.npy", np.stack(found))
            os.replace(folder / "part.npy", path)
            print(f"  {start + len(chunk)} images", flush=True)
        parts.append(np.load(path))
    return np.concatenate(parts, axis=-1)


def summary(bounds):
    """Return means and standard errors over the images."""
    log_px, kl, log_prob = bounds[:3]
    elbo = log_px - kl
    error = 1.0 / np.sqrt(len(elbo))
    return {
        "nll": -log_prob.mean(),
        "nll_standard_error": log_prob.std(ddof=1) * error,
        "negative_elbo": -elbo.mean(),
        "negative_elbo_standard_error": elbo.std(ddof=1) * error,
        "rate": kl.mean(),
        "distortion": -log_px.mean(),
    }


def run(name, arguments):
    """Train and evaluate one row, and write its result."""
    row = ROWS[name]._replace(**arguments.set)
    epochs = arguments.epochs or row.epochs
    tried = "".join(f"-{key}={value}" for key, value in arguments.set.items())
    suffix = f"-validation{tried}" if arguments.validation else ""
    suffix += f"-epochs={epochs}" if epochs != row.epochs else ""
    folder = arguments.work / f"{name}-{arguments.seed}{suffix}"
    data = kv.data.load(
        row.source,
        batch_size=row.batch_size,
        binarize=row.binarize,
        validation_fraction=_VALIDATION / 60_000 if arguments.validation else 0.0,
        shuffle_seed=arguments.seed,
    )
    vae, record = train(row, data, folder, arguments.seed, epochs)
    print(name, json.dumps(record), flush=True)
    part = data.validation if arguments.validation else data.test
    images = np.concatenate(list(part))
    samples = _VALIDATION_SAMPLES if arguments.validation else row.num_samples or _TEST_SAMPLES
    result = {
        **{
            key: float(value)
            for key, value in summary(
                evaluate(vae, images, samples, folder, arguments.seed)
            ).items()
        },
        **row.more(vae, images),
        "num_samples": samples,
        "n": len(images),
        "seed": arguments.seed,
        "parameters": int(vae.count_params()),
        **{key: record[key] for key in ("epochs", "seconds", "processor_seconds", "processors")},
        "machine": f"{_processor()}, Python {platform.python_version()}",
    }
    print(name, json.dumps(result, indent=2), flush=True)
    _write(folder / "result.json", result)
    if not arguments.validation and epochs == row.epochs:
        RESULTS.mkdir(parents=True, exist_ok=True)
        _write(RESULTS / f"{name}.json", result)


def _processor():
    """Return what the processor calls itself, where the system tells."""
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return " ".join([platform.machine(), *names[:1]])


def _write(path, value):
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value, indent=2) + "\n")
    os.replace(temporary, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("reproduce"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="other than the row's: no result is kept")
    parser.add_argument("--render", action="store_true", help="write docs/results.md anew")
    parser.add_argument("--validation", action="store_true", help="hold out training images")
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="numbers of the row to try, with --validation",
    )
    arguments = parser.parse_args()
    if arguments.set and not arguments.validation:
        parser.error("--set tries another recipe than the row's: give --validation too")
    pairs = (pair.split("=", 1) for pair in arguments.set)
    arguments.set = {key: ast.literal_eval(value) for key, value in pairs}
    for name in arguments.rows:
        run(name, arguments)
    if arguments.render:
        render()


if __name__ == "__main__":
    main()
