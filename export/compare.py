"""Compare what an exported file gives with what the Keras model gave, number by number.

It needs NumPy and the runtime of the file alone.
"""

import io
from typing import NamedTuple

import numpy as np

from export.formats import DECISION, ENDPOINTS, Z_TOLERANCE

# Rounding alone makes a row differ by so much with the rows beside it.
_BATCH_TOLERANCE = 1e-5
# Rounding to 8 bits may turn the other way at a half.
_LEVEL = 1.0 / 255.0
_UINT8_PSNR = 60.0
_PERFECT_MSE = 1e-12
# What two errors of one size have more than one, in dB.
_TWO_NETWORKS = 3.0
_WINDOW = 7


class Comparison(NamedTuple):
    """How a file differs from the Keras model.

    Attributes:
        errors: dict from endpoint to a dict from output to a dict of numbers.
        worst_error: float, the largest difference of an output, as a part of the largest
            magnitude of that output in the Keras model, or of 1 if that is less.
        failures: tuple of str, what is out of bounds: endpoint, output and number.
    """

    errors: dict
    worst_error: float
    failures: tuple


def compare(runtime, vectors, gate):
    """Run a file on golden inputs and compare what it gives.

    Args:
        runtime: `export.runtimes.Runtime`.
        vectors: dict from endpoint to a pair of dicts of arrays, inputs and outputs, such as
            `export.vectors.load` gives.
        gate: `formats.Gate`.
    """
    errors, failures, worst = {}, [], 0.0
    for endpoint, (inputs, expected) in vectors.items():
        if endpoint not in runtime.endpoints:
            failures.append(f"`{endpoint}` is missing")
            continue
        results = _run(runtime, endpoint, inputs)
        alone = _run(runtime, endpoint, {name: value[1:2] for name, value in inputs.items()})
        batches = {
            size: _run(runtime, endpoint, _rows(inputs, size)) for size in runtime.batch_sizes
        }
        errors[endpoint] = {}
        for name, value in expected.items():
            if name == DECISION:
                continue
            bounds = _bounds(endpoint, name, gate)
            found, problems = _output(results[name], alone[name], value, bounds)
            problems += _batches(batches, name, value, bounds)
            errors[endpoint][name] = found
            worst = max(worst, found.get("relative_error", np.inf))
            failures += [f"`{name}` of `{endpoint}` {problem}" for problem in problems]
        failures += _undecided(results)
    return Comparison(errors, float(worst), tuple(failures))


def _undecided(results):
    """Return what is wrong with a decision: rounding may turn it, but only with its score."""
    if DECISION not in results:
        return []
    wanted = results["anomaly_score"] > results["threshold"]
    wrong = int((results[DECISION] != wanted).sum())
    return [f"`{DECISION}` is not what its score says in {wrong} rows"] if wrong else []


def as_arrays(outputs):
    """Return outputs as arrays of numbers: PNG files as their pixels."""
    return {
        name: _png_pixels(value) if np.asarray(value).dtype == object else np.asarray(value)
        for name, value in outputs.items()
    }


def _run(runtime, endpoint, inputs):
    return as_arrays(runtime.run(endpoint, **inputs))


def _rows(arrays, count):
    """Return the rows of arrays over and over, `count` of them."""
    return {name: np.resize(value, (count, *value.shape[1:])) for name, value in arrays.items()}


def _batches(batches, name, expected, bounds):
    """Return what is wrong with an output in batches of the sizes that the file is made for."""
    problems = []
    for size, results in batches.items():
        (wanted,) = _rows({name: expected}, size).values()
        problem = _kind(results[name], wanted) or _largest(results[name], wanted, bounds)[1]
        problems += [f"in a batch of {size} {problem}"] if problem else []
    return problems


def _bounds(endpoint, name, gate):
    """Return the largest relative error of an output, and the least PSNR if it is an image."""
    if name == "z":
        return Z_TOLERANCE, None
    if name in ("image", "image_bytes"):
        return gate.image, gate.psnr - (_TWO_NETWORKS if endpoint == "reconstruct" else 0.0)
    return gate.other, None


