"""Seconds an epoch of this package and of others, by turns in one run.

    pip install -r benchmarks/requirements.txt
    python benchmarks/speed.py

Each contender is a process of its own that trains an epoch when it is its turn and waits
otherwise. A row is void unless all reach the same training loss. Writes results/speed/*.json,
docs/speed.md and docs/speed.png; prints the table of the README.
"""

import argparse
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
# Losses of different random numbers differ by so much, of the smallest.
_SAME_LOSS = 0.02
# Large enough to come near the peak.
_MATRIX = 4096


def matrix_rate():
    """Return the rate of a float32 matrix product on this machine, in operations a second."""
    import tensorflow as tf

    a = tf.random.stateless_normal((_MATRIX, _MATRIX), seed=(0, 0))
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        tf.matmul(a, a).numpy()
        seconds.append(time.perf_counter() - start)
    # The first one allocates.
    return 2 * _MATRIX**3 / min(seconds[1:])


def operations(shape):
    """Return the operations of a training step for one image: the products of the layers alone.

    The gradients cost what the values do, twice: with respect to the weights and to the inputs.
    """
    import ours

    def products(layer):
        places = 1
        if "Conv2D" in type(layer).__name__:
            transposed = "Transpose" in type(layer).__name__
            places = np.prod((layer.input if transposed else layer.output).shape[1:3])
        return places * np.prod(layer.kernel.shape) if hasattr(layer, "kernel") else 0

    vae = ours.build(shape)
    layers = [layer for network in (vae.encoder, vae.decoder) for layer in network.layers]
    return 6 * int(sum(products(layer) for layer in layers))


def compare(name, contenders, data, rounds):
    """Return what each contender took, and whether all learnt the same."""
    peers = {}
    for contender, arguments in contenders.items():
        print(f"{name}: starting {contender}", file=sys.stderr)
        # While others have their turn the system may take away what one has in memory: of each
        # turn's two epochs the second counts.
        peers[contender] = Peer(arguments, name, data, 1 + 2 * rounds)
    rates = [matrix_rate()]
    for _ in range(rounds):
        for peer in peers.values():
            peer.epoch()
            peer.epoch()
        rates.append(matrix_rate())
    for peer in peers.values():
        peer.stop()
    with np.load(data) as file:
        images = len(file["x"])
    rate = statistics.median(rates)
    ideal = operations(shape_of(name)) / rate
    found = {contender: _summary(peer, images, ideal) for contender, peer in peers.items()}
    losses = [entry["loss"] for entry in found.values()]
    return {
        "contenders": found,
        "images": images,
        "processors": os.cpu_count(),
        "same_loss": max(losses) - min(losses) <= _SAME_LOSS * min(losses),
        "matrix_operations_per_second": rate,
    }


def _summary(peer, images, ideal):
    rounds = [entry["seconds"] for entry in peer.epochs[2::2]]
    seconds = statistics.median(rounds)
    return {
        "seconds": seconds,
        "images_per_second": images / seconds,
        "share_of_matrix_peak": ideal * images / seconds,
        "loss": peer.epochs[-1]["loss"],
        "peak_bytes": peer.epochs[-1]["peak_bytes"],
        "first_step_seconds": peer.first_step,
        "rounds": rounds,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shapes", nargs="*", default=list(speed_page.SHAPES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, help="the first ones alone; nothing is written")
    parser.add_argument("--only", help="contenders, parted by semicolons; nothing is written")
    arguments = parser.parse_args()
    names = arguments.only.split(";") if arguments.only else CONTENDERS
    contenders = {name: CONTENDERS[name] for name in names}
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "images.npz"
        for name in arguments.shapes:
            np.savez(data, x=mnist(shape_of(name))[: arguments.images])
            results[name] = compare(name, contenders, data, arguments.rounds)
            print(speed_page.table({name: results[name]}), flush=True)
            if not (arguments.only or arguments.images):
                RESULTS.mkdir(parents=True, exist_ok=True)
                (RESULTS / f"{name}.json").write_text(json.dumps(results[name], indent=2) + "\n")
                speed_page.write()
    print(speed_page.short_table(results))


if __name__ == "__main__":
    main()
