"""The README's commands exist and run, and its tables are those of the results."""

import os
import re
import subprocess
import sys

import pytest
from blocks import blocks
from conftest import ROOT


def test_the_make_targets_exist():
    first, *_ = (block for block in blocks(ROOT / "README.md") if block.language == "bash")
    targets = re.findall(r"^make (\S+)$", first.text, flags=re.M)
    assert targets == ["demo", "test"]
    for target in targets:
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.M)


@pytest.mark.slow
def test_the_demo_runs_and_names_files_that_exist(tmp_path):
    venv = os.path.dirname(os.path.dirname(sys.executable))
    # The environment is this one: make need not install it again.
    options = (f"-o{venv}/.installed", f"VENV={venv}", f"DEMO={tmp_path / 'demo'}")
    result = subprocess.run(
        ["make", "demo", *options], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    shown = re.findall(rf"{tmp_path}/demo/\S+", result.stdout.split("It made:")[1])
    assert len(shown) >= 9
    for path in shown:
        assert os.path.exists(path), path


def test_the_tables_are_those_of_the_results():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import readme_page
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    assert readme_page.text() == (ROOT / "README.md").read_text()
