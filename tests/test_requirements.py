"""pyproject.toml, requirements.txt and constraints-lowest.txt name the same versions."""

import re
import tomllib

from conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def lines(name):
    text = (ROOT / name).read_text().splitlines()
    return {line.strip() for line in text if line.strip() and not line.startswith("#")}


def test_requirements_has_the_ranges_of_the_package_and_of_the_extras_for_exports():
    exports = (*EXTRAS["onnx"], *EXTRAS["quantize"])
    assert lines("requirements.txt") == {*PROJECT["dependencies"], *exports}


def test_the_lowest_versions_are_the_lower_ends_of_the_ranges():
    ranges = {
        *PROJECT["dependencies"],
        *EXTRAS["onnx"],
        *EXTRAS["quantize"],
        *EXTRAS["test"],
    }
    lowest = {}
    for requirement in ranges:
        name, version = re.match(r"([\w.-]+)>=([\d.]+)", requirement).groups()
        lowest[name] = tuple(map(int, version.split(".")))
    pinned = dict(line.split("==") for line in lines("constraints-lowest.txt"))
    assert pinned.keys() == lowest.keys()
    for name, version in pinned.items():
        parts = tuple(map(int, version.split(".")))
        width = len(lowest[name])
        assert parts[:width] == lowest[name] and not any(parts[width:]), name
