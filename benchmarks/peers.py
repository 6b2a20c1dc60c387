"""The processes that the comparisons with others run, each of which trains an epoch when asked."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

FOLDER = pathlib.Path(__file__).parent
CONTENDERS = FOLDER / "contenders"
KERAS, TORCH, PYTHAE = "Keras, textbook", "PyTorch, eager", "pythae"
# The same recipe, as each would write it.
PEERS = {
    KERAS: ("textbook_keras.py",),
    TORCH: ("torch_eager.py",),
    PYTHAE: ("with_pythae.py",),
}


class Peer:
    """A contender's process.

    Attributes:
        epochs: list of a dict for each epoch, the first of which compiles.
        first_step: float, the seconds from the start of the process to its first step.
    """

    def __init__(self, arguments, shape, data, epochs):
        script, *options = arguments
        began = time.perf_counter()
        # Into a file: a pipe that nobody reads would fill up with what progress bars write.
        handle, self._errors = tempfile.mkstemp(dir=data.parent)
        with open(handle, "w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, CONTENDERS / script, shape, data, str(epochs), *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            )
        self._name = f"{script} {shape}"
        self._ask()
        self._read()
        self.first_step = time.perf_counter() - began
        self.epochs = [self._read()]

    def epoch(self):
        """Let it train an epoch, and return what it tells."""
        self._ask()
        self.epochs.append(self._read())
        return self.epochs[-1]

    def stop(self):
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    def _ask(self):
        # One that has ended says why when it is read from.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("go\n")
            self._process.stdin.flush()

    def _read(self):
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        errors = pathlib.Path(self._errors).read_text()[-2000:]
        raise RuntimeError(f"{self._name} ended with status {self._process.wait()}:\n{errors}")


def mnist(shape):
    """Return the training images of MNIST as a `protocol.Shape` wants them, uint8."""
    import keras_vae as kv

    data = kv.data.load(
        "mnist",
        image_size=shape.image_size,
        color_mode="rgb" if shape.channels == 3 else None,
        validation_fraction=0,
    )
    images = np.concatenate(list(data.train))[: shape.images]
    return np.rint(images * 255).astype(np.uint8)


def shape_of(name):
    """Return the `protocol.Shape` of a name."""
    sys.path.insert(0, str(CONTENDERS))
    from protocol import SHAPES

    return SHAPES[name]
