"""--json: one document on standard output, the same keys of every command, failures too."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

from keras_vae import runs
from keras_vae_cli import document

KEYS = ["command", "status", "wrote", "facts", "notes", "next", "error"]


def read(outcome):
    found = json.loads(outcome.out)
    assert list(found) == KEYS and found["status"] == outcome.status
    return found


@pytest.fixture
def run(trained_run, tmp_path):
    return shutil.copytree(trained_run, tmp_path / "run")


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (("generate", "-n", 5, "--out", "x.npy"), {"images": 5}),
        (("generate", "-n", 5, "--out", "shards"), {"images": 5, "shards": 1, "shards_kept": 0}),
        (("embed", "test", "--out", "z.csv"), {"rows": 180}),
        (("manifold", "--size", 3, "--out", "m.npy"), {"images": 9}),
        (("scatter", "--method", "pca", "--out", "s.npy"), {"examples": 180}),
    ],
)
def test_what_was_written_is_told_with_its_size(
    command_line, run, tmp_path, monkeypatch, words, facts
):
    monkeypatch.chdir(tmp_path)
    verb, *others = words
    outcome = command_line(verb, "run", *others, "--json")
    told = read(outcome)
    path = words[-1]
    assert told["command"] == verb and told["error"] is None
    files = [tmp_path / path]
    if (tmp_path / path).is_dir():
        files = [file for file in (tmp_path / path).rglob("*") if file.is_file()]
    assert told["wrote"] == [{"path": path, "bytes": sum(f.stat().st_size for f in files)}]
    assert {name: told["facts"][name] for name in facts} == facts
    assert told["next"][0] == "keras-vae"
    # What people read is there too, for them.
    assert f"Wrote {path}" in outcome.err


def test_numbers_are_those_of_the_files(command_line, run):
    told = read(command_line("evaluate", run, "--num-samples", 3, "--quiet", "--json"))
    metrics = json.loads((run / "metrics.json").read_text())
    assert told["facts"] == metrics and metrics["num_samples"] == 3
    told = read(command_line("info", run, "--json"))
    assert told["facts"]["numbers"] == metrics
    assert told["facts"]["training"]["epochs_done"] == 2
    assert told["facts"]["files"]["model.keras"] == (run / "model.keras").stat().st_size
    outcome = command_line("diagnose", run, "--json")
    told, found = read(outcome), runs.load(run)
    diagnosis = found.vae.diagnose(found.load_data(progress=False), max_examples=1000, seed=0)
    assert [one["problem"] for one in told["facts"]["findings"]] == [
        one.problem for one in diagnosis.findings
    ]
    assert told["facts"]["numbers"]["elbo"] == pytest.approx(diagnosis.numbers["elbo"])


def test_an_export_and_its_check_are_told(command_line, run):
    told = read(command_line("export", run, "--formats", "tflite", "--json"))
    (file,) = told["facts"]["files"]
    assert file["format"] == "tflite" and 0 <= file["worst_error"] < 1e-5
    assert told["wrote"][0]["path"] == file["path"]
    folder = run / "export"
    told = read(command_line("export", "check", folder, "--json"))
    assert told["command"] == "export check" and told["facts"]["files"][0]["failures"] == []
    exported = folder / "tflite" / "model_float32.tflite"
    out = run / "x.png"
    told = read(command_line("export", "generate", exported, "-n", 3, "--out", out, "--json"))
    assert told["facts"] == {"images": 3, "seed": 0}
    with open(exported, "ab") as damaged:
        damaged.write(b"x")
    told = read(command_line("export", "check", folder, "--json"))
    assert told["status"] == 1 and "hash differs" in told["facts"]["files"][0]["failures"][0]


@pytest.mark.parametrize(
    ("words", "command", "error"),
    [
        (("info", "nowhere"), "info", "must be a run folder"),
        (("export", "nowhere"), "export", "must be a run folder"),
        (("export", "chekc"), "export", "Did you mean 'check'?"),
        (("generate", "run", "--count", "0"), "generate", "not in the range"),
        (("train", "digits", "--epoch", "3"), "train", "Did you mean '--epochs'"),
    ],
)
def test_a_failure_is_a_document_too(command_line, tmp_path, monkeypatch, words, command, error):
    monkeypatch.chdir(tmp_path)
    outcome = command_line(*words, "--json")
    told = read(outcome)
    assert outcome.status == 2 and told["command"] == command and error in told["error"]
    assert outcome.err.splitlines()[0] == f"Error: {told['error']}"
    assert told["wrote"] == [] and told["next"] is None


def test_one_call_tells_nothing_of_the_one_before(command_line, trained_run):
    assert command_line("info", "nowhere", "--json").status == 2
    outcome = command_line("info", trained_run)
    assert outcome.out.startswith("data") and outcome.err == ""
    assert read(command_line("info", trained_run, "--json"))["error"] is None


@pytest.mark.slow
def test_a_training_in_a_process_of_its_own_prints_the_document_alone(tmp_path):
    words = ("train", "digits", "--out", "run", "--epochs", "1", "--recipe", "textbook", "--json")
    result = subprocess.run(
        [sys.executable, "-m", "keras_vae_cli", *words, "--network", "mlp"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    told = json.loads(result.stdout)
    assert (told["command"], told["status"]) == ("train", 0), result.stderr
    assert told["wrote"][0]["path"] == "run" and told["wrote"][0]["bytes"] > 10_000
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert told["facts"]["metrics"] == metrics and told["facts"]["epochs_done"] == 1
    assert "Epoch 1/1: loss" in result.stderr
    assert told["next"] == ["keras-vae", "evaluate", "run"]


def test_warnings_are_among_the_notes(command_line, run, tmp_path):
    config = json.loads((run / "config.json").read_text())
    config["data"]["source"] = str(tmp_path / "gone")
    (run / "config.json").write_text(json.dumps(config))
    told = read(command_line("export", run, "--formats", "tflite", "--json"))
    assert any("training images" in note for note in told["notes"])


def test_a_document_holds_what_json_has():
    values = {"a": np.float32(0.5), "b": np.arange(2), 3: float("nan"), "c": (np.inf, ROOT)}
    expected = {"a": 0.5, "b": [0, 1], "3": None, "c": [None, str(ROOT)]}
    assert document.plain(values) == expected
