"""Write the endpoints of a VAE as a TensorFlow SavedModel."""

import contextlib
import errno
import io
import os

import keras
import tensorflow as tf

from export import endpoints, quiet

_ERRNO = {
    tf.errors.ResourceExhaustedError: errno.ENOSPC,
    tf.errors.OutOfRangeError: errno.EFBIG,
    tf.errors.PermissionDeniedError: errno.EACCES,
}


def write(vae, path, batch_size=None):
    """Write a SavedModel with a signature for each endpoint.

    Args:
        vae: `keras_vae.VAE`, built, in float32.
        path: `pathlib.Path` of the folder to write.
        batch_size: None to leave it open, or int >= 1.

    Raises:
        OSError: if the disk is full or refuses.
    """
    # Without `track`, which would write each weight a second time: the archive finds the variables
    # that its endpoints use.
    archive = keras.export.ExportArchive()
    types = endpoints.input_types(vae)
    for name, function in endpoints.functions(vae).items():
        signature = [
            tf.TensorSpec((batch_size, *types[key][0]), types[key][1], name=key)
            for key in endpoints.ENDPOINTS[name].inputs
        ]
        # Traced here, so that what goes wrong below is the disk's fault.
        archive.add_endpoint(name, function, signature).get_concrete_function()
    try:
        # Older versions of Keras announce the file whatever `verbose` says.
        with quiet.native_stderr(), contextlib.redirect_stdout(io.StringIO()):
            archive.write_out(str(path), verbose=False)
    except tf.errors.OpError as error:
        code = _ERRNO.get(type(error), errno.EIO)
        raise OSError(code, os.strerror(code), str(path)) from error
