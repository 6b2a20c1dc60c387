"""The packages that keras-vae asks for: which are there, in the right version, and work."""

import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
from typing import NamedTuple

NAME = "keras-vae"
# Where a package is not called like its module.
_MODULES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "pillow": "PIL",
    "scikit-learn": "sklearn",
}
_USES = {
    "onnx": "exports ONNX files",
    "quantize": "weighs int8 files better",
    "tensorboard": "shows trainings",
}
_REQUIREMENT = re.compile(
    r"(?P<name>[\w.-]+)\s*(?P<wanted>[^;]*?)\s*(?:;.*extra == ['\"](?P<extra>\w+)['\"].*)?$"
)
_COMPARISONS = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}
_SECONDS = 120


class Item(NamedTuple):
    """One thing that was looked at.

    Attributes:
        name: str.
        state: str, "ok", "missing" or "wrong".
        words: str, what was found.
        fix: str, the line to type or the thing to do; "" where all is well.
        needed: bool, whether keras-vae does not work without.
        version: str, of a package; "" where there is none.
        wanted: str, the range of versions that it is asked for; "" for any.
    """

    name: str
    state: str
    words: str
    fix: str = ""
    needed: bool = True
    version: str = ""
    wanted: str = ""

    @property
    def fails(self):
        """Whether keras-vae does not work because of it."""
        return self.needed and self.state != "ok"


class Requirement(NamedTuple):
    """What the metadata of keras-vae says of a package.

    Attributes:
        name: str.
        wanted: str, such as ">=2.18,<3".
        extra: str, the extra that it belongs to, or None.
    """

    name: str
    wanted: str
    extra: str | None

    @property
    def module(self):
        """The module to import."""
        return _MODULES.get(self.name.lower(), self.name.replace("-", "_"))

    @property
    def install(self):
        """The line that installs it."""
        what = f"{NAME}[{self.extra}]" if self.extra else f"{self.name}{self.wanted}"
        return f"pip install '{what}'"


def look():
    """Return an `Item` for Python and for each package, and the devices that TensorFlow sees."""
    try:
        own = importlib.metadata.metadata(NAME)
    except importlib.metadata.PackageNotFoundError:
        fix = "pip install -e . in the folder of its source"
        return [Item(NAME, "missing", "not installed, so that nothing says what it needs", fix)], []
    required = [_parse(text) for text in own.get_all("Requires-Dist") or []]
    required = [one for one in required if one.extra is None or one.extra in _USES]
    probed = _probe([one.module for one in required if _version(one.name)])
    items = [_python(_in_order(own["Requires-Python"])), _fitting(NAME, own["Version"], "")]
    items += [_item(one, probed.get(one.module, {})) for one in required]
    return items, probed.get("tensorflow", {}).get("devices", [])


def lies_in(version, wanted):
    """Return whether a version lies in a range such as ">=2.18,!=2.19.0,<3"."""
    ranges = re.findall(r"(>=|<=|==|!=|<|>)\s*([\d.]+)", wanted)
    return all(_COMPARISONS[sign](*_padded(version, bound)) for sign, bound in ranges)


def _padded(*versions):
    parts = [[int(n) for n in re.findall(r"\d+", re.match(r"[\d.]*", v)[0])] for v in versions]
    length = max(map(len, parts))
    return [part + [0] * (length - len(part)) for part in parts]


def _parse(text):
    found = _REQUIREMENT.match(text)
    return Requirement(found["name"], _in_order(found["wanted"].strip("() ")), found["extra"])


def _in_order(wanted):
    """Return a range as people write it, the lower end first."""
    return ",".join(sorted(filter(None, wanted.split(",")), reverse=True))


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _python(wanted):
    version = platform.python_version()
    if lies_in(version, wanted):
        return _fitting("python", version, wanted)
    words = f"{version}, where {wanted} is wanted"
    fix = f"python3.12 -m venv .venv, and install {NAME} there"
    return Item("python", "wrong", words, fix, True, version, wanted)


def _fitting(name, version, wanted, needed=True):
    words = f"{version:<11} {wanted}".rstrip()
    return Item(name, "ok", words, "", needed, version, wanted)


def _item(required, probed):
    name, wanted, version = required.name, required.wanted, _version(required.name)
    needed = required.extra is None
    if version is None:
        words = "not installed" if needed else f"not installed  {_USES[required.extra]}"
        return Item(name, "missing", words, required.install, needed, "", wanted)
    if probed.get("error"):
        reinstall = f"pip install --force-reinstall '{name}{wanted}'"
        words = f"{version} does not import: {probed['error']}"
        fix = _hidden_by(required) or reinstall
        return Item(name, "wrong", words, fix, needed, version, wanted)
    if not lies_in(version, wanted):
        words = f"{version}, where {wanted} is wanted"
        fix = f"pip install '{name}{wanted}'"
        return Item(name, "wrong", words, fix, needed, version, wanted)
    return _fitting(name, version, wanted, needed)


def _hidden_by(required):
    """Return what to do about a file that is imported in the place of an installed package."""
    top = required.module.partition(".")[0]
    try:
        origin = importlib.util.find_spec(top).origin
        installed = importlib.metadata.distribution(required.name).locate_file(top)
    except (AttributeError, ImportError, ValueError):
        return ""
    if origin is None or str(origin).startswith(str(installed)):
        return ""
    return f"rename {pathlib.Path(origin)}, which hides the installed {required.name}"


def _probe(modules):
    """Return what `keras_vae_cli.probe` says of each module."""
    found, left = {}, list(modules)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    while left:
        command = [sys.executable, "-m", "keras_vae_cli.probe", *left]
        try:
            ended = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=_SECONDS
            )
            answers, status = ended.stdout, ended.returncode
        except subprocess.TimeoutExpired as error:
            answers, status = (error.stdout or b"").decode(), None
        for line in answers.splitlines():
            answer = json.loads(line)
            found[answer.pop("module")] = answer
        left = left[len(answers.splitlines()) :]
        if left:
            found[left.pop(0)] = {"error": _ended_by(status)}
    return found


def _ended_by(status):
    if status is None:
        return f"importing it did not end within {_SECONDS} s"
    if status < 0:
        return f"importing it ended Python by {signal.Signals(-status).name}"
    return f"importing it ended Python with status {status}"
