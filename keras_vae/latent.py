"""Ways through the latent space."""

import numpy as np

from keras_vae.checks import integer, message


def interpolate(z_start, z_end, steps=10):
    """Return the points of the straight line between two latent vectors, both ends included.

    Args:
        z_start, z_end: arrays `(D,)`.
        steps: int >= 2, the number of points.

    Output shape:
        `(steps, D)`, a NumPy array of float32.

    Raises:
        ValueError: if the ends differ in shape or `steps` is below 2.

    Example:

    >>> interpolate([0.0, 0.0], [1.0, 2.0], steps=3).tolist()
    [[0.0, 0.0], [0.5, 1.0], [1.0, 2.0]]
    """
    integer("steps", steps, 2)
    z_start, z_end = np.asarray(z_start, "float32"), np.asarray(z_end, "float32")
    if z_start.shape != z_end.shape or z_start.ndim != 1:
        raise ValueError(
            message(
                "`z_start` and `z_end` must be latent vectors of one shape (D,)",
                f"shapes {z_start.shape} and {z_end.shape}",
            )
        )
    weight = np.linspace(0.0, 1.0, steps, dtype="float32")[:, None]
    return (1 - weight) * z_start + weight * z_end
