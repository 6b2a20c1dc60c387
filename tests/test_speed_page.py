"""The page and the table about speed say what the benchmarks wrote, and nothing else."""

import json
import sys

import pytest
from conftest import ROOT


@pytest.fixture(scope="module")
def speed_page():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import speed_page

    yield speed_page
    sys.path.remove(str(ROOT / "benchmarks"))


def test_the_page_is_that_of_the_results(speed_page):
    assert (ROOT / "docs" / "speed.md").read_text() == speed_page.page()


def test_the_table_of_the_readme_is_that_of_the_results(speed_page):
    assert speed_page.short_table(speed_page.load()) in (ROOT / "README.md").read_text()


def test_every_row_is_of_all_contenders_enough_rounds_and_one_loss(speed_page):
    results = speed_page.load()
    assert list(results) == list(speed_page.SHAPES)
    for result in results.values():
        assert result["same"] and len(result["contenders"]) >= 4
        assert all(len(entry["rounds"]) >= 5 for entry in result["contenders"].values())


def test_the_results_that_are_kept_reach_the_bars(speed_page):
    reached = {shape: speed_page.ratios(result) for shape, result in speed_page.load().items()}
    assert reached["mlp"]["keras_vae"] >= 2.0
    assert reached["conv"]["keras_vae"] >= 1.3
    assert reached["conv"]["keras_vae, bfloat16"] >= 1.5
    contenders = json.loads((speed_page.RESULTS / "time_to_quality.json").read_text())["contenders"]
    seconds = {name: entry["seconds_until"]["100"] for name, entry in contenders.items()}
    peers = [value for name, value in seconds.items() if not speed_page.is_ours(name)]
    assert min(peers) >= 5 * seconds["keras_vae, its own recipe"]
