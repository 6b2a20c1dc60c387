"""Tours of the latent space: along each axis, and over the plane of two."""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_vae.checks import integer, message, number
from keras_vae.parts import in_parts


class Traversal(NamedTuple):
    """What `traverse` gives.

    Attributes:
        images: array `(A, S, *event)`, a row for each axis, the most active first.
        axes: array `(A,)` of int, which axes they are.
        activity: array `(A,)`, the variance of z over the examples along each.
        values: array `(A, S)`, the z of each image on its axis.
    """

    images: np.ndarray
    axes: np.ndarray
    activity: np.ndarray
    values: np.ndarray


def traverse(vae, examples, start=None, num_axes=10, steps=9, extent=2.5):
    """Decode what lies along single axes of z, the most active axis first.

    How active an axis is, is the variance of the embeddings along it (Burda et al. 2016, section
    5.2, https://arxiv.org/abs/1509.00519), by whose root its steps are counted.

    Args:
        vae: `VAE`.
        examples: array `(N, *event)`, N >= 2, by which the axes are ordered.
        start: array `(*event)` whose z the walks lead through; None for the mean of the embeddings.
        num_axes: int >= 1, at most so many axes.
        steps: int >= 2, images along an axis.
        extent: float > 0, how far to go on both sides of the mean, in standard deviations.

    Returns:
        `Traversal`.

    Raises:
        ValueError: if an argument is out of its range.
    """
    integer("steps", steps, 2)
    number("extent", extent, above=0)
    num_axes = min(integer("num_axes", num_axes, 1), vae.latent_dim)
    z = ops.convert_to_numpy(vae.embed(examples))
    if len(z) < 2:
        raise ValueError(message("`examples` must hold at least two", f"{len(z)}"))
    mean, activity = z.mean(axis=0), z.var(axis=0)
    axes = np.argsort(-activity, kind="stable")[:num_axes]
    centre = mean if start is None else ops.convert_to_numpy(vae.embed(np.asarray(start)[None]))[0]
    offsets = np.linspace(-extent, extent, steps)
    values = mean[axes, None] + offsets * np.sqrt(activity[axes, None])
    points = np.tile(centre, (num_axes, steps, 1))
    for row, axis in enumerate(axes):
        points[row, :, axis] = values[row]
    return Traversal(_decode(vae, points), axes, activity[axes], values.astype("float32"))


def manifold(vae, size=20, axes=(0, 1), extent=0.98):
    """Decode a grid over two axes of the prior, even in probability.

    The points are those between which the standard normal distribution has the same probability:
    its inverse CDF of an even grid (Kingma & Welling 2014, appendix A,
    https://arxiv.org/abs/1312.6114). A prior that is a flow maps them to z; other axes are at
    their centre.

    Args:
        vae: `VAE`, such as one with two latent dimensions.
        size: int >= 2, images along each side.
        axes: pair of ints, the axes of the grid: down, and to the right.
        extent: float in (0, 1), the probability that the grid's sides span.

    Output shape:
        `(size, size, *event)`, a NumPy array of float32.

    Raises:
        ValueError: if an argument is out of its range, or the prior is a mixture.
    """
    integer("size", size, 2)
    number("extent", extent, above=0, below=1)
    if vae.prior.uniform_dim:
        raise ValueError(
            message(
                "`prior` must be one piece, for a grid over it",
                f"{type(vae.prior).__name__}, a mixture",
                "Train with a standard normal prior, or with real_nvp.",
            )
        )
    axes = tuple(axes)
    if len(set(axes)) != 2 or not all(axis in range(vae.latent_dim) for axis in axes):
        raise ValueError(
            message(
                f"`axes` must be two different ones of 0 to {vae.latent_dim - 1}",
                f"axes={axes}",
                "A grid needs at least two latent dimensions.",
            )
        )
    margin = (1.0 - extent) / 2
    side = [NormalDist().inv_cdf(p) for p in np.linspace(margin, 1.0 - margin, size).tolist()]
    normals = np.zeros((size, size, vae.prior.noise_dim), "float32")
    normals[..., axes[0]] = np.array(side)[:, None]
    normals[..., axes[1]] = side
    flat = normals.reshape(size * size, -1)
    z = vae.prior.transform(flat, None, np.ones(len(flat), "float32"))
    return _decode(vae, ops.convert_to_numpy(z).reshape(size, size, -1))


def _decode(vae, z):
    """Decode z `(..., D)` in chunks that bound the memory."""
    found = in_parts(vae.decode, z.reshape(-1, z.shape[-1]))
    return found.reshape(*z.shape[:-1], *vae.event_shape)