def _output(result, alone, expected, bounds):
    """Return the numbers of one output, and what is wrong with it."""
    problem = _kind(result, expected)
    if problem:
        return {}, [problem]
    found, problem = _largest(result, expected, bounds)
    problems = [problem] if problem else []
    tolerance = _LEVEL if expected.dtype == np.uint8 else _BATCH_TOLERANCE
    scale = _scale(expected)
    result, alone, expected = (_floats(value) / scale for value in (result, alone, expected))
    found["batch_difference"] = float(np.max(np.abs(alone - result[1:2])))
    if not found["batch_difference"] <= tolerance:
        problems.append(
            f"changes by {found['batch_difference']:.2g} with the rows beside it in a batch"
        )
    least_psnr = bounds[1]
    if least_psnr is not None:
        psnr, ssim = _psnr(result - expected), _ssim(result, expected)
        found |= {
            "psnr_mean": float(np.mean(psnr)),
            "psnr_worst": float(np.min(psnr)),
            "ssim_mean": float(np.mean(ssim)),
            "ssim_worst": float(np.min(ssim)),
        }
        if tolerance == _LEVEL:
            least_psnr = min(least_psnr, _UINT8_PSNR)
        # Of each half, since one is of the prior and the other of the posterior.
        least = min(float(np.mean(half)) for half in np.array_split(psnr, 2))
        if not least >= least_psnr:
            problems.append(
                f"has a mean PSNR of {least:.1f} dB, which must be at least {least_psnr:g} dB"
            )
    return found, problems


def _kind(result, expected):
    """Return what is wrong with the type and the shape of an output, or ""."""
    if result.shape == expected.shape and result.dtype == expected.dtype:
        return ""
    return (
        f"is {result.dtype} of shape {result.shape}, in the Keras model "
        f"{expected.dtype} of shape {expected.shape}"
    )


def _largest(result, expected, bounds):
    """Return the largest differences as a dict, and what is wrong with them, or ""."""
    scale, allowed = _scale(expected), bounds[0]
    if expected.dtype == np.uint8:
        allowed += _LEVEL
    error = float(np.max(np.abs(_floats(result) - _floats(expected))))
    found = {"max_abs_error": error, "relative_error": error / scale}
    # Written so that NaN fails.
    if found["relative_error"] <= allowed:
        return found, ""
    return found, (
        f"differs from the Keras model by {found['relative_error']:.2g}, which may be at most "
        f"{allowed:.2g}"
    )


def _scale(expected):
    return max(1.0, float(np.max(np.abs(_floats(expected)))))


def _floats(value):
    """Return numbers as floats, 8-bit integers as parts of 255."""
    return value / 255.0 if value.dtype == np.uint8 else np.asarray(value, np.float64)


def _psnr(difference):
    """Return the peak signal-to-noise ratio of each row, in dB, for a peak of 1."""
    mse = np.mean(np.square(difference.reshape(len(difference), -1)), axis=1)
    return -10.0 * np.log10(np.maximum(mse, _PERFECT_MSE))


def _ssim(result, expected):
    """Return the mean structural similarity of each row.

    Wang et al. 2004, eq. 13, https://doi.org/10.1109/TIP.2003.819861, with a square window of 7
    pixels, or of the whole side where that is less, and a peak of 1.
    """
    return np.array([_row_ssim(*pair) for pair in zip(result, expected, strict=True)])


def _row_ssim(first, second):
    first, second = (np.asarray(image, np.float64) for image in (first, second))
    axes = (0, 1) if first.ndim == 3 else (0,)
    window = tuple(min(_WINDOW, first.shape[axis]) for axis in axes)

    def mean(image):
        views = np.lib.stride_tricks.sliding_window_view(image, window, axes)
        return views.mean(axis=tuple(range(-len(axes), 0)))

    means = mean(first), mean(second)
    variances = [
        mean(np.square(image)) - m**2 for image, m in zip((first, second), means, strict=True)
    ]
    covariance = mean(first * second) - means[0] * means[1]
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * means[0] * means[1] + c1) * (2 * covariance + c2)
    similarity /= (means[0] ** 2 + means[1] ** 2 + c1) * (sum(variances) + c2)
    return similarity.mean()


def _png_pixels(files):
    from PIL import Image

    images = [np.asarray(Image.open(io.BytesIO(file))) for file in files]
    return np.stack([image[..., None] if image.ndim == 2 else image for image in images])


def endpoints_of(vectors, names):
    """Return the part of golden vectors that some endpoints have, in the order of the table."""
    return {name: vectors[name] for name in ENDPOINTS if name in names}
