"""Measure every file of an export folder and the Keras model side by side."""

import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

from export import report
from export.trees import in_words

RESULT, PICTURE = "benchmark.json", "benchmark.png"
BATCH_SIZES = (1, 32)
_SECONDS = 0.2
KERAS = "Keras model.predict"


def benchmark(directory, keras_model=None, images=None, rounds=7):
    """Measure the files of an export folder, in alternating rounds, each in its own process.

    Args:
        directory: str or `pathlib.Path` of the export folder.
        keras_model: None, or the path of the `.keras` file that was exported.
        images: None, or a float array `(N, *event)` of test images, for the loss of quality.
        rounds: int >= 1, how often each file has its turn.

    Returns:
        list of dicts, one for each file: `file`, `precision`, `size`, `cold_seconds` (from the
        start of the process to the first image), `median_ms` and `p99_ms` by batch size,
        `images_per_second`, `peak_memory`, `worst_error`, and with images `elbo` and
        `reconstruction_psnr`.

    Raises:
        ValueError: if the folder holds no report.
        RuntimeError: if the process of a file fails.
    """
    directory = pathlib.Path(directory)
    found = report.read(directory)
    latent_dim = found["model"]["latent_dim"]
    rows = [
        {
            "file": entry["path"],
            "precision": entry["precision"],
            "size": entry["size"],
            "worst_error": entry["worst_error"],
            "path": directory / entry["path"],
        }
        for entry in found["files"]
        if "decode" in entry["endpoints"]
    ]
    if keras_model is not None:
        path = pathlib.Path(keras_model)
        size = path.stat().st_size
        rows.insert(0, {"file": KERAS, "precision": "float32", "size": size, "path": path})
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workers = [stack.enter_context(_Process(row["path"], latent_dim)) for row in rows]
        times = _times(workers, rounds)
        if images is not None:
            np.save(folder / "images.npy", images)
        for row, worker, measured in zip(rows, workers, times, strict=True):
            row["cold_seconds"] = worker.cold_seconds
            row |= _summary(measured)
            if images is not None:
                row |= worker.ask("quality", str(folder / "images.npy"))
            row["peak_memory"] = worker.ask("memory")
            del row["path"]
    return rows


class _Process:
    """A worker: one file in a process of its own."""

    def __init__(self, path, latent_dim):
        start = time.perf_counter()
        self._path = path
        self._process = subprocess.Popen(
            [sys.executable, "-m", "export.benchmark_worker", str(path), str(latent_dim)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.ask("first")
        self.cold_seconds = time.perf_counter() - start

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()

    def ask(self, name, *arguments):
        """Have the process do something, and return what it answers."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps([name, arguments]) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            _, errors = self._process.communicate()
            reason = errors.strip().splitlines()[-1:] or ["no reason given"]
            raise RuntimeError(f"{self._path} could not be measured: {reason[0]}")
        return json.loads(line)


def _times(workers, rounds):
    """Return the seconds of all calls: for each worker a dict from batch size to rounds."""
    times = [{size: [] for size in BATCH_SIZES} for _ in workers]
    for _ in range(rounds):
        for size in BATCH_SIZES:
            for worker, measured in zip(workers, times, strict=True):
                measured[size].append(worker.ask("time", size, _SECONDS))
    return times


def _summary(measured):
    median, p99 = {}, {}
    for size, rounds in measured.items():
        # The first round warms up; the median of the rounds' medians bears with a noisy machine.
        kept = rounds[1:] or rounds
        median[str(size)] = 1e3 * float(np.median([np.median(calls) for calls in kept]))
        p99[str(size)] = 1e3 * float(np.quantile(np.concatenate(kept), 0.99))
    largest = max(BATCH_SIZES)
    return {
        "median_ms": median,
        "p99_ms": p99,
        "images_per_second": 1e3 * largest / median[str(largest)],
    }


def table(rows):
    """Return the measurements as lines of text."""
    head = ["file", "size", "cold", *(f"batch {size}, p99" for size in BATCH_SIZES), "images/s"]
    head += ["memory", "worst error"]
    has = {name: any(name in row for row in rows) for name in ("elbo", "reconstruction_psnr")}
    head += ["ELBO"] * has["elbo"] + ["PSNR"] * has["reconstruction_psnr"]
    lines = [head]
    for row in rows:
        error = row.get("worst_error")
        line = [row["file"], in_words(row["size"]), f"{row['cold_seconds']:.2f} s"]
        for size in map(str, BATCH_SIZES):
            line.append(f"{row['median_ms'][size]:.3g}, {row['p99_ms'][size]:.3g} ms")
        line += [f"{row['images_per_second']:,.0f}", in_words(row["peak_memory"])]
        line.append("-" if error is None else f"{error:.1e}")
        for name, wanted in has.items():
            if wanted:
                line.append(f"{row[name]:.2f}" if name in row else "-")
        lines.append(line)
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    first, *others = widths
    return "\n".join(
        "  ".join([line[0].ljust(first), *(c.rjust(w) for c, w in zip(line[1:], others))])
        for line in lines
    )


def save_plot(rows, path):
    """Draw size, latency and memory, a bar for each file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = {
        "size, MB": [row["size"] / 1e6 for row in rows],
        "decode of one image, ms": [row["median_ms"]["1"] for row in rows],
        "cold start, s": [row["cold_seconds"] for row in rows],
        "peak memory, MB": [row["peak_memory"] / 1e6 for row in rows],
    }
    figure = Figure(figsize=(12, 1.2 + 0.45 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    names = [row["file"] for row in rows]
    for axes, (title, values) in zip(
        figure.subplots(1, len(panels), sharey=True), panels.items(), strict=True
    ):
        bars = axes.barh(names, values, color="#4472a8")
        axes.bar_label(bars, labels=[f"{value:.3g}" for value in values], padding=3, fontsize=8)
        axes.set(xscale="log", title=title, xlim=(min(values) / 3, max(values) * 8))
        axes.tick_params(axis="x", labelsize=8)
    axes.invert_yaxis()
    figure.savefig(path, dpi=120, format="png")
