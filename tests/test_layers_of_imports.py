"""Imports point down only, keras_vae_cli -> export -> keras_vae; TensorFlow where it must be."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
FORBIDDEN = {"keras_vae": {"export", "keras_vae_cli"}, "export": {"keras_vae_cli"}}
FILES = sorted(
    path.relative_to(ROOT) for package in FORBIDDEN for path in (ROOT / package).rglob("*.py")
)


def imports_of(path):
    """The top-level names of the packages that a file imports anywhere, also within functions."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module)
        elif isinstance(node, ast.ImportFrom):
            # `from . import x` and `from ..y import x`, seen from the file's own package.
            base = path.parts[: len(path.parts) - node.level]
            names |= {".".join((*base, node.module or alias.name)) for alias in node.names}
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            names |= {arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)}
    return {name.split(".")[0] for name in names if name}


def may_import_tensorflow(path):
    free = ("data", "training", "strategies.py", "workers.py")
    return path.parts[0] != "keras_vae" or path.parts[1] in free


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_module_imports_nothing_from_above(path):
    assert not imports_of(path) & FORBIDDEN[path.parts[0]]


@pytest.mark.parametrize("path", [p for p in FILES if not may_import_tensorflow(p)], ids=str)
def test_a_module_of_the_core_leaves_tensorflow_to_training_and_data(path):
    assert not imports_of(path) & {"tensorflow", "tensorflow_datasets"}


def test_imports_of_every_kind_are_seen(tmp_path):
    source = "import os.path\ndef f():\n    from export import x\n    from . import y\n"
    path = tmp_path / "module.py"
    path.write_text(source + "import importlib\nimportlib.import_module('tensorflow.io')\n")
    assert {"os", "export", "importlib", "tensorflow"} <= imports_of(path)
