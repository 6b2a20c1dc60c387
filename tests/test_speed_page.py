"""The page and the table about speed say what the benchmarks wrote, and nothing else."""

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


def test_no_row_is_void(speed_page):
    assert all(result["same"] for result in speed_page.load().values())
