"""Every block of the README and every cell of the notebook runs, as and where it stands."""

import json
import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)(?: (\w+))?\n(.*?)^```$", README, flags=re.M | re.S)


def blocks(language, label=""):
    return [text for name, tag, text in BLOCKS if (name, tag) == (language, label)]


def shell(script, folder):
    """Run a script as a user would: the commands of this environment come first."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    result = subprocess.run(
        ["bash", "-eu", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return result.stdout


def test_every_block_is_of_a_kind_that_is_run_here():
    kinds = {(name, tag) for name, tag, _ in BLOCKS}
    assert kinds == {("bash", ""), ("bash", "mnist"), ("python", "")}


def test_the_python_blocks_run_one_after_the_other(run_python, tmp_path):
    code = f"import os; os.chdir({str(tmp_path)!r})\n" + "\n".join(blocks("python"))
    # The images differ as digits do: a collapsed model draws the same one each time.
    check = "\nassert images.shape == (64, 8, 8, 1) and images.std(axis=0).max() > 0.2"
    check += "\nassert log_prob[0] > log_prob[1] + 5"
    run_python(code + check)
    assert (tmp_path / "exported" / "saved_model" / "1" / "saved_model.pb").exists()


def test_each_link_leads_somewhere():
    links = re.findall(r"\]\((?!http)([^)]+)\)", README)
    assert "docs/generated.png" in links
    for link in links:
        assert (ROOT / link).exists(), link


def test_the_make_targets_exist():
    first, *_ = blocks("bash")
    targets = re.findall(r"^make (\S+)$", first, flags=re.M)
    assert targets == ["demo", "test"]
    for target in targets:
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.M)


@pytest.mark.slow
def test_the_demo_runs_and_names_files_that_exist(tmp_path):
    venv = os.path.dirname(os.path.dirname(sys.executable))
    # The environment is this one: make need not install it again.
    options = f"-o {venv}/.installed VENV={venv} DEMO={tmp_path / 'demo'}"
    out = shell(f"make demo {options}", ROOT)
    shown = re.findall(rf"{tmp_path}/demo/\S+", out.split("It made:")[1])
    assert len(shown) >= 9
    for path in shown:
        assert os.path.exists(path), path


@pytest.mark.slow
def test_the_commands_run_in_their_order(tmp_path):
    _, commands = blocks("bash")
    shell(commands, tmp_path)
    for name in ("grid.png", "morph.png", "exported.png", "run/metrics.json"):
        assert (tmp_path / name).exists()


@pytest.mark.slow
@pytest.mark.mnist
def test_the_mnist_commands_reach_what_the_table_says(tmp_path):
    shell(blocks("bash", "mnist")[0], tmp_path)
    metrics = json.loads((tmp_path / "mnist-run" / "metrics.json").read_text())
    assert metrics["n"] == 10_000
    assert -metrics["elbo"] <= 100 and metrics["nll"] <= 95


def test_the_notebook_runs_from_its_first_cell_to_its_last(run_python, tmp_path):
    notebook = json.loads((ROOT / "colab" / "keras_vae_tour.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert cells[0].startswith("%pip install")
    code = "import os; os.environ['EPOCHS'] = '1'; os.chdir({!r})\n{}\n{}"
    check = (
        "import numpy; numpy.testing.assert_allclose(images, vae.generate(64, seed=7), atol=1e-5)"
    )
    run_python(code.format(str(tmp_path), "\n".join(cells[1:]), check))


def test_the_tables_are_those_of_the_results():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import readme_page
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    assert readme_page.text() == (ROOT / "README.md").read_text()
