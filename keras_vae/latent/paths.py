"""Ways through the latent space: between two points, and along an attribute."""

import numpy as np
from keras import ops

from keras_vae.checks import choice, integer, message

PATHS = ("linear", "spherical")
# Below this sine of the angle between two vectors, it cannot be divided by.
_LEAST_SINE = 1e-6


def interpolate(z_start, z_end, steps=10, path="linear"):
    """Return points between two latent vectors, both ends included as they are.

    Args:
        z_start, z_end: arrays `(D,)`.
        steps: int >= 2, the number of points.
        path: "linear" for the straight line; "spherical" for the great circle, on which the length
            stays that of draws of a standard normal prior (White 2016, section 2.1,
            https://arxiv.org/abs/1609.04468). Of two parallel vectors it is the straight line.

    Output shape:
        `(steps, D)`, a NumPy array of float32.

    Raises:
        ValueError: if the ends differ in shape or are not finite, `steps` is below 2, or the ends
            point in opposite directions, between which there are many great circles.

    Example:

    >>> interpolate([0.0, 0.0], [1.0, 2.0], steps=3).tolist()
    [[0.0, 0.0], [0.5, 1.0], [1.0, 2.0]]
    >>> middle = interpolate([3.0, 0.0], [0.0, 3.0], steps=3, path="spherical")[1]
    >>> round(float(np.linalg.norm(middle)), 4)
    3.0
    """
    integer("steps", steps, 2)
    choice("path", path, PATHS)
    z_start, z_end = (_vector(name, z) for name, z in (("z_start", z_start), ("z_end", z_end)))
    if z_start.shape != z_end.shape:
        raise ValueError(
            message(
                "`z_start` and `z_end` must be latent vectors of one shape (D,)",
                f"shapes {z_start.shape} and {z_end.shape}",
            )
        )
    share = np.linspace(0.0, 1.0, steps)[:, None]
    weights = 1.0 - share, share
    if path == "spherical":
        weights = _on_great_circle(z_start, z_end, weights)
    points = (weights[0] * z_start + weights[1] * z_end).astype("float32")
    # Sums round; the ends are what they are.
    points[0], points[-1] = z_start, z_end
    return points


def morph(vae, x_start, x_end, steps=10, path="linear"):
    """Return the decoded way between the embeddings of two examples.

    Args:
        vae: `VAE`.
        x_start, x_end: arrays `(*event)`.
        steps, path: see `interpolate`.

    Output shape:
        `(steps, *event)`, a NumPy array of float32, whose ends are the reconstructions.
    """
    z_start, z_end = ops.convert_to_numpy(vae.embed(np.stack([x_start, x_end])))
    return ops.convert_to_numpy(vae.decode(interpolate(z_start, z_end, steps, path)))


def attribute(z, labels, present, absent):
    """Return the latent vector of an attribute: from examples without it to those that have it.

    The mean z of one class less that of another (Larsen et al. 2016, section 3.2,
    https://arxiv.org/abs/1512.09300).

    Args:
        z: array `(N, D)`, embeddings.
        labels: array `(N,)`, their classes.
        present, absent: the labels of the two classes.

    Output shape:
        `(D,)`, a NumPy array of float32.

    Raises:
        ValueError: if a class has no example.

    Example:

    >>> attribute([[0.0, 1.0], [2.0, 1.0], [0.0, 3.0]], [0, 0, 1], present=1, absent=0).tolist()
    [-1.0, 2.0]
    """
    z, labels = np.asarray(z, "float64"), np.asarray(labels)
    if z.ndim != 2 or labels.shape != z.shape[:1]:
        raise ValueError(
            message(
                "`z` must be (N, D), and `labels` one label for each",
                f"shapes {z.shape} and {labels.shape}",
            )
        )
    means = []
    for name, label in (("present", present), ("absent", absent)):
        chosen = labels == label
        if not chosen.any():
            there = ", ".join(map(str, np.unique(labels)[:20].tolist()))
            raise ValueError(
                message(f"`{name}` must be a label that there are examples of ({there})", label)
            )
        means.append(z[chosen].mean(axis=0))
    return (means[0] - means[1]).astype("float32")


def shift(z, direction, amounts):
    """Return latent vectors moved along a direction by each of some amounts.

    Args:
        z: array `(D,)` or `(N, D)`.
        direction: array `(D,)`, such as an `attribute`.
        amounts: list of S floats; 0 leaves z as it is, 1 adds the direction once.

    Output shape:
        `(S, D)` or `(N, S, D)`, a NumPy array of float32.

    Example:

    >>> shift([1.0, 1.0], [0.0, 2.0], [0, 0.5, 1]).tolist()
    [[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]]
    """
    z, direction = np.asarray(z, "float32"), _vector("direction", direction)
    if z.shape[-1:] != direction.shape:
        raise ValueError(
            message(
                "`direction` must be as long as z",
                f"shapes {direction.shape} and {z.shape}",
            )
        )
    return z[..., None, :] + np.atleast_1d(np.asarray(amounts, "float32"))[:, None] * direction


def _vector(name, value):
    value = np.asarray(value, "float32")
    if value.ndim != 1 or not value.size or not np.isfinite(value).all():
        received = f"shape {value.shape}" if value.ndim != 1 or not value.size else "NaN, infinity"
        raise ValueError(message(f"`{name}` must be a finite latent vector (D,)", received))
    return value


def _on_great_circle(start, end, weights):
    start, end = start.astype("float64"), end.astype("float64")
    lengths = np.linalg.norm(start) * np.linalg.norm(end)
    if not lengths:
        return weights
    cosine = np.clip(start @ end / lengths, -1.0, 1.0)
    angle = np.arccos(cosine)
    if np.sin(angle) < _LEAST_SINE:
        if cosine > 0:
            return weights
        raise ValueError(
            message(
                "The ends of a spherical path must not point in opposite directions",
                f"an angle of {np.degrees(angle):.4f} degrees",
                'Choose path="linear", or other ends.',
            )
        )
    return tuple(np.sin(weight * angle) / np.sin(angle) for weight in weights)
