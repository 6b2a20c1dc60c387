"""Seconds an epoch of this package and of others, by turns in one run.

    pip install -r benchmarks/requirements.txt
    python benchmarks/speed.py

Each contender is a process of its own that trains an epoch or two when it is its turn and waits
otherwise. A row is void unless all have as many weights and reach the same training loss. Writes
results/speed/*.json, docs/speed.md and docs/speed.png; prints the table of the README.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

import numpy as np
import speed_page
from peers import PEERS, Peer, mnist, shape_of

RESULTS = speed_page.RESULTS / "speed"
CONTENDERS = {
    "keras_vae": ("ours.py",),
    "keras_vae, bfloat16": ("ours.py", "--policy", "mixed_bfloat16"),
    **PEERS,
}
_MIN_ROUNDS = 5
# Losses of different random numbers differ by so much, of the smallest.
_SAME_LOSS = 0.02
# Large enough to come near the peak.
_MATRIX = 4096
_DTYPES = ("float32", "bfloat16")


def matrix_rate(dtype):
    """Return the rate of a matrix product on this machine, in operations a second."""
    import tensorflow as tf

    a = tf.cast(tf.random.stateless_normal((_MATRIX, _MATRIX), seed=(0, 0)), dtype)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        tf.matmul(a, a)[0, 0].numpy()
        seconds.append(time.perf_counter() - start)
    # The first one allocates.
    return 2 * _MATRIX**3 / min(seconds[1:])


def operations(shape):
    """Return the operations of a training step for one image: the products of the layers alone.

    The gradients with respect to weights and inputs cost as much as the values, each; nobody needs
    those with respect to the images.
    """
    import ours

    def products(layer):
        places = 1
        if "Conv2D" in type(layer).__name__:
            transposed = "Transpose" in type(layer).__name__
            places = np.prod((layer.input if transposed else layer.output).shape[1:3])
        return places * np.prod(layer.kernel.shape)

    vae = ours.build(shape)
    layers = [layer for network in (vae.encoder, vae.decoder) for layer in network.layers]
    counts = [int(products(layer)) for layer in layers if hasattr(layer, "kernel")]
    return 6 * sum(counts) - 2 * counts[0]


def compare(name, contenders, data, rounds):
    """Return what each contender took, and whether all learnt the same."""
    peers, shape = {}, shape_of(name)
    for contender, arguments in contenders.items():
        print(f"{name}: starting {contender}", file=sys.stderr)
        peers[contender] = Peer(arguments, name, data, 1 + shape.turn * rounds)
    rates = []
    for number in range(rounds):
        rates.append([matrix_rate(dtype) for dtype in _DTYPES])
        # Nobody comes after the same one each time.
        for peer in list(peers.values())[:: -1 if number % 2 else 1]:
            for _ in range(shape.turn):
                peer.epoch()
    for peer in peers.values():
        peer.stop()
    with np.load(data) as file:
        images = len(file["x"])
    rates = dict(zip(_DTYPES, np.median(rates, axis=0).tolist(), strict=True))
    found, work = {}, operations(shape)
    for contender, peer in peers.items():
        rate = rates[_DTYPES["bfloat16" in contender]]
        found[contender] = _summary(peer, images, shape.turn, work / rate)
    return {
        "contenders": found,
        "images": images,
        "same": _are_same(found.values()),
        "matrix_operations_per_second": rates,
        **_about(),
    }


def _summary(peer, images, turn, ideal):
    counting = peer.epochs[turn::turn]
    rounds = [entry["seconds"] for entry in counting]
    seconds = statistics.median(rounds)
    return {
        "seconds": seconds,
        "images_per_second": images / seconds,
        "cores": statistics.median(entry["cpu_seconds"] / entry["seconds"] for entry in counting),
        "share_of_matrix_peak": ideal * images / seconds,
        "parameters": peer.epochs[-1]["parameters"],
        "loss": peer.epochs[-1]["loss"],
        "peak_bytes": peer.epochs[-1]["peak_bytes"],
        "first_step_seconds": peer.first_step,
        "rounds": rounds,
    }


def _are_same(entries):
    """Return whether all have the same number of weights, and learnt the same."""
    losses = [entry["loss"] for entry in entries]
    near = np.isfinite(losses).all() and np.ptp(losses) <= _SAME_LOSS * abs(min(losses))
    return bool(near) and len({entry["parameters"] for entry in entries}) == 1


def _about():
    packages = ("keras", "tensorflow", "torch", "pythae")
    return {
        "processors": os.cpu_count(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shapes", nargs="*", help=f"of {', '.join(speed_page.SHAPES)}")
    parser.add_argument("--rounds", type=int, default=_MIN_ROUNDS, help="fewer write nothing")
    parser.add_argument("--images", type=int, help="the first ones alone; nothing is written")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, help="nothing is written")
    arguments = parser.parse_args()
    if unknown := set(arguments.shapes) - set(speed_page.SHAPES):
        parser.error(f"no network {', '.join(unknown)}; there are {', '.join(speed_page.SHAPES)}")
    contenders = {name: CONTENDERS[name] for name in arguments.only or CONTENDERS}
    partial = arguments.only or arguments.images or arguments.rounds < _MIN_ROUNDS
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "images.npz"
        for name in arguments.shapes or speed_page.SHAPES:
            np.savez(data, x=mnist(shape_of(name))[: arguments.images])
            results[name] = compare(name, contenders, data, arguments.rounds)
            print(speed_page.table({name: results[name]}), flush=True)
            if not partial:
                RESULTS.mkdir(parents=True, exist_ok=True)
                (RESULTS / f"{name}.json").write_text(json.dumps(results[name], indent=2) + "\n")
                speed_page.write()
    print(speed_page.short_table(results if partial else speed_page.load()))


if __name__ == "__main__":
    main()
