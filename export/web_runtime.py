"""The JavaScript runtime of LiteRT for a site: vendored by npm, or its wasm files from a CDN.

`python -m export.web_runtime` builds the bundle anew that is shipped with this package.
"""

import contextlib
import importlib.resources
import json
import pathlib
import shutil
import subprocess
import tempfile
from typing import NamedTuple

from export.errors import close_names, message
from export.trees import replacing

RUNTIMES = ("auto", "vendored", "cdn")
FOLDER = "litert"
BUNDLE = "litert.js"
_PACKAGE = "@litertjs/core"
_CDN = "https://cdn.jsdelivr.net/npm/"
_LICENCE = "LICENSE.txt"
# With relaxed SIMD and without: what `loadLiteRt` chooses between.
_WASM = tuple(
    f"litert_wasm{kind}_internal.{suffix}" for kind in ("", "_compat") for suffix in ("js", "wasm")
)
_BUILT_FROM = ("package.json", "package-lock.json", "entry.js", "banner.txt")
_SECONDS = 300


class Runtime(NamedTuple):
    """Where the runtime of a site comes from.

    Attributes:
        name: str, the package and its version.
        wasm: str, the address of the folder of its wasm files, seen from the page.
        note: str, why it was not vendored where it was to be, if possible; else empty.
    """

    name: str
    wasm: str
    note: str = ""

    @property
    def is_vendored(self):
        return "//" not in self.wasm


def check(runtime):
    """Raise `ValueError` unless it is one of `RUNTIMES`."""
    if runtime not in RUNTIMES:
        legal = ", ".join(map(repr, RUNTIMES))
        fix = close_names(runtime, RUNTIMES)
        raise ValueError(message(f"`runtime` must be one of {legal}", f"runtime={runtime!r}", fix))


def write(folder, runtime="auto"):
    """Write the runtime of a site, and return its `Runtime`.

    Args:
        folder: `pathlib.Path` of the site.
        runtime: "vendored" for all files by npm; "cdn" for the bundle that is shipped, whose wasm
            files the browser fetches from a CDN; "auto" for the first where npm does it.

    Raises:
        RuntimeError: if it is to be vendored and npm is missing or fails.
    """
    version = _version()
    name = f"{_PACKAGE} {version}"
    place = folder / FOLDER
    place.mkdir()
    (place / _LICENCE).write_text(_source(_LICENCE), encoding="utf-8")
    note = ""
    if runtime != "cdn":
        try:
            _vendor(place)
            return Runtime(name, f"{FOLDER}/")
        except RuntimeError as error:
            if runtime == "vendored":
                raise
            note = str(error)
    (place / BUNDLE).write_text(_source(BUNDLE), encoding="utf-8")
    return Runtime(name, f"{_CDN}{_PACKAGE}@{version}/wasm/", note)


def bundle(place):
    """Build the bundle with npm and esbuild, and write it to a folder.

    Args:
        place: `pathlib.Path` of a folder.

    Raises:
        RuntimeError: if npm or Node is missing or fails.
    """
    with _installed() as modules:
        _build(modules, place / BUNDLE)


def _vendor(place):
    with _installed() as modules:
        wasm = modules / "node_modules" / _PACKAGE / "wasm"
        _build(modules, place / BUNDLE)
        for name in _WASM:
            shutil.copyfile(wasm / name, place / name)


@contextlib.contextmanager
def _installed():
    """Yield a temporary folder with the packages of the lock file, and what to build from."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        raise RuntimeError(
            message(
                "Vendoring the runtime takes Node and npm",
                f"no {' and no '.join(missing)} on the PATH",
                "Install Node from https://nodejs.org, or choose the runtime 'cdn'.",
            )
        )
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name in _BUILT_FROM:
            (folder / name).write_text(_source(name), encoding="utf-8")
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        _run(folder, "npm", "ci", *options)
        yield folder


def _build(modules, path):
    esbuild = modules / "node_modules/esbuild/bin/esbuild"
    banner = (modules / "banner.txt").read_text(encoding="utf-8").strip()
    options = ("--bundle", "--format=esm", "--target=es2022", "--minify", "--log-level=error")
    _run(
        modules, "node", esbuild, "entry.js", *options, f"--banner:js={banner}", f"--outfile={path}"
    )


def _run(folder, program, *arguments):
    """Run a program in a folder; what it says is said if it fails."""
    command = [shutil.which(program), *map(str, arguments)]
    try:
        result = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        raise _failed(program, str(error)) from error
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        raise _failed(program, " ".join(lines[:3]) or f"status {result.returncode}")


def _failed(program, received):
    return RuntimeError(
        message(
            f"{program} must build the runtime",
            received,
            "Check the network and npm's settings, or choose the runtime 'cdn'.",
        )
    )


def _version():
    return json.loads(_source("package.json"))["dependencies"][_PACKAGE]


def _source(name):
    files = importlib.resources.files("export") / "web_files/runtime"
    return (files / name).read_text(encoding="utf-8")


def main():
    """Build the shipped bundle anew, in its place in this package."""
    path = pathlib.Path(__file__).parent / "web_files/runtime" / BUNDLE
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        bundle(folder)
        with replacing(path) as file:
            file.write((folder / BUNDLE).read_bytes())
    print(f"Wrote {path}.")


if __name__ == "__main__":
    main()
