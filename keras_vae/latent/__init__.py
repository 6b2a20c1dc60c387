"""What can be done with z: ways through it, pictures of it, and what it tells of the labels."""

from keras_vae.latent.embedding import Embedding, embed, probe, project
from keras_vae.latent.paths import attribute, interpolate, morph, shift
from keras_vae.latent.walks import Traversal, manifold, traverse

__all__ = [
    "Embedding",
    "Traversal",
    "attribute",
    "embed",
    "interpolate",
    "manifold",
    "morph",
    "probe",
    "project",
    "shift",
    "traverse",
]
