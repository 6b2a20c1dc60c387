"""Measure the whole road: start-up, demo, and what MNIST reaches with the command line.

    python benchmarks/road.py [--rows startup demo mnist textbook] [--out FILE.json]

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


def startup(folder):
    """Seconds until --help and --version answer: medians."""
    return {
        f"{option}_seconds": statistics.median(run(f"--{option}") for _ in range(_ROUNDS))
        for option in ("help", "version")
    }


def demo(folder):
    """Seconds of what `make demo` does after the installation, in its order."""
    target = folder / "demo"
    exported = target / "export" / "tflite" / "model_float32.tflite"
    picture = folder / "generated.png"
    return {
        "train_seconds": run("train", "digits", "--out", target),
        "evaluate_seconds": run("evaluate", target),
        "export_seconds": run("export", target),
        "generate_seconds": run(
            "export", "generate", exported, "--seed", 7, "-n", 64, "--out", picture
        ),
    }


def mnist(folder):
    """Test -ELBO and NLL (k=500, all 10,000 images) of ten epochs on binarised MNIST."""
    target = folder / "mnist"
    options = ("--binarize", "dynamic", "--latent-dim", 20, "--epochs", 10)
    seconds = run("train", "mnist", "--out", target, *options)
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


def textbook(folder):
    """Training loss after ten epochs of the textbook recipe: conv, two dimensions, grey pixels.

    A dense layer of 16 units comes before z, as the texts have it. With two dimensions some
    initial weights stay at the mean image, at 206 nats, or use one dimension only: network seeds
    0 and 10 do.
    """
    import keras_vae as kv

    data = kv.data.load("mnist", batch_size=128, validation_fraction=0)
    vae = kv.VAE(
        kv.networks.conv_encoder(data.image_shape, latent_dim=2, units=16, seed=1),
        kv.networks.conv_decoder(data.image_shape, latent_dim=2, seed=2),
        seed=3,
    )
    vae.compile(optimizer="adam")
    start = time.perf_counter()
    history = vae.fit(data.train, epochs=10, verbose=0).history
    return {"train_seconds": time.perf_counter() - start, "loss": history["loss"][-1]}


ROWS = {row.__name__: row for row in (startup, demo, mnist, textbook)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("road.json"))
    arguments = parser.parse_args()
    results = {"machine": f"{platform.machine()}, Python {platform.python_version()}"}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.rows:
            results[name] = ROWS[name](pathlib.Path(folder))
            print(name, json.dumps(results[name]), flush=True)
            arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
