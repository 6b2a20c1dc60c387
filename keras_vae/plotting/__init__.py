"""Pictures of what a VAE makes and of how good it is.

`plot_*` return a matplotlib `Figure`. A notebook shows it where it is the last expression of a
cell, and elsewhere by `display(figure)`; `figure.savefig("a.png")` writes it, and with
`transparent=True` without its background. `save_*` write files of exact pixels.
"""

from keras_vae.plotting.curves import plot_history, plot_kl, plot_rate_distortion
from keras_vae.plotting.detection import plot_roc, plot_scores
from keras_vae.plotting.images import (
    plot_interpolation,
    plot_reconstructions,
    plot_samples,
    plot_traversal,
)
from keras_vae.plotting.latents import plot_latent
from keras_vae.plotting.pixels import (
    image_grid,
    save_animation,
    save_grid,
    save_images,
    save_sequences,
)

__all__ = [
    "image_grid",
    "plot_history",
    "plot_interpolation",
    "plot_kl",
    "plot_latent",
    "plot_rate_distortion",
    "plot_reconstructions",
    "plot_roc",
    "plot_samples",
    "plot_scores",
    "plot_traversal",
    "save_animation",
    "save_grid",
    "save_images",
    "save_sequences",
]
