"""Seconds an epoch of this package and of others, by turns in one run.

    pip install -r benchmarks/requirements.txt
    python benchmarks/speed.py

Each contender is a process of its own that trains one epoch when it is its turn and waits
otherwise. A row is void unless all reach the same training loss.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

FOLDER = pathlib.Path(__file__).parent
RESULTS = FOLDER / "results" / "speed"
CONTENDERS = {
    "keras_vae": ("ours.py",),
    "keras_vae, bfloat16": ("ours.py", "--policy", "mixed_bfloat16"),
    "Keras, textbook": ("textbook_keras.py",),
    "PyTorch, eager": ("torch_eager.py",),
    "pythae": ("with_pythae.py",),
}
OURS = ("keras_vae", "keras_vae, bfloat16")
# Losses of different random numbers differ by so much, of the smallest.
_SAME_LOSS = 0.02


class Worker:
    """A contender's process."""

    def __init__(self, arguments, shape, data, epochs):
        script, *options = arguments
        self.rounds = []
        self._process = subprocess.Popen(
            [sys.executable, FOLDER / "contenders" / script, shape, data, str(epochs), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if not os.environ.get("VERBOSE") else None,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        self.first_step = self._read()["first_step"]

    def epoch(self):
        """Let it train two epochs, and keep what the second took.

        While others had their turn the system may have taken away what this one had in memory.
        """
        for _ in range(2):
            self._process.stdin.write("go\n")
            self._process.stdin.flush()
            found = self._read()
        self.rounds.append(found)

    def stop(self):
        self._process.stdin.close()
        self._process.wait()

    def _read(self):
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise RuntimeError(self._process.stderr.read()[-2000:])


def matrix_rate():
    """Return the rate of a float32 matrix product on this machine, in operations a second."""
    a = np.random.default_rng(0).standard_normal((2048, 2048)).astype("float32")
    a @ a
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - start)
    return 2 * 2048**3 / statistics.median(seconds)


def compare(shape, contenders, data, rounds):
    """Return what each contender took, and whether all learnt the same."""
    workers = {}
    for name in contenders:
        print(f"{shape}: starting {name}", file=sys.stderr)
        workers[name] = Worker(CONTENDERS[name], shape, data, 2 * rounds)
    peaks = [matrix_rate()]
    for _ in range(rounds):
        for worker in workers.values():
            worker.epoch()
        peaks.append(matrix_rate())
    images = len(np.load(data)["x"])
    found = {}
    for name, worker in workers.items():
        worker.stop()
        seconds = statistics.median(entry["seconds"] for entry in worker.rounds)
        found[name] = {
            "seconds": seconds,
            "images_per_second": images / seconds,
            "loss": worker.rounds[-1]["loss"],
            "peak_bytes": worker.rounds[-1]["peak_bytes"],
            "first_epoch": worker.first_step,
            "rounds": [entry["seconds"] for entry in worker.rounds],
        }
    losses = [entry["loss"] for entry in found.values()]
    return {
        "contenders": found,
        "same_loss": max(losses) - min(losses) <= _SAME_LOSS * min(losses),
        "matrix_operations_per_second": statistics.median(peaks),
    }


def mnist():
    import keras_vae as kv

    data = kv.data.load("mnist", validation_fraction=0)
    return np.rint(np.concatenate(list(data.train)) * 255).astype(np.uint8)


def report(shape, found):
    """Print a line for each contender."""
    seconds = {name: entry["seconds"] for name, entry in found["contenders"].items()}
    peers = [value for name, value in seconds.items() if name not in OURS]
    for name, entry in found["contenders"].items():
        ratio = f"{min(peers) / entry['seconds']:5.2f} times the best peer" if peers else ""
        print(
            f"{shape:16} {name:20} {entry['seconds']:7.2f} s an epoch, "
            f"{entry['images_per_second']:8.0f} images/s {ratio:27} loss {entry['loss']:.2f}, "
            f"{entry['peak_bytes'] / 2**20:.0f} MiB, first epoch {entry['first_epoch']:.1f} s"
        )
    if not found["same_loss"]:
        print(f"{shape:16} void: the losses are not the same")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shapes", nargs="*", default=["mlp", "mlp_small_batch", "conv"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, help="the first ones alone")
    parser.add_argument("--only", help="contenders, parted by semicolons")
    arguments = parser.parse_args()
    contenders = arguments.only.split(";") if arguments.only else list(CONTENDERS)
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "images.npz"
        np.savez(data, x=mnist()[: arguments.images])
        for shape in arguments.shapes:
            found = compare(shape, contenders, data, arguments.rounds)
            report(shape, found)
            if not (arguments.only or arguments.images):
                RESULTS.mkdir(parents=True, exist_ok=True)
                (RESULTS / f"{shape}.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
