"""Measure the whole road: start-up, demo, and what MNIST reaches with the command line.

    python benchmarks/road.py [--rows startup imports demo mnist textbook] [--out FILE.json]

`mnist` and `textbook` want the MNIST of TensorFlow Datasets. Each row prints as it is measured,
and the file is rewritten after each, so that an interrupted run keeps its rows.
"""

import argparse
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

_ROUNDS = 7
_COMMAND = [sys.executable, "-m", "keras_vae_cli"]


def run(*arguments):
    """Run `keras-vae` with arguments, and return the seconds that it took."""
    start = time.perf_counter()
    subprocess.run([*_COMMAND, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def startup(folder, arguments):
    """Seconds until --help and --version answer: medians."""
    return {
        f"{option}_seconds": statistics.median(run(f"--{option}") for _ in range(_ROUNDS))
        for option in ("help", "version")
    }


def imports(folder, arguments):
    """Seconds that `import keras_vae` adds to TensorFlow and Keras: medians of turns."""
    codes = {"tensorflow_and_keras": "import tensorflow, keras"}
    codes["keras_vae_too"] = f"{codes['tensorflow_and_keras']}, keras_vae"
    seconds = {name: [] for name in codes}
    for _ in range(_ROUNDS):
        for name, code in codes.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - start)
    medians = {f"{name}_seconds": statistics.median(values) for name, values in seconds.items()}
    first, second = medians.values()
    return medians | {"added_seconds": second - first}


def demo(folder, arguments):
    """Seconds of what `make demo` does after the installation, and what its model reaches."""
    target = folder / "demo"
    exported = target / "export" / "tflite" / "model_float32.tflite"
    picture = folder / "generated.png"
    seconds = {
        "train_seconds": run("train", "digits", "--out", target),
        "evaluate_seconds": run("evaluate", target),
        "export_seconds": run("export", target),
        "generate_seconds": run(
            "export", "generate", exported, "--seed", 7, "-n", 64, "--out", picture
        ),
    }
    metrics = json.loads((target / "metrics.json").read_text())
    names = ("elbo", "elbo_standard_error", "nll", "nll_standard_error", "num_samples", "n")
    return seconds | {name: metrics[name] for name in names}


def mnist(folder, arguments):
    """Test -ELBO and NLL (k=500, all 10,000 images) of ten epochs on binarised MNIST."""
    target = folder / "mnist"
    recipe = ("--recipe", "textbook", "--latent-dim", 20, "--epochs", 10)
    seconds = run("train", "mnist", "--out", target, "--binarize", "dynamic", *recipe)
    evaluation = run("evaluate", target, "--num-samples", 500)
    metrics = json.loads((target / "metrics.json").read_text())
    return {
        "train_seconds": seconds,
        "evaluate_seconds": evaluation,
        "negative_elbo": -metrics["elbo"],
        **{
            name: metrics[name]
            for name in ("elbo_standard_error", "nll", "nll_standard_error", "num_samples", "n")
        },
    }


def textbook(folder, arguments):
    """Training loss after ten epochs of the texts' recipe: conv, two dimensions, grey pixels.

    Beside the recipe as the texts write it, from the same initial weights, of several seeds. In
    the first steps most of the 16 ReLU units before z die, of either; from weights of which all
    do, the training stays at the mean image, at 206 nats.
    """
    import keras
    import numpy as np
    import textbook

    import keras_vae as kv

    def loss(seed):
        # Without seeds of their own, networks take Keras's: the texts' weights.
        keras.utils.set_random_seed(seed)
        encoder = kv.networks.conv_encoder(data.image_shape, latent_dim=2, units=16)
        decoder = kv.networks.conv_decoder(data.image_shape, latent_dim=2)
        _check_equal((encoder, decoder), textbook.networks_of(seed))
        vae = kv.VAE(encoder, decoder, seed=seed)
        vae.compile(optimizer="adam")
        return vae.fit(data.train, epochs=10, verbose=0).history["loss"][-1]

    data = kv.data.load("mnist", batch_size=128, validation_fraction=0)
    x = np.concatenate(list(data.train))
    losses, peer = [], []
    for seed in arguments.seeds:
        losses.append(loss(seed))
        peer.append(textbook.loss_after(x, epochs=10, seed=seed))
        print(f"textbook, seed {seed}: {losses[-1]:.1f}, as the texts {peer[-1]:.1f}", flush=True)
    return {
        "seeds": arguments.seeds,
        "loss": losses,
        "median_loss": statistics.median(losses),
        "loss_as_the_texts": peer,
        "median_loss_as_the_texts": statistics.median(peer),
    }


def _check_equal(networks, others):
    for network, other in zip(networks, others, strict=True):
        for one, two in zip(network.get_weights(), other.get_weights(), strict=True):
            if not (one == two).all():
                raise RuntimeError(f"The initial weights of the {network.name} are not the texts'.")


ROWS = {row.__name__: row for row in (startup, imports, demo, mnist, textbook)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("road.json"))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of textbook")
    arguments = parser.parse_args()
    results = {"machine": f"{platform.machine()}, Python {platform.python_version()}"}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.rows:
            results[name] = ROWS[name](pathlib.Path(folder), arguments)
            print(name, json.dumps(results[name]), flush=True)
            arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
