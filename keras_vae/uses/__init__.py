"""What a trained run is used for, over inputs of any size.

Those that write a row of results for each example do so in shards that a restart goes on with.
"""

from keras_vae.uses.compressing import compress, decompress
from keras_vae.uses.detecting import detect
from keras_vae.uses.labels import at
from keras_vae.uses.restoring import Restored, denoise, inpaint, restyle, upscale
from keras_vae.uses.verbs import classify, embed, generate_rows, reconstruct_rows, score
from keras_vae.uses.writing import Written

__all__ = [
    "Restored",
    "Written",
    "at",
    "classify",
    "compress",
    "decompress",
    "denoise",
    "detect",
    "embed",
    "generate_rows",
    "inpaint",
    "reconstruct_rows",
    "restyle",
    "score",
    "upscale",
]
