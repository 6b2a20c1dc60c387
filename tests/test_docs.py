"""The programs in docs/ give what the package gives."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from conftest import ROOT

from export import rows

PAGE = (ROOT / "docs/generator.md").read_text(encoding="utf-8")
SEEDS = [0, 7, 8, -1, 2**31 - 1, -(2**31), 123456789]
DIM = 9

JAVASCRIPT = """
const found = {seeds}.map((seed) => Array.from(standardNormal(seed, {dim}, 0.7)));
console.log(JSON.stringify(found));
"""
KOTLIN = """
fun main() {{
    val seeds = intArrayOf({seeds})
    println(seeds.map {{ standardNormal(it, {dim}, 0.7).joinToString(",", "[", "]") }}
        .joinToString(",", "[", "]"))
}}
"""


def block(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL).group(1)


def expected():
    return rows.standard_normal(np.array(SEEDS, np.int32), DIM, 0.7)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_javascript_draws_the_same_z(tmp_path):
    program = block("javascript") + JAVASCRIPT.format(seeds=SEEDS, dim=DIM)
    (tmp_path / "draw.js").write_text(program)
    printed = subprocess.run(
        ["node", tmp_path / "draw.js"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    np.testing.assert_allclose(json.loads(printed), expected(), rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("kotlinc") is None, reason="Kotlin is not installed")
def test_kotlin_draws_the_same_z(tmp_path):
    seeds = ", ".join("Int.MIN_VALUE" if seed == -(2**31) else str(seed) for seed in SEEDS)
    (tmp_path / "draw.kt").write_text(block("kotlin") + KOTLIN.format(seeds=seeds, dim=DIM))
    compile_ = ["kotlinc", tmp_path / "draw.kt", "-include-runtime", "-d", tmp_path / "draw.jar"]
    subprocess.run(compile_, capture_output=True, timeout=300, check=True)
    printed = subprocess.run(
        ["java", "-jar", tmp_path / "draw.jar"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    np.testing.assert_allclose(json.loads(printed), expected(), rtol=0, atol=1e-6)


def test_the_numbers_to_check_an_implementation_are_right():
    found = [float(number) for number in block("text").split()]
    draw = rows.standard_normal(np.array([7], np.int32), 3)[0]
    np.testing.assert_allclose(found, draw, rtol=0, atol=1e-6)
