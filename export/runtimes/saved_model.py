"""Run a SavedModel in TensorFlow."""

from export import metadata, quiet
from export.formats import ENDPOINTS
from export.runtimes.base import Runtime, not_exported


def open_file(path):
    """Return the `Runtime` of a SavedModel folder."""
    return _SavedModel(path)


class _SavedModel(Runtime):
    """A SavedModel in TensorFlow, of any batch size."""

    def __init__(self, path):
        with quiet.native_stderr():
            try:
                import tensorflow as tf
            except ImportError as error:
                raise ImportError(
                    "A SavedModel runs in TensorFlow: pip install tensorflow."
                ) from error

            try:
                # Kept, because its signatures do not keep it.
                self._model = tf.saved_model.load(str(path))
            # A damaged file may fail at any depth of TensorFlow, with any type of exception.
            except Exception as error:
                reason = str(error).strip().split("\n")[0]
                raise not_exported(path, f"a folder that TensorFlow refuses: {reason}") from error
        self._functions = dict(self._model.signatures)
        row_shapes = {
            name: {
                key: tuple(spec.shape[1:])
                for key, spec in function.structured_input_signature[1].items()
            }
            for name, function in self._functions.items()
        }
        try:
            about = metadata.read_saved_model(path)
        except ValueError as error:
            raise not_exported(path, "metadata that are damaged") from error
        super().__init__(path, row_shapes, about)

    def _run(self, endpoint, inputs):
        import tensorflow as tf

        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        outputs = self._functions[endpoint](**tensors)
        return {name: outputs[name].numpy() for name in ENDPOINTS[endpoint].given(outputs)}
