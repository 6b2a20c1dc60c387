"""The notebooks are what their scripts say, and run from the first cell to the last."""

import importlib.util
import os
import pathlib

import nbformat
import pytest

COLAB = pathlib.Path(__file__).resolve().parents[1] / "colab"


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("build", COLAB / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NAMES = ["anomaly_detection", "keras_vae_tour", "on_device"]


def test_there_is_a_script_for_each_notebook(build):
    assert [path.stem for path in build.scripts()] == NAMES
    assert sorted(path.stem for path in COLAB.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_what_its_script_says(name, build):
    made = build.read(COLAB / f"{name}.py")
    notebook = nbformat.read(COLAB / f"{name}.ipynb", 4)
    nbformat.validate(notebook)
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [
        (cell.cell_type, cell.source) for cell in made.cells
    ]
    assert "\n%pip install -q " in made.cells[1].source


def test_a_badge_leads_to_the_notebook_of_the_repository_and_stands_only_where_there_is_one(build):
    assert build.badge("tour", {}) == ""
    assert build.badge("tour", {"urls": {"Repository": "https://example.org/a/b"}}) == ""
    line = build.badge("tour", {"urls": {"Repository": "https://github.com/a/b.git"}})
    assert "(https://colab.research.google.com/github/a/b/blob/main/colab/tour.ipynb)" in line


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_kept_with_its_outputs(name):
    notebook = nbformat.read(COLAB / f"{name}.ipynb", 4)
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"][1:]
    counts = [cell.execution_count for cell in codes]
    assert counts == list(range(counts[0], counts[0] + len(codes)))
    outputs = [output for cell in codes for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 1
    # Nothing of the machine that ran it.
    assert str(pathlib.Path.home()) not in str(outputs) and "/tmp/" not in str(outputs)


def test_outputs_are_kept_where_the_code_is_the_same_and_only_there(build):
    earlier = nbformat.read(COLAB / "on_device.ipynb", 4)
    notebook = build.read(COLAB / "on_device.py")
    build.with_outputs(notebook, earlier)
    assert notebook.cells[-1].outputs == earlier.cells[-1].outputs != []
    changed = build.read(COLAB / "on_device.py")
    changed.cells[-1].source += "\n1"
    build.with_outputs(changed, earlier)
    assert not any(cell.get("outputs") for cell in changed.cells)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_on_data_that_need_no_download(name, build, tmp_path, monkeypatch):
    monkeypatch.setenv("FAST", "1")
    monkeypatch.setenv("PYTHONPATH", os.fspath(COLAB.parent))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    notebook = build.read(COLAB / f"{name}.py")
    build.execute(notebook, tmp_path)
    texts = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    )
    said = {
        "anomaly_detection": "the same scores: True",
        "keras_vae_tour": "largest difference from Keras",
        "on_device": "z times 2.0",
    }
    assert said[name] in texts
