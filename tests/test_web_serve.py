"""`keras-vae export serve`: what it answers over HTTP, refuses, and ends with."""

import errno
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

from export import serve as serving
from export import web

FILE = "model_float32.tflite"


@pytest.fixture(scope="module")
def site(make_vae, tmp_path_factory):
    """The folder of a site."""
    vae = make_vae()
    vae(np.zeros((1, 4, 4, 1)))
    return web(vae, tmp_path_factory.mktemp("web") / "site", runtime="cdn").path


@pytest.fixture(scope="module")
def answers(site):
    """A function that gets a path from a server of the site: status, type, body."""
    with serving.serving(site, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def get(path):
            connection = http.client.HTTPConnection(*server.server_address, timeout=10)
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.getheader("Content-Type"), response.read()

        yield get
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        (f"/{FILE}", "application/octet-stream"),
    ],
)
def test_the_server_answers_with_the_right_types(answers, site, path, kind):
    body = (site / (path[1:] or "index.html")).read_bytes()
    assert answers(path) == (200, kind, body)


def test_wasm_has_the_type_that_a_browser_compiles(answers, site):
    (site / "litert/a.wasm").write_bytes(b"\0asm")
    assert answers("/litert/a.wasm")[1] == "application/wasm"
    (site / "litert/a.wasm").unlink()


@pytest.mark.parametrize("path", ["/litert/", "/nothing", "/../../../../etc/hostname"])
def test_the_server_shows_no_folders_and_nothing_outside(answers, path):
    assert answers(path)[0] == 404


def test_a_taken_port_and_no_site_are_said(command_line, site, tmp_path):
    with socket.socket() as taken:
        taken.bind((serving.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        outcome = command_line("export", "serve", site, "--port", port)
    assert outcome.status == 2
    assert f"Received: {port}, which is taken. Choose another one" in outcome.err
    for folder in (tmp_path, tmp_path / "none"):
        outcome = command_line("export", "serve", folder)
        assert outcome.status == 2 and "keras-vae export web RUN --out SITE" in outcome.err


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_serve_listens_on_this_machine_alone_until_it_is_ended(site, sent, status):
    command = [sys.executable, "-m", "keras_vae_cli", "export", "serve", site, "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        line = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:(\d+)/ \(Ctrl-C ends it\)\.$", line)
        assert address, line + process.stderr.read()
        connection = http.client.HTTPConnection("127.0.0.1", int(address.group(1)), timeout=10)
        connection.request("GET", "/site.json")
        assert connection.getresponse().status == 200
        with socket.socket() as outside:
            outside.settimeout(5)
            # Another address of the loopback, on which a server of all addresses would answer.
            refusal = outside.connect_ex(("127.0.0.2", int(address.group(1))))
        assert refusal == errno.ECONNREFUSED
        process.send_signal(sent)
        try:
            assert process.wait(10) == status
        finally:
            process.kill()
        assert "Traceback" not in process.stderr.read()


def test_serving_imports_neither_tensorflow_nor_keras(run_python):
    code = "import sys, export.serve, keras_vae_cli.web\n"
    code += "print([name for name in ('tensorflow', 'keras', 'numpy') if name in sys.modules])"
    assert run_python(code).strip() == "[]"
