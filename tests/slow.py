"""The slow tests and their times: pytest -m slow --junitxml=F.xml && python tests/slow.py F.xml

It writes slow.txt: the seconds of each test, with what it waits for to be made, over all of its
cases, the longest first.
"""

import ast
import collections
import pathlib
import sys
import xml.etree.ElementTree

FOLDER = pathlib.Path(__file__).resolve().parent
LISTED = FOLDER / "slow.txt"


def marked():
    """Return the tests that are marked slow, or have cases that are, as "file::test"."""
    found = set()
    for path in sorted(FOLDER.glob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        whole = any(
            isinstance(node, ast.Assign) and "mark.slow" in ast.unparse(node) for node in tree.body
        )
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        found |= {
            f"{path.name}::{node.name}"
            for node in functions
            if node.name.startswith("test_")
            and (whole or "mark.slow" in " ".join(map(ast.unparse, node.decorator_list)))
        }
    return found


def listed():
    """Return the seconds of each test that is listed."""
    lines = LISTED.read_text(encoding="utf-8").splitlines()
    return {name: float(seconds) for seconds, name in map(str.split, lines)}


def main(report):
    """Write the list from a JUnit report."""
    times = collections.Counter(dict.fromkeys(marked(), 0.0))
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        path = case.get("classname").replace("tests.", "")
        times[f"{path}.py::{case.get('name').partition('[')[0]}"] += float(case.get("time"))
    lines = [f"{seconds:7.1f} {name}" for name, seconds in times.most_common()]
    LISTED.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
