"""Run ONNX files in ONNX Runtime."""

import json
import pathlib

from export.formats import ENDPOINTS, onnx_output
from export.metadata import KEY
from export.runtimes.base import Runtime, not_exported


def open_file(path):
    """Return the `Runtime` of an ONNX file, or of a folder with one for each endpoint."""
    return _ONNX(path)


class _ONNX(Runtime):
    """ONNX files in ONNX Runtime, of any batch size, each named after its endpoint."""

    def __init__(self, path):
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError(
                "An .onnx file runs in ONNX Runtime: pip install onnxruntime."
            ) from error
        path = pathlib.Path(path)
        files = [path] if path.is_file() else sorted(path.glob("*.onnx"))
        self._sessions, row_shapes, about = {}, {}, {}
        for file in files:
            try:
                session = onnxruntime.InferenceSession(
                    str(file), providers=["CPUExecutionProvider"]
                )
            # Its exceptions are of classes that are not public.
            except Exception as error:
                reason = str(error).strip().partition("\n")[0]
                raise not_exported(file, f"a file that ONNX Runtime refuses: {reason}") from error
            self._sessions[file.stem] = session
            row_shapes[file.stem] = {
                value.name: tuple(value.shape[1:]) for value in session.get_inputs()
            }
            try:
                about = json.loads(session.get_modelmeta().custom_metadata_map.get(KEY, "{}"))
            except ValueError as error:
                raise not_exported(file, "metadata that are damaged") from error
            names = {value.name for value in session.get_outputs()}
            wanted = ENDPOINTS.get(file.stem)
            if wanted and names != {onnx_output(file.stem, name) for name in wanted.given(names)}:
                raise not_exported(file, f"outputs {', '.join(sorted(names))}")
        super().__init__(path, row_shapes, about)

    def _run(self, endpoint, inputs):
        session = self._sessions[endpoint]
        names = ENDPOINTS[endpoint].given({value.name for value in session.get_outputs()})
        wanted = [onnx_output(endpoint, name) for name in names]
        return dict(zip(names, session.run(wanted, inputs), strict=True))
