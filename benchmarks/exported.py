"""Measure exported decoders on MNIST: errors, sizes, partitions, latencies, cold start.

    python benchmarks/exported.py [--run RUN] [--out FILE.json]

It wants the MNIST of TensorFlow Datasets. Without --run it trains the decoder that it measures:
conv, D=16, binarised dynamically, 10 epochs.
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

import numpy as np

PRECISIONS = ("float32", "float16", "dynamic", "int8", "full_int8", "int16x8")
_ROWS = 1000
_ROUNDS = 7
_COLD = """
import sys
from export import load
load(sys.argv[1]).generate(1, seed=7)
print([name for name in ("tensorflow", "keras") if name in sys.modules])
"""


def train(folder):
    """Train the decoder by the command line; return its run folder."""
    run = folder / "run"
    options = ("--binarize", "dynamic", "--latent-dim", "16", "--epochs", "10", "--quiet")
    command = [sys.executable, "-m", "keras_vae_cli", "train", "mnist", "--out", run, *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return run


def draws(vae, data):
    """Return z of the prior, and of the posterior of test images, `(2 * _ROWS, D)`."""
    rng = np.random.default_rng(0)
    prior = np.asarray(vae.prior.sample(_ROWS, seed=1))
    batches = [np.asarray(batch) for batch, _ in zip(data.test, range(_ROWS // 128 + 1))]
    z_mean, z_log_var = (np.asarray(part) for part in vae.encode(np.concatenate(batches)[:_ROWS]))
    noise = rng.standard_normal(z_mean.shape)
    return np.concatenate([prior, z_mean + np.exp(0.5 * z_log_var) * noise]).astype("float32")


def errors(file, z, expected):
    """Return the largest error of a file's images, and their PSNR in dB: mean and worst."""
    difference = file.decode(z) - expected
    mse = np.mean(np.square(difference).reshape(len(z), -1), axis=1)
    psnr = -10 * np.log10(np.maximum(mse, 1e-12))
    return {
        "max_abs_error": float(np.abs(difference).max()),
        "psnr_mean": float(psnr.mean()),
        "psnr_worst": float(psnr.min()),
    }


def cold(path):
    """Return the median seconds of a process that draws one image, and what it imported."""
    seconds, printed = [], ""
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        command = [sys.executable, "-c", _COLD, str(path)]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        printed = result.stdout
        seconds.append(time.perf_counter() - start)
    return {"seconds": statistics.median(seconds), "heavy_imports": printed.strip()}


def measure(run, folder):
    """Export the decoder of a run, and return what is to be known of each file."""
    from export import benchmark, export, load, report
    from keras_vae import runs

    opened = runs.load(run)
    vae, data = opened.vae, opened.load_data()
    exported = export(
        vae, folder, ("saved_model", "onnx", "tflite"), PRECISIONS, ("decode",), data=data
    )
    z = draws(vae, data)
    expected = np.concatenate([np.asarray(vae.decode(part)) for part in np.split(z, 10)])
    inspected = {entry["path"]: entry.get("signatures") for entry in report.read(folder)["files"]}
    base = next(one.size for one in exported if one.path.name == "model_float32.tflite")
    rows = {}
    for one in exported:
        name = one.path.relative_to(folder).as_posix()
        rows[name] = {"size": one.size, "size_of_float32": one.size / base}
        rows[name] |= errors(load(one.path), z, expected)
        if inspected[name]:
            decode = inspected[name]["decode"]
            rows[name]["xnnpack_partitions"] = decode["xnnpack_partitions"]
            rows[name]["outside_xnnpack"] = decode["outside_xnnpack"]
    latency = {}
    for row in benchmark.benchmark(folder, run / runs.MODEL, rounds=_ROUNDS):
        latency[row["file"]] = row["median_ms"]["1"]
    float32 = "tflite/model_float32.tflite"
    return {
        "files": rows,
        "median_ms": latency,
        "saved_model_over_tflite": latency["saved_model/1"] / latency[float32],
        "predict_over_tflite": latency[benchmark.KERAS] / latency[float32],
        "cold_process": cold(folder / float32),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("exported.json"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        run = arguments.run or train(folder)
        results = {"machine": f"{platform.machine()}, Python {platform.python_version()}"}
        results |= measure(run, folder / "exported")
    arguments.out.write_text(json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
