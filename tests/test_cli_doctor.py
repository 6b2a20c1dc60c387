"""`keras-vae doctor` on this machine, and where something is missing, hidden, old or broken."""

import json
import os
import subprocess
import sys
import time

import pytest
from conftest import ROOT

from keras_vae_cli import machine, packages

SECTIONS = ("packages", "devices", "keras", "folders", "tools")


def doctor(*paths, cwd=None, as_json=True, **variables):
    """Run it with folders before all others on the path; return its status and the document."""
    result = subprocess.run(
        [sys.executable, "-m", "keras_vae_cli", "doctor", *["--json"] * as_json],
        cwd=cwd,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (*paths, ROOT))),
            **{name: str(value) for name, value in variables.items()},
        },
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in result.stderr, result.stderr
    return result.returncode, json.loads(result.stdout) if as_json else result.stdout


def item(told, section, name):
    (found,) = [one for one in told["facts"][section] if one["name"] == name]
    return found


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    started = time.monotonic()
    status, told = doctor(KERAS_HOME=home / "none")
    return status, told, time.monotonic() - started


@pytest.mark.slow
def test_a_machine_that_has_all_is_told_of(healthy):
    import tensorflow as tf

    status, told, seconds = healthy
    failing = [(one["name"], one["words"]) for s in SECTIONS for one in told["facts"][s]
               if one["needed"] and one["state"] != "ok"]  # fmt: skip
    assert status == 0 and told["facts"]["failing"] == [] == failing
    found = item(told, "packages", "tensorflow")
    assert (found["version"], found["wanted"]) == (tf.__version__, ">=2.18,<3")
    cpu = item(told, "devices", "CPU:0")
    assert cpu["words"] == "XLA compiles for it" and cpu["state"] == "ok"
    assert item(told, "keras", "backend")["words"] == "tensorflow"
    # Of an idle machine 6 s; others may be at work here.
    assert seconds < 60


@pytest.mark.slow
def test_what_is_said_is_for_people_too(healthy):
    status, shown = doctor(as_json=False, KERAS_HOME="/nonexistent")
    assert status == 0
    for title in SECTIONS:
        assert f"\n{title.capitalize()}\n" in shown
    assert "All that keras-vae needs is there." in shown
    assert max(map(len, shown.splitlines())) <= 120


def fake(folder, name, text):
    package = folder / name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(text)
    return folder


@pytest.mark.slow
def test_broken_packages_are_told_with_their_error_and_the_fix(tmp_path):
    fake(tmp_path, "tensorflow_datasets", "raise RuntimeError('no such feature')")
    # One that takes Python with it, and one that wants to end it.
    fake(tmp_path, "onnx", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    fake(tmp_path, "tensorboard", "raise SystemExit(3)")
    status, told = doctor(tmp_path)
    assert status == 1 and told["status"] == 1
    assert told["facts"]["failing"] == ["tensorflow-datasets"]
    sets = item(told, "packages", "tensorflow-datasets")
    assert "RuntimeError: no such feature" in sets["words"] and sets["state"] == "wrong"
    hidden = tmp_path / "tensorflow_datasets" / "__init__.py"
    assert sets["fix"] == f"rename {hidden}, which hides the installed tensorflow-datasets"
    onnx = item(told, "packages", "onnx")
    assert "SIGSEGV" in onnx["words"] and not onnx["needed"]
    assert "SystemExit: 3" in item(told, "packages", "tensorboard")["words"]
    # The others were looked at all the same.
    assert item(told, "packages", "onnxruntime")["state"] == "ok"
    assert item(told, "devices", "CPU:0")["state"] == "ok"


def test_another_command_names_doctor_where_a_package_is_broken(tmp_path):
    fake(tmp_path, "tensorflow", "raise OSError('libtensorflow_cc.so.2 is missing')")
    result = subprocess.run(
        [sys.executable, "-m", "keras_vae_cli", "info", "run"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (tmp_path, ROOT)))},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert "libtensorflow_cc.so.2" in result.stderr and "keras-vae doctor" in result.stderr


def test_settings_of_keras_that_break_a_training_are_told(tmp_path, monkeypatch):
    config = {"backend": "jax", "floatx": "float16", "image_data_format": "channels_first"}
    path = tmp_path / "keras.json"
    path.write_text(json.dumps(config))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    found = {one.name: one for one in machine.settings()}
    assert all(one.fails for one in found.values()) and len(found) == 3
    fix = found["image_data_format"].fix
    assert fix == f"set image_data_format to channels_last in {path}"
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    (backend,) = [one for one in machine.settings() if one.name == "backend"]
    assert backend.fails and backend.fix == "unset KERAS_BACKEND" and "torch" in backend.words
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    (backend,) = [one for one in machine.settings() if one.name == "backend"]
    assert backend.state == "ok"
    path.write_text("{broken")
    (one,) = [one for one in machine.settings() if one.state != "ok"]
    assert str(path) in one.fix and not one.fails


def test_image_sets_that_are_prepared_are_named(tmp_path, monkeypatch):
    for name, feature in (
        ("mnist/3.0.1", "tensorflow_datasets.core.features.image_feature.Image"),
        ("cats/plain/1.0.0", "tensorflow_datasets.core.features.image_feature.Image"),
        ("texts/1.0.0", "tensorflow_datasets.core.features.text_feature.Text"),
    ):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "dataset_info.json").write_text("{}")
        (folder / "features.json").write_text(json.dumps({"type": feature}))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    sets, *_ = machine.folders()
    assert sets.words == f"{tmp_path}: cats/plain, mnist" and sets.state == "ok"
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "gone"))
    sets, *_ = machine.folders()
    assert sets.state == "wrong" and "TFDS_DATA_DIR" in sets.fix


@pytest.mark.parametrize(
    ("version", "wanted", "lies"),
    [
        ("2.21.0", ">=2.18,<3", True),
        ("2.9", ">=2.18,<3", False),
        ("3", ">=2.18,<3.0.0", False),
        ("1.19.0", ">=1.17,!=1.19.0,<1.22", False),
        ("1.19.1", ">=1.17,!=1.19.0,<1.22", True),
        ("2.21.0rc1", ">=2.18,<3", True),
        ("0.17.5", "==0.17.5", True),
        ("7", "", True),
    ],
)
def test_ranges_of_versions(version, wanted, lies):
    assert packages.lies_in(version, wanted) is lies


def test_what_is_missing_or_of_another_version_comes_with_the_line_that_installs_it():
    missing = packages._item(packages._parse("no-such-package<3,>=2.0"), {})
    assert missing.fails and missing.fix == "pip install 'no-such-package>=2.0,<3'"
    extra = packages._item(packages._parse('no-such-one>=1; extra == "onnx"'), {})
    assert not extra.fails and extra.fix == "pip install 'keras-vae[onnx]'"
    old = packages._item(packages._parse("click>=99"), {"error": None})
    assert old.fails and old.fix == "pip install 'click>=99'" and ">=99 is wanted" in old.words


def test_the_metadata_of_this_package_is_understood():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for text in (*project["dependencies"], *extras["onnx"]):
        parsed = packages._parse(text)
        assert text == f"{parsed.name}{parsed.wanted}" or "!=" in text
    assert packages._parse("onnx!=1.19.0,<1.22,>=1.17; extra == 'onnx'")[::2] == ("onnx", "onnx")
