"""What each contender shares: its arguments, and one epoch at a time when it is asked for."""

import argparse
import json
import pathlib
import sys
import time
from typing import NamedTuple

import numpy as np


class Shape(NamedTuple):
    """A network that every contender builds.

    Attributes:
        kind: str, "mlp" or "conv".
        units: tuple of ints, of the hidden layers, or filters.
        latent_dim: int.
        batch_size: int.
        dense: int, the dense layer before z of a convolutional encoder.
    """

    kind: str
    units: tuple
    latent_dim: int
    batch_size: int
    dense: int = 16


SHAPES = {
    "mlp": Shape("mlp", (400,), 20, 128),
    "mlp_small_batch": Shape("mlp", (200, 200), 50, 20),
    "conv": Shape("conv", (32, 64), 2, 128),
}


class Rounds:
    """Epochs that begin when the other side asks, and tell it what they took."""

    def __init__(self):
        parser = argparse.ArgumentParser()
        parser.add_argument("shape", choices=SHAPES)
        parser.add_argument("data", help="npz file of uint8 images `x`")
        parser.add_argument("epochs", type=int)
        parser.add_argument("--policy", default="float32")
        arguments = parser.parse_args()
        self.shape, self.epochs = SHAPES[arguments.shape], arguments.epochs
        self.policy = arguments.policy
        self._data, self._started = arguments.data, time.perf_counter()

    def images(self):
        """Return the images, `(N, H, W, C)` uint8."""
        with np.load(self._data) as file:
            return file["x"]

    def first_step_is_done(self):
        """Tell how long it took from the imports on."""
        self._say({"first_step": time.perf_counter() - self._started})

    def begin(self):
        """Wait until an epoch is asked for."""
        if not sys.stdin.readline():
            sys.exit()
        self._started = time.perf_counter()

    def end(self, loss):
        """Tell what the epoch took and the mean of its training loss, in nats per image."""
        seconds = time.perf_counter() - self._started
        peak = _peak_bytes()
        self._say({"seconds": seconds, "loss": float(loss), "peak_bytes": peak})

    def _say(self, value):
        print(json.dumps(value), flush=True)


def _peak_bytes():
    # Not the resource usage, which begins with what the process was forked from.
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if "VmHWM" in line).split()[1])
