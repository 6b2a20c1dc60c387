"""What a trained run is used for, over inputs of any size: embed, score, detect, and rows.

Each writes a row of results for each example, in shards that a restart goes on with.
"""

from keras_vae.uses.detecting import DETECTORS, detect, detector, maps_path
from keras_vae.uses.inputs import open_examples
from keras_vae.uses.verbs import embed, generate_rows, reconstruct_rows, score
from keras_vae.uses.writing import Written

__all__ = [
    "DETECTORS",
    "Written",
    "detect",
    "detector",
    "embed",
    "generate_rows",
    "maps_path",
    "open_examples",
    "reconstruct_rows",
    "score",
]
