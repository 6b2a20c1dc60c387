"""The documentation is built without a warning, and its pages need nothing from elsewhere."""

import html
import importlib.util
import os
import re
import subprocess
import sys

import pytest
from blocks import PAGES
from conftest import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built documentation."""
    if importlib.util.find_spec("material") is None:
        pytest.skip("the extra `docs` is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "WARNING" not in result.stderr
    return folder


@pytest.mark.slow
def test_each_page_is_there_and_reached_from_the_first(site):
    first = (site / "index.html").read_text()
    for page in PAGES[1:]:
        name = page.relative_to(ROOT / "docs").with_suffix(".html")
        assert (site / name).exists()
        assert f'href="{name}"' in first or name.name == "index.html"


@pytest.mark.slow
def test_a_page_fetches_nothing_from_elsewhere(site):
    fetched = re.compile(
        r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//[^ >]*"
    )
    for page in site.rglob("*.html"):
        assert not fetched.findall(page.read_text()), page
    for style in site.rglob("*.css"):
        assert not re.findall(r"url\(['\"]?(?:https?:)?//", style.read_text()), style


@pytest.mark.slow
def test_formulas_are_mathml(site):
    page = (site / "theory.html").read_text()
    assert page.count("<math ") > 30
    assert "arithmatex" not in page and "\\mathrm" not in html.unescape(page)


@pytest.mark.slow
def test_examples_of_docstrings_are_code(site):
    for page in (site / "api").glob("*.html"):
        text = page.read_text()
        assert "<blockquote>" not in text, page
    assert '<span class="gp">&gt;&gt;&gt; </span>' in (site / "api" / "models.html").read_text()


@pytest.mark.slow
def test_a_line_of_code_leads_to_its_name_in_the_reference(site):
    page = (site / "theory.html").read_text()
    anchor = re.search(r'href="(api/[\w.]+)#(keras_vae\.distributions\.unit_kl)"', page)
    assert f'id="{anchor[2]}"' in (site / anchor[1]).read_text()
