"""What several test files share: a tiny VAE, a few images, a fresh Python process."""

import contextlib
import io
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import hypothesis
import keras
import numpy as np
import pytest

import keras_vae as kv

ROOT = pathlib.Path(__file__).resolve().parent.parent
IMAGE_SHAPE = (4, 4, 1)

# A shell has what it runs in the background ignore Ctrl-C, which tests send to their processes.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Outcome(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


class PlainEncoder(keras.Model):
    """An encoder that gets its weights with the first batch, and tells no shapes before."""

    def __init__(self, latent_dim):
        super().__init__()
        self.latent_dim = latent_dim
        self.flatten = keras.layers.Flatten()
        self.mean, self.log_var = keras.layers.Dense(latent_dim), keras.layers.Dense(latent_dim)

    def call(self, x, training=None):
        hidden = self.flatten(x)
        return self.mean(hidden), self.log_var(hidden)

    def compute_output_shape(self, input_shape):
        return [(input_shape[0], self.latent_dim)] * 2


# The same examples each time; compiling a graph is no flaw in the code under test.
hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, max_examples=25, database=None
)
hypothesis.settings.load_profile("repeatable")


def pytest_collection_modifyitems(items):
    """Leave out what wants the real MNIST where nobody has prepared it."""
    if "TFDS_DATA_DIR" not in os.environ:
        for item in items:
            if item.get_closest_marker("mnist"):
                item.add_marker(pytest.mark.skip(reason="TFDS_DATA_DIR is not set"))


@pytest.fixture(autouse=True)
def _float32_policy():
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def images():
    """Forty binary images of 4x4 pixels, each one of two patterns with noise."""
    rng = np.random.default_rng(0)
    patterns = rng.random((2, *IMAGE_SHAPE)) < 0.5
    flips = rng.random((40, *IMAGE_SHAPE)) < 0.1
    return (patterns[np.arange(40) % 2] ^ flips).astype("float32")


@pytest.fixture(scope="session")
def make_vae():
    """A function that builds a seeded VAE with dense networks and two latent dimensions."""

    def make(network_seed=0, optimizer=None, compile_options=None, params_per_channel=1, **parts):
        vae = kv.VAE(
            kv.networks.mlp_encoder(IMAGE_SHAPE, 2, units=(8,), seed=network_seed),
            kv.networks.mlp_decoder(
                IMAGE_SHAPE,
                2,
                units=(8,),
                params_per_channel=params_per_channel,
                seed=network_seed + 1,
            ),
            **{"seed": 2, **parts},
        )
        vae.compile(optimizer or keras.optimizers.Adam(0.01), **(compile_options or {}))
        return vae

    return make


@pytest.fixture(scope="session")
def trained_vae(make_vae, images):
    """A VAE that has learnt the images; not to be trained further."""
    vae = make_vae()
    vae.fit(np.tile(images, (60, 1, 1, 1)), batch_size=20, epochs=2, verbose=0)
    return vae


@pytest.fixture(scope="session")
def run_python():
    """A function that runs code in a fresh interpreter and returns what it printed."""

    def run(code, *arguments):
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        result = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=240,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        assert result.returncode == 0, result.stderr[-4000:]
        return result.stdout

    return run


def free_addresses(count):
    """Return so many addresses of this machine that nobody listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("", 0))
        return [f"localhost:{probe.getsockname()[1]}" for probe in probes]


@pytest.fixture(scope="session")
def run_workers():
    """A function that runs workers by hand, as a cluster starts them: their statuses and outputs.

    Args:
        commands: list of the arguments of Python of each.
        folders: list of the folder that each runs in, or None.
    """

    def run(commands, folders=None, seconds=120):
        cluster = {"worker": free_addresses(len(commands))}
        processes, outs = [], []
        for index, command in enumerate(commands):
            # Not by pipes, of which one that nobody reads yet would hold its worker up.
            outs.append(tempfile.TemporaryFile("w+"))  # noqa: SIM115
            config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
            processes.append(
                subprocess.Popen(
                    [sys.executable, *map(str, command)],
                    cwd=folders and folders[index],
                    env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CONFIG": json.dumps(config)},
                    stdout=outs[-1],
                    stderr=subprocess.STDOUT,
                )
            )
        end = time.monotonic() + seconds
        while time.monotonic() < end and any(process.poll() is None for process in processes):
            time.sleep(0.05)
        for process in processes:
            process.kill()
        texts = []
        for out in outs:
            with out:
                out.seek(0)
                texts.append(out.read())
        # Of one that had to be killed the status is that of the signal.
        return [process.wait() for process in processes], texts

    return run


@pytest.fixture(scope="session")
def command_line():
    """A function that runs `keras-vae` in this process: status, standard output and error."""
    from keras_vae_cli.main import main

    def run(*arguments):
        out, err = io.StringIO(), io.StringIO()
        argv, sys.argv = sys.argv, ["keras-vae", *map(str, arguments)]
        status = 0
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main()
        except SystemExit as exit:
            status = exit.code or 0
        finally:
            sys.argv = argv
        return Outcome(status, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def trained_run(command_line, tmp_path_factory):
    """The folder of a short training on the digits by the command line."""
    path = tmp_path_factory.mktemp("runs") / "run"
    networks = ("--recipe", "textbook", "--network", "mlp", "--latent-dim", 4)
    arguments = ("--epochs", 2, *networks, "--quiet")
    outcome = command_line("train", "digits", "--out", path, *arguments)
    assert outcome.status == 0, outcome.err
    return path
