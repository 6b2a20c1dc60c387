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
        kind: str, "mlp", "conv" or "resnet".
        units: tuple of ints, of the hidden layers, or filters of the encoder.
        latent_dim: int.
        batch_size: int.
        decoder_units: tuple of ints, those of the decoder, from z on.
        dense: int, the dense layer before z of a network of convolutions.
        image_size: int, pixels a side.
        channels: int.
        images: int, how many an epoch has.
        turn: int, epochs of a turn, the last of which counts: while others have theirs, the
            system may take away what one has in memory, which short epochs would show.
    """

    kind: str
    units: tuple
    latent_dim: int
    batch_size: int
    decoder_units: tuple
    dense: int = 256
    image_size: int = 28
    channels: int = 1
    images: int = 60_000
    turn: int = 2

    @property
    def image_shape(self):
        """The shape of an image, channels last."""
        return (self.image_size, self.image_size, self.channels)


SHAPES = {
    "mlp": Shape("mlp", (400,), 20, 128, (400,)),
    "mlp_small_batch": Shape("mlp", (200, 200), 50, 20, (200, 200)),
    "conv": Shape("conv", (32, 64), 2, 128, (64, 32), turn=1),
    "resnet": Shape(
        "resnet", (16, 32), 32, 128, (64, 32), image_size=32, channels=3, images=10_000
    ),
}


class Rounds:
    """Epochs that begin when the other side asks, and tell it what they took.

    Attributes:
        shape: `Shape`.
        epochs: int.
        policy: str, the precision.
        seed: int, of initial weights, order and noise.
        recipe: str, "textbook" or, of this package, "own".
        parameters: int, how many numbers are trained, which the contender sets.
    """

    def __init__(self):
        parser = argparse.ArgumentParser()
        parser.add_argument("shape", choices=SHAPES)
        parser.add_argument("data", help="npz file of uint8 images `x`, binary ones `validation`")
        parser.add_argument("epochs", type=int)
        parser.add_argument("--policy", default="float32")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--recipe", default="textbook", choices=["textbook", "own"])
        arguments = parser.parse_args()
        self.shape, self.epochs = SHAPES[arguments.shape], arguments.epochs
        self.policy, self.recipe = arguments.policy, arguments.recipe
        self.seed = arguments.seed
        with np.load(arguments.data) as file:
            self._arrays = dict(file)
        self.parameters, self._stepped = None, False

    def images(self):
        """Return the images, `(N, H, W, C)` uint8."""
        return self._arrays["x"]

    def validation(self):
        """Return images of 0 and 255, or None: where there are some, training draws such too."""
        return self._arrays.get("validation")

    def begin(self):
        """Wait until an epoch is asked for. The first one begins with the images alone."""
        if not sys.stdin.readline():
            sys.exit()
        self._started, self._cpu = time.perf_counter(), time.process_time()

    def step_is_done(self):
        """Tell when the first step is done."""
        if not self._stepped:
            self._stepped = True
            self._say({})

    def end(self, loss, validate):
        """Tell what the epoch took and the mean of its training loss, in nats per image.

        Args:
            loss: float.
            validate: function of nothing that gives the -ELBO of the validation images, which is
                called where there are some.
        """
        found = {
            "seconds": time.perf_counter() - self._started,
            "cpu_seconds": time.process_time() - self._cpu,
            "loss": float(loss),
            "parameters": int(self.parameters),
        }
        if self.validation() is not None:
            found["validation"] = float(validate())
        self._say(found | {"peak_bytes": _peak_bytes()})

    def _say(self, value):
        print(json.dumps(value), flush=True)


def _peak_bytes():
    # Not the resource usage, which begins with what the process was forked from.
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if "VmHWM" in line).split()[1])
