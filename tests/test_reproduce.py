"""The quick rows of the published table come out again, from the command that the page names."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

RESULTS = "benchmarks/results/reproduce"


@pytest.fixture
def reproduce(tmp_path):
    """A function that runs the command in a copy of the benchmarks."""
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks")

    def run(*arguments):
        subprocess.run(
            [sys.executable, "benchmarks/reproduce.py", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
            timeout=600,
        )
        return tmp_path

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["digits", pytest.param("static_threshold", marks=pytest.mark.mnist)]
)
def test_a_quick_row_comes_out_again(name, reproduce):
    recorded = json.loads((ROOT / RESULTS / f"{name}.json").read_text())
    path = reproduce(name) / RESULTS / f"{name}.json"
    found = json.loads(path.read_text())
    # Sums of several threads in another order are all that differs.
    assert found["nll"] == pytest.approx(recorded["nll"], abs=1.0)
    assert (found["epochs"], found["n"]) == (recorded["epochs"], recorded["n"])


@pytest.mark.slow
def test_a_trial_leaves_the_result_alone(reproduce):
    folder = reproduce("digits", "--epochs", "1")
    path = folder / RESULTS / "digits.json"
    assert path.read_bytes() == (ROOT / RESULTS / "digits.json").read_bytes()
    (run,) = (folder / "reproduce").iterdir()
    assert run.name == "digits-0-epochs=1"
