"""Where an example is abnormal: the surprise of each pixel or column beyond what is usual."""

import numpy as np
from keras import ops

from keras_vae.likelihoods import Likelihood
from keras_vae.parts import in_parts


def can_explain(vae):
    """Return whether a VAE's likelihood gives the log-probability of each element."""
    return type(vae.likelihood).element_log_prob is not Likelihood.element_log_prob


def surprise(vae, x):
    """Return -log p(x_i|z) of each element at the centre of q(z|x), in nats.

    Args:
        vae: `VAE`.
        x: array `(B, *event)`.

    Output shape:
        `(B, *event)`, a NumPy array of float32.
    """

    def of_rows(rows):
        rows = ops.convert_to_tensor(rows, "float32")
        params = vae.reconstruction_params(rows)
        return -vae.likelihood.element_log_prob(rows, params)

    return in_parts(of_rows, x)


def heat(images, maps, limit):
    """Return images with what is abnormal in them in red, over the image in grey.

    Args:
        images: array `(N, H, W, C)` in [0, 1].
        maps: array `(N, H, W, C)` in nats, as `AnomalyDetector.explain` gives.
        limit: float > 0, the nats of a pixel that are shown as full red.

    Output shape:
        `(N, H, W, 3)`, in [0, 1].
    """
    grey = np.repeat(np.asarray(images).mean(axis=-1, keepdims=True), 3, axis=-1)
    share = np.clip(np.asarray(maps).sum(axis=-1, keepdims=True) / limit, 0.0, 1.0)
    red = np.array([1.0, 0.1, 0.0])
    return (1.0 - share) * (0.25 + 0.5 * grey) + share * red
