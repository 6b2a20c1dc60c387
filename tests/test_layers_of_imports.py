"""Imports point down only, in no circle; TensorFlow where it must be."""

import graphlib

import imports
import pytest
from imports import LAYERS, PICTURE, ROOT, between_parts, layer_of, modules, names_in

PARTS = [part for parts in LAYERS.values() for part in parts]
# Of the core, what may import TensorFlow.
FREE = {"data", "training", "strategies", "workers"}
CORE = [
    name
    for name in modules()
    if name.split(".")[0] == "keras_vae" and imports.part_of(name) not in FREE
]


def test_no_modules_import_each_other():
    graphlib.TopologicalSorter(imports.imports()).prepare()


def test_no_module_of_the_core_imports_all_of_it():
    found = imports.imports().items()
    assert not [
        name for name, below in found if "keras_vae" in below and name.startswith("keras_vae.")
    ]


def test_every_part_has_one_layer():
    there = {imports.part_of(name) for name in modules()} - {None}
    assert sorted(PARTS) == sorted(there)


def test_a_part_imports_from_its_own_layer_and_those_below():
    upwards = [pair for pair in between_parts() if layer_of(pair[0]) > layer_of(pair[1])]
    assert not upwards
    mathematics = set(LAYERS["mathematics"])
    assert not [pair for pair in between_parts() if pair[0] == "data" and pair[1] in mathematics]


@pytest.mark.parametrize("name", CORE)
def test_a_module_of_the_core_leaves_tensorflow_to_training_and_data(name):
    found = names_in(modules()[name].read_text(encoding="utf-8"), name)
    assert not {other.split(".")[0] for other in found} & {"tensorflow", "tensorflow_datasets"}


def test_imports_of_every_kind_are_seen():
    source = "import os.path\ndef f():\n    from export import x\n    from . import y\n"
    source += "from ..b import z\nimport importlib\nimportlib.import_module('tensorflow.io')\n"
    assert {"os.path", "export.x", "a.c.y", "a.b.z", "tensorflow.io"} <= names_in(source, "a.c")
    # Of a package and of something in it, both.
    source = "from a import value\nfrom a.b import value\n"
    assert names_in(source, "a.c", {"a", "a.b"}) == {"a", "a.b"}


def test_the_picture_is_of_these_imports():
    hint = f"python tests/imports.py makes {PICTURE.relative_to(ROOT)} anew"
    assert PICTURE.read_text(encoding="utf-8") == imports.picture(), hint
