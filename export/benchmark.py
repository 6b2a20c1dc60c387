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
from export.errors import message
from export.trees import in_words

RESULT, PICTURE = "benchmark.json", "benchmark.png"
BATCH_SIZES = (1, 32)
_SECONDS = 0.2
_STARTS = 3
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
        `reconstruction_psnr`; `error` instead for a file that does not run.

    Raises:
        ValueError: if the folder holds no report, or no file has `decode`.
    """
    directory = pathlib.Path(directory)
    found = report.read(directory)
    rows = [
        {
            "file": entry["path"],
            "precision": entry["precision"],
            "size": entry["size"],
            "worst_error": entry["worst_error"],
            "path": directory / entry["path"],
            "latent_dim": entry["model"]["latent_dim"],
        }
        for entry in found["files"]
        if "decode" in entry["endpoints"]
    ]
    if not rows:
        raise ValueError(
            message(
                "The benchmark measures `decode`",
                f"{directory}, none of whose files has it",
                "Export with 'decode' among the endpoints.",
            )
        )
    if keras_model is not None:
        path, latent_dim = pathlib.Path(keras_model), rows[-1]["latent_dim"]
        keras = {"file": KERAS, "precision": "float32", "size": path.stat().st_size}
        rows.insert(0, {**keras, "path": path, "latent_dim": latent_dim})
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if images is not None:
            np.save(folder / "images.npy", images)
        workers = {}
        for row in rows:
            place = row.pop("path"), row.pop("latent_dim")
            try:
                row["cold_seconds"] = _cold_seconds(*place)
                workers[row["file"]] = stack.enter_context(_Process(*place))
            except RuntimeError as error:
                row["error"] = str(error)
        times = _times(workers, rounds)
        for row in rows:
            if row["file"] in workers:
                worker = workers[row["file"]]
                row |= _summary(times[row["file"]])
                if images is not None:
                    row |= worker.ask("quality", str(folder / "images.npy"))
                row["peak_memory"] = worker.ask("memory")
    return rows


def _cold_seconds(path, latent_dim):
    """Return the median seconds from the start of a process to its first image."""
    seconds = []
    for _ in range(_STARTS):
        with _Process(path, latent_dim) as worker:
            seconds.append(worker.cold_seconds)
    return float(np.median(seconds))


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
    """Return the seconds of all calls: by file a dict from batch size to rounds."""
    times = {name: {size: [] for size in BATCH_SIZES} for name in workers}
    for _ in range(rounds):
        for size in BATCH_SIZES:
            for name, worker in workers.items():
                times[name][size].append(worker.ask("time", size, _SECONDS))
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


def table(rows, width=None):
    """Return the measurements as lines of text.

    Args:
        rows: list of dicts, of `benchmark`.
        width: int, the most columns of a line, or None; what is wider comes as several tables.
    """
    rows = [row for row in rows if "error" not in row]
    head = ["file", "size", "cold start"]
    head += [f"batch {size}: median, p99" for size in BATCH_SIZES]
    head += ["images/s", "memory", "worst error"]
    has = {name: any(name in row for row in rows) for name in ("elbo", "reconstruction_psnr")}
    head += ["ELBO, nats"] * has["elbo"] + ["PSNR, dB"] * has["reconstruction_psnr"]
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
    first, *others = [max(len(line[i]) for line in lines) for i in range(len(head))]
    parts, taken = [[]], first
    for place, column in enumerate(others, 1):
        if width and parts[-1] and taken + 2 + column > width:
            parts.append([])
            taken = first
        parts[-1].append(place)
        taken += 2 + column
    return "\n\n".join(
        "\n".join(
            "  ".join([line[0].ljust(first), *(line[i].rjust(others[i - 1]) for i in part)])
            for line in lines
        )
        for part in parts
    )


def save_plot(rows, path):
    """Draw size, latency, cold start and memory, a point for each file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [row for row in rows if "error" not in row]
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
        # Points: a bar on a logarithmic axis has no length that means anything.
        axes.plot(values, names, "o", color="#4472a8")
        for value, name in zip(values, names, strict=True):
            place = {"xytext": (7, 0), "textcoords": "offset points", "va": "center"}
            axes.annotate(f"{value:.3g}", (value, name), fontsize=8, **place)
        axes.set(xscale="log", title=title, xlim=(min(values) / 3, max(values) * 8))
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.grid(axis="y", alpha=0.3)
        axes.tick_params(axis="x", labelsize=8)
    axes.invert_yaxis()
    figure.savefig(path, dpi=120, format="png")
