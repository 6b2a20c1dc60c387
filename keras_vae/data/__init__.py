"""Images and tables as `tf.data.Dataset`s: bundled, by name, from folders, files and arrays."""

from keras_vae.data.few_labels import few_labels
from keras_vae.data.loaded import ImageData, LoadedData, TableData
from keras_vae.data.loading import load
from keras_vae.data.reading import image_paths, read_images
from keras_vae.data.tfds_source import DataUnavailableError

__all__ = [
    "DataUnavailableError",
    "ImageData",
    "LoadedData",
    "TableData",
    "few_labels",
    "image_paths",
    "load",
    "read_images",
]
