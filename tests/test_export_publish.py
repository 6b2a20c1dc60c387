"""All files of an export appear together or not at all, and nothing of others is touched."""

import json
import os
import pathlib
import shutil

import numpy as np
import pytest

from export import check, export, publish


@pytest.fixture(scope="module")
def exported(trained_vae, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    export(trained_vae, folder, ("saved_model", "tflite", "onnx"), endpoints=("decode",))
    return folder


@pytest.fixture
def copy(exported, tmp_path):
    return pathlib.Path(shutil.copytree(exported, tmp_path / "copy"))


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize(
    "step",
    [pytest.param(step, marks=() if step in (0, 7) else pytest.mark.slow) for step in range(12)],
)
def test_an_interruption_at_any_rename_leaves_what_was_there(copy, make_vae, monkeypatch, step):
    before, count, rename = contents(copy), 0, os.rename

    def interrupted(*arguments):
        nonlocal count
        count += 1
        if count == step + 1:
            raise KeyboardInterrupt
        rename(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(publish.os, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            export(
                make_vae(network_seed=8),
                copy,
                ("saved_model", "tflite", "onnx"),
                endpoints=("decode",),
            )
    assert contents(copy) == before
    assert all(one.failures == () for one in check.check(copy))


def test_an_interruption_in_a_new_folder_leaves_none(tmp_path, trained_vae, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(publish.os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(trained_vae, tmp_path / "new", "tflite", endpoints="decode")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("damage", ["cut", "a list", "no files", "an entry without golden"])
def test_a_damaged_report_stops_an_export_before_it_begins(copy, trained_vae, damage):
    path = copy / "report.json"
    report = json.loads(path.read_text())
    if damage == "an entry without golden":
        del report["files"][0]["golden"]
    report = {"a list": [1], "no files": {**report, "files": []}}.get(damage, report)
    path.write_text("{" if damage == "cut" else json.dumps(report))
    before = contents(copy)
    with pytest.raises(ValueError, match=r"must be a folder that keras-vae exported"):
        export(trained_vae, copy, "tflite")
    assert contents(copy) == before


@pytest.mark.parametrize("name", ["README.md", "golden/mine.npz", "config.json", "samples.png"])
def test_a_folder_with_files_of_others_is_refused(tmp_path, trained_vae, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(ValueError, match=r"must be new, or a folder of earlier exports.*Move it"):
        export(trained_vae, tmp_path, "tflite")
    assert [p for p in contents(tmp_path).values() if p] == [b"mine"]


def test_golden_vectors_of_others_stay(copy, make_vae):
    (copy / "golden/mine.npz").write_bytes(b"mine")
    export(make_vae(network_seed=3), copy, ("tflite", "onnx"), endpoints=("decode",))
    assert (copy / "golden/mine.npz").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("blocker", "words"),
    [
        ("tflite", r"tflite must be a folder. Received: a file"),
        ("tflite/model_float32.tflite/x", r"model_float32\.tflite must be a file"),
    ],
)
def test_what_is_in_the_way_is_named_before_any_work(tmp_path, trained_vae, blocker, words):
    path = tmp_path / blocker
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way")
    with pytest.raises(ValueError, match=words):
        export(trained_vae, tmp_path, "tflite")
    assert path.read_text() == "in the way"


@pytest.mark.parametrize("directory", ["", "  ", None, 5])
def test_a_directory_without_a_name_is_refused(trained_vae, directory):
    with pytest.raises(ValueError, match="`directory` must be the name of a folder"):
        export(trained_vae, directory, "tflite")


def test_edited_golden_vectors_fail_the_check(copy):
    (golden,) = (copy / "golden").iterdir()
    with np.load(golden) as file:
        arrays = {key: file[key] for key in file.files if "outputs" not in key}
    np.savez(golden, **arrays)
    for result in check.check(copy):
        assert "must hold the golden vectors" in result.failures[0]


def test_files_of_two_models_say_which_is_of_which(copy, make_vae):
    export(make_vae(network_seed=6), copy, "tflite", endpoints=("decode",))
    files = json.loads((copy / "report.json").read_text())["files"]
    hashes = {entry["path"]: entry["model"]["weights_sha256"] for entry in files}
    assert (
        hashes["tflite/model_float32.tflite"] != hashes["onnx/float32"] == hashes["saved_model/1"]
    )
    assert "of several models" in (copy / "README.md").read_text()
