"""What the Keras model gives for fixed inputs, for exported files to be compared with."""

import numpy as np

from export import calibration, compare, endpoints, rows
from export.formats import ENDPOINTS, LABEL
from export.plan import Plan

_SEED = 5
# Enough rows for a mean PSNR to be stable; fewer of large images.
_MAX_ROWS, _MIN_ROWS, _NUMBERS = 64, 8, 200_000
# Half precision alone moves the outputs by less, on average.
_REBUILT_TOLERANCE = 0.05


class VerificationError(RuntimeError):
    """An exported file does not give what the Keras model gives."""


def references(vae, plan, images=None, label=None):
    """Return what the Keras model gives for fixed inputs.

    Args:
        vae: `keras_vae.VAE`, built.
        plan: `export.plan.Plan`.
        images: None, or a float array `(N, *event)` that no range was calibrated on.
        label: None, or the labels of the images.

    Returns:
        dict from endpoint to a pair of dicts of arrays: inputs and outputs.

    Raises:
        VerificationError: if the model itself gives NaN or infinity.
    """
    inputs = _inputs(vae, images, label)
    found = {}
    for name, function in endpoints.functions(vae, plan).items():
        chosen = {key: inputs[key] for key in ENDPOINTS[name].inputs}
        labels = calibration.labels_to_try(vae, label, len(inputs["z"]), name)
        if labels is not None:
            chosen[LABEL] = labels
        outputs = {key: np.asarray(value) for key, value in function(**chosen).items()}
        outputs = compare.as_arrays(outputs)
        for key, value in outputs.items():
            if not np.all(np.isfinite(value)):
                raise VerificationError(
                    f"`{key}` of `{name}` of the Keras model has NaN or infinity in it, so that "
                    "nothing can be compared with it. Train the model again, or load weights of "
                    "an earlier epoch."
                )
        found[name] = chosen, outputs
    return found


def verify_rebuilt(vae, rebuilt):
    """Check that a float32 copy is the same model as the VAE that it was rebuilt from.

    Args:
        vae: `keras_vae.VAE` in half precision.
        rebuilt: `keras_vae.VAE` in float32.

    Raises:
        VerificationError: if they differ by more than rounding.
    """
    plan = Plan((), ("decode", "encode"))
    expected, functions = references(rebuilt, plan), endpoints.functions(vae, plan)
    for name, (inputs, outputs) in expected.items():
        for key, value in functions[name](**inputs).items():
            scale = max(1.0, np.max(np.abs(outputs[key])))
            error = float(np.mean(np.abs(np.asarray(value) - outputs[key])) / scale)
            if not error <= _REBUILT_TOLERANCE:
                raise VerificationError(
                    f"`{key}` of `{name}` changes by {error:.2g} on average when the networks are "
                    "rebuilt in float32, so that their get_config must leave something out. "
                    "Nothing was exported."
                )


def _inputs(vae, images, label):
    """Return inputs of every kind: half of the z from the prior, half from the posterior."""
    generator = np.random.default_rng(_SEED)
    types = endpoints.input_types(vae)
    event_shape = types["image"][0]
    # Each class and no class have a row, where there are no more than so many.
    kinds = getattr(endpoints.labels_of(vae), "num_classes", None) or 0
    least = min(max(_MIN_ROWS, kinds + 1), _MAX_ROWS)
    n = int(np.clip(_NUMBERS // np.prod(event_shape), least, _MAX_ROWS))
    seeds = rows.row_seeds(_SEED, n)
    temperature = generator.uniform(0.0, 1.0, n).astype(np.float32)
    temperature[:2] = 1.0, 0.0
    if images is None:
        image = generator.random((n, *event_shape), np.float32)
    else:
        image = np.resize(images, (n, *event_shape))
    z = generator.standard_normal((n, vae.latent_dim)).astype(np.float32)
    z[: n // 2] = np.asarray(vae.prior.sample_rows(seeds, np.ones(n, np.float32)))[: n // 2]
    if images is not None:
        if label is not None:
            label = np.resize(label, (n, *label.shape[1:]))[n // 2 :]
        z[n // 2 :] = calibration.posterior_draws(vae, image[n // 2 :], label)
    return {"z": z, "image": image, "seed": seeds, "temperature": temperature}
