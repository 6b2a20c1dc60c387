"""The pages of the documentation are true: their programs run, their lines and numbers are so."""

import ast
import json
import re

import blocks
import pytest
from conftest import ROOT

WITH_BLOCKS = [page for page in blocks.PAGES if blocks.blocks(page)]
RESULTS = ROOT / "benchmarks" / "results"
# What must hold after the blocks of a page, in their names.
CHECKS = {
    # The images differ as digits do: a collapsed model draws the same one each time.
    "README.md": """
assert images.shape == (64, 8, 8, 1) and images.std(axis=0).max() > 0.2
assert Path("exported/saved_model/1").exists()
""",
    "python.md": "assert log_prob[0] > log_prob[1] + 5",
    "command_line.md": """
for name in ("grid.png", "morph.png", "exported.png", "run/metrics.json", "site/index.html"):
    assert Path(name).exists(), name
""",
    "export.md": "assert np.abs(drawn.image - vae.generate(4, seed=7)).max() < 1e-5",
}


def name(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=name)
def test_a_block_is_run_or_says_that_it_is_not(page):
    for block in blocks.blocks(page):
        run = block.language in (*blocks.RUN, *blocks.SHOWN)
        assert run != (blocks.NOT_RUN in block.before), f"{page}, line {block.line}"
        assert block.tag in ("", "mnist"), f"{page}, line {block.line}"


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_BLOCKS, ids=name)
def test_the_blocks_of_a_page_run_in_their_order(page, tmp_path):
    check = "from pathlib import Path\n" + CHECKS.get(page.name, "")
    printed = blocks.run(page, tmp_path, check)
    if page.name == "devices.md" and blocks.SKIPPED not in printed:
        # The draw of seed 7, by JavaScript and by Python.
        assert len(re.findall(r"1\.37716\d* -2\.19338\d* 0\.96428\d*", printed)) == 2, printed
    if blocks.SKIPPED in printed:
        pytest.skip(printed.rpartition(blocks.SKIPPED)[2].strip())


def test_an_error_in_a_block_is_one_of_the_test(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nx = 1\n```\n\n```bash\ntrue\n```\n\n```python\nassert x == 2\n```\n"
    )
    with pytest.raises(AssertionError, match=r"page\.md.*line 10"):
        blocks.run(page, tmp_path)


def source_of(path, dotted):
    """Return the source of a function, a method or a class."""
    text = path.read_text(encoding="utf-8")
    node = ast.parse(text)
    for part in dotted.split("."):
        node = next(child for child in node.body if getattr(child, "name", None) == part)
    return ast.get_source_segment(text, node)


def test_each_line_of_code_beside_an_equation_is_in_the_source():
    page = ROOT / "docs" / "theory.md"
    rows = re.findall(r"^\| .+ \| `(.+)` \| \[`([\w.]+)`\]\((\S+)\) \|$", page.read_text(), re.M)
    assert len(rows) == 15
    for line, dotted, path in rows:
        lines = [each.strip() for each in source_of(page.parent / path, dotted).splitlines()]
        assert line in lines, f"{dotted}: {line}"


def test_the_numbers_by_which_to_choose_are_those_of_the_results():
    text = (ROOT / "docs" / "choosing.md").read_text()
    rows = {}
    for path in (RESULTS / "reproduce").glob("*.json"):
        rows[path.stem] = json.loads(path.read_text())
    for prior in ("standard_normal", "vamp", "real_nvp"):
        row = rows[f"gated_{prior}"]
        nll = f"{row['nll']:.2f} ± {row['nll_standard_error']:.2f}"
        cost = f"{row['seconds']:,.0f} ({row['processors']})"
        assert f"| `{prior}` | {nll} | {cost} |" in text
    for row in ("iwae_k1", "iwae_k5", "iwae_k5_dreg", "conv_real_nvp", "best"):
        assert f"{rows[row]['nll']:.2f}" in text, row


def test_the_table_of_precisions_is_that_of_the_results():
    text = (ROOT / "docs" / "export.md").read_text()
    files = json.loads((RESULTS / "exported.json").read_text())["files"]
    for precision in ("float32", "float16", "dynamic", "int8", "full_int8", "int16x8"):
        found = files[f"tflite/model_{precision}.tflite"]
        psnr = "equal" if found["psnr_mean"] >= 119 else f"{found['psnr_mean']:.1f} dB"
        assert f"| `{precision}` | {found['size_of_float32']:.2f} | {psnr} |" in text


@pytest.mark.slow
@pytest.mark.mnist
def test_the_mnist_commands_reach_what_the_table_says(tmp_path):
    blocks.run(ROOT / "docs/command_line.md", tmp_path, tag="mnist", timeout=3600)
    metrics = json.loads((tmp_path / "mnist-run" / "metrics.json").read_text())
    assert metrics["n"] == 10_000
    assert -metrics["elbo"] <= 100 and metrics["nll"] <= 95
