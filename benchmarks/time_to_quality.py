"""Seconds of training until the validation -ELBO of binarised MNIST falls below some bars.

    pip install -r benchmarks/requirements.txt
    python benchmarks/time_to_quality.py

The contenders of `speed.py` train an epoch each by turns, on pixels that are drawn anew for each
batch, and tell the -ELBO of the same 5,000 binary images that none is trained on; what that takes
does not count, nor do the imports. Compilation does. Each is there with its recipe: the others
with the network 784-400-20, Adam and batches of 128 that their tutorials have; this package with
the same, and with its own: gated layers, and Muon with a learning rate that falls.
"""

import argparse
import itertools
import json
import os
import pathlib
import statistics
import sys
import tempfile

import numpy as np
import speed_page
from peers import PEERS, Peer, mnist, shape_of
from rows import QUICK

RESULTS = speed_page.RESULTS / "time_to_quality.json"
BARS = (105, 100, 95)
OWN = "keras_vae, its own recipe"
CONTENDERS = {
    OWN: ("ours.py", "--recipe", "own"),
    "keras_vae, the same network": ("ours.py",),
    **PEERS,
}
_VALIDATION = 5000


def train(arguments, data, seed, last, max_epochs, max_seconds):
    """Train by turns until all have reached their last bar or the end; return what each told."""
    peers, epochs, going = {}, {}, []
    for name, options in arguments.items():
        epochs[name] = QUICK.epochs if name == OWN else max_epochs
        options = (*options, "--seed", str(seed))
        peers[name] = Peer(options, "mlp", data, epochs[name])
        going.append(name)
    while going:
        for name in tuple(going):
            peer = peers[name]
            done = _is_reached(peer.epochs, last[name]) or len(peer.epochs) >= epochs[name]
            if done or sum(epoch["seconds"] for epoch in peer.epochs) > max_seconds:
                peer.stop()
                going.remove(name)
            else:
                peer.epoch()
    return {name: peer.epochs for name, peer in peers.items()}


def seconds_until(epochs, bar):
    """Return the seconds of training until the -ELBO is below a bar and stays there, or None.

    A single epoch below may be luck: the next one must be too.
    """
    ends = list(itertools.accumulate(epoch["seconds"] for epoch in epochs))
    for index in range(len(epochs) - 1):
        if _is_reached(epochs[: index + 2], bar):
            return ends[index]
    return None


def _is_reached(epochs, bar):
    return len(epochs) > 1 and all(epoch["validation"] < bar for epoch in epochs[-2:])


def _last_reached(entry):
    """Return the bar to wait for: one that was not reached is not waited for again."""
    reached = [bar for bar in BARS if entry["seconds_until"][str(bar)] is not None]
    return reached[-1] if reached else BARS[-1]


def summary(rounds):
    """Return the medians of several trainings."""
    found = {}
    for name in rounds[0]:
        trainings = [training[name] for training in rounds]
        seconds = {bar: [seconds_until(epochs, bar) for epochs in trainings] for bar in BARS}
        found[name] = {
            "seconds_until": {
                str(bar): None if None in values else statistics.median(values)
                for bar, values in seconds.items()
            },
            "rounds": {str(bar): values for bar, values in seconds.items()},
            "curve": [[epoch["seconds"], epoch["validation"]] for epoch in trainings[0]],
            "best_validation": min(epoch["validation"] for epoch in trainings[0]),
        }
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="whole trainings, by other seeds")
    parser.add_argument("--max-epochs", type=int, default=60)
    parser.add_argument("--max-seconds", type=float, default=300, help="of training, for each")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, help="nothing is written")
    arguments = parser.parse_args()
    contenders = {name: CONTENDERS[name] for name in arguments.only or CONTENDERS}
    limits = {"max_epochs": arguments.max_epochs, "max_seconds": arguments.max_seconds}
    images = mnist(shape_of("mlp"))
    validation = images[:_VALIDATION] > np.random.default_rng(0).integers(
        0, 255, images[:_VALIDATION].shape
    )
    rounds, last = [], dict.fromkeys(contenders, BARS[-1])
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "images.npz"
        np.savez(data, x=images[_VALIDATION:], validation=np.uint8(255 * validation))
        for seed in range(arguments.rounds):
            rounds.append(train(contenders, data, seed, last, **limits))
            found = summary(rounds)
            last = {name: _last_reached(entry) for name, entry in found.items()}
            print(json.dumps({name: entry["rounds"] for name, entry in found.items()}, indent=2))
            print({name: entry["best_validation"] for name, entry in found.items()}, flush=True)
            if not arguments.only:
                result = {
                    "processors": os.cpu_count(),
                    "rounds": len(rounds),
                    **limits,
                    "images": len(images) - _VALIDATION,
                    "contenders": found,
                }
                RESULTS.write_text(json.dumps(result, indent=2) + "\n")
                speed_page.write()


if __name__ == "__main__":
    sys.exit(main())
