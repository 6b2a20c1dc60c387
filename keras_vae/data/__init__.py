"""Images as `tf.data.Dataset`s: bundled, from TensorFlow Datasets, folders, files and arrays."""

from keras_vae.data.image_data import ImageData
from keras_vae.data.loading import load
from keras_vae.data.reading import image_paths, read_images
from keras_vae.data.tfds_source import DataUnavailableError

__all__ = ["DataUnavailableError", "ImageData", "image_paths", "load", "read_images"]
