"""What a trained run is used for, over inputs of any size.

Those that write a row of results for each example do so in shards that a restart goes on with.
"""

from keras_vae.uses.compressing import compress, decompress
from keras_vae.uses.detecting import DETECTORS, detect, detector, maps_path
from keras_vae.uses.inputs import open_examples
from keras_vae.uses.labels import (
    at,
    classes,
    has_labels,
    is_count,
    knows_labels,
    labels_of,
    name_of,
)
from keras_vae.uses.restoring import Restored, denoise, inpaint, restyle, upscale
from keras_vae.uses.verbs import classify, embed, generate_rows, reconstruct_rows, score
from keras_vae.uses.writing import Written

__all__ = [
    "DETECTORS",
    "Restored",
    "Written",
    "at",
    "classes",
    "classify",
    "compress",
    "decompress",
    "denoise",
    "detect",
    "detector",
    "embed",
    "generate_rows",
    "has_labels",
    "inpaint",
    "is_count",
    "knows_labels",
    "labels_of",
    "maps_path",
    "name_of",
    "open_examples",
    "reconstruct_rows",
    "restyle",
    "score",
    "upscale",
]
