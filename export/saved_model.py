"""Write the endpoints of a VAE as a TensorFlow SavedModel."""

import contextlib
import errno
import io
import os

import keras
import tensorflow as tf

from export import endpoints, formats, quiet
from export.errors import message

_ERRNO = {
    tf.errors.ResourceExhaustedError: errno.ENOSPC,
    tf.errors.OutOfRangeError: errno.EFBIG,
    tf.errors.PermissionDeniedError: errno.EACCES,
}


def write(vae, path, functions, batch_sizes=(None,)):
    """Write a SavedModel with a signature for each endpoint and batch size.

    Args:
        vae: `keras_vae.VAE`, built, in float32.
        path: `pathlib.Path` of the folder to write.
        functions: dict from endpoint to function, such as those of `endpoints.functions`.
        batch_sizes: tuple of int >= 1, or of None for one that is open.

    Raises:
        OSError: if the disk is full or refuses.
    """
    # Without `track`, which would write each weight a second time: the archive finds the variables
    # that its endpoints use.
    archive = keras.export.ExportArchive()
    for name, function in functions.items():
        for batch_size in batch_sizes:
            specs = endpoints.signature(vae, name, batch_size)
            # Traced here, so that what goes wrong below is the disk's fault.
            try:
                traced = archive.add_endpoint(formats.signature(name, batch_size), function, specs)
                traced.get_concrete_function()
            except (TypeError, ValueError, AttributeError) as error:
                raise _untraceable(name, error) from error
    try:
        # Older versions of Keras announce the file whatever `verbose` says.
        with quiet.native_stderr(), contextlib.redirect_stdout(io.StringIO()):
            archive.write_out(str(path), verbose=False)
    except tf.errors.OpError as error:
        code = _ERRNO.get(type(error), errno.EIO)
        raise OSError(code, os.strerror(code), str(path)) from error


def _untraceable(name, error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ValueError(
        message(
            "Export needs networks that TensorFlow can trace as a graph",
            f"`{name}` with {lines[-1] if lines else type(error).__name__}",
            "Build the layer at fault of keras.ops or TensorFlow operators.",
        )
    )
