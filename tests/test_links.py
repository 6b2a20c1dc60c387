"""Every link inside the repository leads to a file that is there, and to a heading in it."""

import functools
import json
import re

import pytest
from blocks import PAGES
from conftest import ROOT

TEXTS = [
    *PAGES,
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "colab").glob("*.ipynb")),
]
LINK = re.compile(r"\]\(([^)\s]+)\)|<(?:img|a)[^>]* (?:src|href)=\"([^\"]+)\"")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


@functools.cache
def prose(path):
    """Return the text of a page or a notebook without its code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    # Of a link only the name may be code.
    return CODE.sub(lambda found: "" if found[0].startswith("```") else "code", text)


def headings(path):
    """Return the anchors of a page."""
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line).strip().lower().replace(" ", "-") for line in found}


def broken(path):
    """Return the links of a page that lead nowhere."""
    found = []
    for link in (first or second for first, second in LINK.findall(prose(path))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if not target.exists() or (anchor and anchor not in headings(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_link_leads_somewhere(path):
    assert not broken(path)


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n[1](page.md#a-page) [2](page.md#b) [3](no.md) [`4`](../no) `[5](no)`"
    )
    assert broken(page) == ["page.md#b", "no.md", "../no"]


def test_there_are_links():
    assert sum(len(LINK.findall(prose(path))) for path in TEXTS) > 60
