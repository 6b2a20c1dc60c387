"""Images in a few bits for each pixel, by what a VAE has learnt of them."""

from keras_vae.compression.archive import Compressed, compress, decompress, stream

__all__ = ["Compressed", "compress", "decompress", "stream"]
