"""How memory and time of a training grow with the number of images and their size.

    python benchmarks/scaling.py
    python benchmarks/scaling.py memory stream images pixels workers

Each measurement is a process of its own. The set that is streamed is a file of 20 GB without
content, which takes no place on the disk; MNIST is that of TensorFlow Datasets.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np
import speed_page

RESULTS = speed_page.RESULTS / "scaling.json"
_STREAMED_BYTES = 20 * 10**9
_STREAMED_SIDE = 64
_STREAM_SECONDS = 60
_COUNTS = (10_000, 100_000, 1_000_000)
_SIDES = (32, 64, 128)
_WORKERS = (1, 2, 4)
_SIDED_BYTES = 1 << 26
_EPOCHS = 3


def status(name):
    """Return a line of the process's status, in bytes."""
    text = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(next(line for line in text.splitlines() if line.startswith(name)).split()[1])


class PeakOfOwnMemory:
    """The most memory of this process that no file holds too, looked at ten times a second."""

    def __init__(self):
        self.bytes = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        while True:
            self.bytes = max(self.bytes, status("RssAnon"))
            time.sleep(0.1)


def train(data, network="conv", epochs=1, callbacks=()):
    """Return the seconds of each epoch of a training with the defaults."""
    import keras

    import keras_vae as kv

    class Clock(keras.callbacks.Callback):
        seconds = ()

        def on_epoch_begin(self, epoch, logs=None):
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds = (*self.seconds, time.perf_counter() - self.began)

    clock = Clock()
    encoder, decoder = (
        getattr(kv.networks, f"{network}_{side}")(data.image_shape, 16, seed=0)
        for side in ("encoder", "decoder")
    )
    vae = kv.VAE(encoder, decoder, seed=1)
    vae.compile(optimizer="adam")
    vae.fit(data.train, epochs=epochs, verbose=0, callbacks=[clock, *callbacks])
    return clock.seconds


def memory(_):
    """Train on MNIST, as the README says."""
    import keras_vae as kv

    own = PeakOfOwnMemory()
    seconds = train(kv.data.load("mnist", batch_size=128), epochs=2)
    return {"peak_bytes": status("VmHWM"), "own_peak_bytes": own.bytes, "seconds": seconds}


def stream(path):
    """Train on a file of 20 GB for a minute."""
    import keras

    import keras_vae as kv

    class Stop(keras.callbacks.Callback):
        hears_executions = True
        images = 0

        def on_train_begin(self, logs=None):
            self.began = time.perf_counter()

        def on_train_batch_end(self, batch, logs=None):
            self.images = (batch + 1) * 128
            self.seconds = time.perf_counter() - self.began
            if self.seconds > _STREAM_SECONDS:
                self.model.stop_training = True

    own, began = PeakOfOwnMemory(), time.perf_counter()
    data = kv.data.load(path, batch_size=128)
    opened, stop = time.perf_counter() - began, Stop()
    train(data, callbacks=[stop])
    return {
        "peak_bytes": status("VmHWM"),
        "own_peak_bytes": own.bytes,
        "opened_seconds": opened,
        "images": stop.images,
        "seconds": stop.seconds,
    }


def images(count):
    """Train on so many images of MNIST's size in memory."""
    import keras_vae as kv

    count = int(count)
    x = np.random.default_rng(0).integers(0, 256, (count, 28, 28), np.uint8)
    data = kv.data.load(x, batch_size=128, validation_fraction=0, test_fraction=0)
    # As many epochs of few images as last long enough to be measured.
    epochs = 1 + max(_EPOCHS, 300_000 // count)
    seconds = statistics.median(train(data, "mlp", epochs)[1:])
    return {"seconds_per_image": seconds / count, "peak_bytes": status("VmHWM")}


def pixels(side):
    """Train on images of so many pixels a side, as many as fill the same memory."""
    import keras_vae as kv

    side = int(side)
    count = _SIDED_BYTES // (3 * side * side) // 8
    x = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
    data = kv.data.load(x, batch_size=32, validation_fraction=0, test_fraction=0)
    seconds = statistics.median(train(data, "conv", _EPOCHS + 1)[1:])
    return {"seconds_per_pixel": seconds / (count * side * side), "count": count}


def workers(count):
    """Train on MNIST with so many processes on this machine, and read what the chief shows."""
    command = [sys.executable, "-m", "keras_vae_cli"]
    if int(count) > 1:
        command += ["launch", "--workers", count, "--"]
    with tempfile.TemporaryDirectory() as folder:
        command += ["train", "mnist", "--out", f"{folder}/run", "--recipe", "textbook"]
        command += ["--epochs", "2", "--validation-fraction", "0"]
        found = subprocess.run(command, capture_output=True, text=True)
        shown = found.stdout
        if found.returncode:
            raise RuntimeError(shown + found.stderr)
    paces = [float(pace.replace(",", "")) for pace in re.findall(r"([\d,]+) images/s", shown)]
    # The first epoch compiles.
    return {"images_per_second": paces[1]}


CASES = {
    "memory": memory,
    "stream": stream,
    "images": images,
    "pixels": pixels,
    "workers": workers,
}
_ARGUMENTS = {"images": _COUNTS, "pixels": _SIDES, "workers": _WORKERS}


def measure(case, argument):
    """Return what a case gives in a process of its own."""
    command = [sys.executable, __file__, "--case", case, "--argument", str(argument)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    found = subprocess.run(command, capture_output=True, text=True, env=environment)
    if found.returncode:
        raise RuntimeError(found.stderr[-3000:])
    return json.loads(found.stdout.splitlines()[-1])


def measure_all(case):
    """Return what a case gives for each of its arguments."""
    if case == "memory":
        return measure(case, "")
    if case == "stream":
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "images.npy"
            shape = (_STREAMED_BYTES // (3 * _STREAMED_SIDE**2), _STREAMED_SIDE, _STREAMED_SIDE, 3)
            file = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
            # Without any grey the whole file would be looked through for it.
            file[0] = 100
            file.flush()
            return measure(case, path)
    return {str(argument): measure(case, argument) for argument in _ARGUMENTS[case]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--argument", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    if arguments.case:
        print(json.dumps(CASES[arguments.case](arguments.argument)))
        return
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for case in arguments.cases or CASES:
        results[case] = measure_all(case)
        print(case, json.dumps(results[case], indent=2))
        RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    speed_page.write()


if __name__ == "__main__":
    main()
