"""Compare an exported file with the Keras model, number by number."""

import numpy as np

from export import endpoints, rows
from export.formats import Z_TOLERANCE

_ROWS = 4
_SEED = 7
# Half precision alone moves the outputs by less, on average.
_REBUILT_TOLERANCE = 0.05


class VerificationError(RuntimeError):
    """An exported file does not give what the Keras model gives."""


def references(vae):
    """Return what the Keras model gives for fixed inputs.

    Args:
        vae: `keras_vae.VAE`, built.

    Returns:
        dict from endpoint to a pair of dicts of arrays: inputs and outputs.

    Raises:
        VerificationError: if the model itself gives NaN or infinity.
    """
    inputs = _inputs(vae)
    found = {}
    for name, function in endpoints.functions(vae).items():
        chosen = {key: inputs[key] for key in endpoints.ENDPOINTS[name].inputs}
        outputs = {key: np.asarray(value) for key, value in function(**chosen).items()}
        for key, value in outputs.items():
            if not np.all(np.isfinite(value)):
                raise VerificationError(
                    f"`{key}` of `{name}` of the Keras model has NaN or infinity in it, so that "
                    "nothing can be compared with it. Train the model again, or load weights of "
                    "an earlier epoch."
                )
        found[name] = chosen, outputs
    return found


def verify_rebuilt(vae, expected):
    """Check that a float32 copy is the same model as the VAE that it was rebuilt from.

    Args:
        vae: `keras_vae.VAE` in half precision.
        expected: what `references` returned for the copy.

    Raises:
        VerificationError: if they differ by more than rounding.
    """
    functions = endpoints.functions(vae)
    for name in ("decode", "encode"):
        inputs, outputs = expected[name]
        for key, value in functions[name](**inputs).items():
            scale = max(1.0, np.max(np.abs(outputs[key])))
            error = float(np.mean(np.abs(np.asarray(value) - outputs[key])) / scale)
            if not error <= _REBUILT_TOLERANCE:
                raise VerificationError(
                    f"`{key}` of `{name}` changes by {error:.2g} on average when the networks are "
                    "rebuilt in float32, so that their get_config must leave something out. "
                    "Nothing was exported."
                )


def verify(runtime, expected, tolerance, label):
    """Compare an exported file with the Keras model, in a batch and one row alone.

    Args:
        runtime: `export.runtimes.Runtime`.
        expected: what `references` returned.
        tolerance: float, the largest error of an output other than z.
        label: str, how to name the file in an error.

    Returns:
        float, the worst error: the largest difference, as a part of the largest magnitude of
        that output, or of 1 if that is less.

    Raises:
        VerificationError: which file, output and number is wrong.
    """
    worst = 0.0
    for name, (inputs, outputs) in expected.items():
        if name not in runtime.endpoints:
            raise VerificationError(f"{label} has no `{name}`.")
        for chosen in (slice(None), slice(1, 2)):
            results = runtime.run(name, **{key: value[chosen] for key, value in inputs.items()})
            for key, value in outputs.items():
                allowed = Z_TOLERANCE if key == "z" else tolerance
                where = f"{label}: `{key}` of `{name}`"
                worst = max(worst, _compare(where, results[key], value[chosen], allowed))
    return worst


def _compare(where, result, expected, allowed):
    if result.shape != expected.shape or result.dtype != expected.dtype:
        raise VerificationError(
            f"{where} is {result.dtype} of shape {result.shape}, in the Keras model "
            f"{expected.dtype} of shape {expected.shape}."
        )
    difference = np.abs(result.astype(np.float64) - expected)
    error = float(np.max(difference) / max(1.0, np.max(np.abs(expected))))
    # Written so that NaN fails.
    if not error <= allowed:
        raise VerificationError(
            f"{where} differs from the Keras model by {error:.2g}, which may be at most "
            f"{allowed:g}. Nothing was exported."
        )
    return error


def _inputs(vae):
    generator = np.random.default_rng(_SEED)
    types = endpoints.input_types(vae)
    return {
        "z": generator.standard_normal((_ROWS, *types["z"][0]), np.float32),
        "image": generator.random((_ROWS, *types["image"][0]), np.float32),
        "seed": rows.row_seeds(_SEED, _ROWS),
        "temperature": np.array([1.0, 0.7, 1.3, 0.0], np.float32),
    }
