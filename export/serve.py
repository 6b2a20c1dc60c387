"""Show a site on this machine alone."""

import contextlib
import errno
import functools
import http.server
import json
import pathlib

from export.errors import message

SITE = "site.json"
FORMAT, FORMAT_VERSION = "keras_vae site", 1
HOST = "127.0.0.1"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".tflite": "application/octet-stream",
}


def is_site(folder):
    """Return whether a folder is a site that this package wrote."""
    try:
        settings = json.loads((pathlib.Path(folder) / SITE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and settings.get("format") == FORMAT


@contextlib.contextmanager
def serving(folder, port=8000):
    """Yield a server of a site on 127.0.0.1, and close it afterwards.

    Args:
        folder: str or `pathlib.Path` of the site.
        port: int from 0 to 65535; 0 for a free one.

    Returns:
        An `http.server.HTTPServer`; `serve_forever` it.

    Raises:
        ValueError: if the folder is no site, or the port is taken or not allowed.
    """
    folder = pathlib.Path(folder)
    if not is_site(folder):
        received = f"{folder}, a folder without one" if folder.is_dir() else f"{folder}, no folder"
        raise ValueError(
            message(
                f"SITE must be a folder that keras-vae export web wrote, with its {SITE}",
                received,
                "Write one with keras-vae export web RUN --out SITE.",
            )
        )
    handler = functools.partial(_Handler, directory=str(folder.resolve()))
    try:
        server = http.server.ThreadingHTTPServer((HOST, port), handler)
    except OSError as error:
        raise _refused(error, port) from error
    with server:
        yield server


def address(server):
    """Return the address of a server's page."""
    return f"http://{HOST}:{server.server_address[1]}/"


def _refused(error, port):
    reasons = {errno.EADDRINUSE: "which is taken", errno.EACCES: "which only root may use"}
    if error.errno not in reasons:
        return error
    return ValueError(
        message(
            "--port must be a free port of this machine",
            f"{port}, {reasons[error.errno]}",
            "Choose another one, or --port 0 for any.",
        )
    )


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, with the types that browsers want; no lists of folders."""

    extensions_map = _TYPES

    def end_headers(self):
        # A site that is written anew is shown anew.
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def list_directory(self, path):
        self.send_error(404)

    def log_message(self, format, *args):
        pass
