"""The slow tests and their times: pytest -m slow --durations=0 > F; python tests/slow.py F [...]

It writes slow.txt: the seconds of each test, with what it waits for to be made, over all of its
cases, the longest first. Of what it is not given, the times stay.
"""

import ast
import collections
import pathlib
import re
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
LISTED = FOLDER / "slow.txt"
_LINE = re.compile(r"([\d.]+)s (?:call|setup|teardown) +tests/(test_\w+\.py::\w+)")


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


def main(*reports):
    """Write the list from what pytest said of durations."""
    found = collections.Counter()
    for report in reports:
        for seconds, name in _LINE.findall(pathlib.Path(report).read_text(encoding="utf-8")):
            found[name] += float(seconds)
    names, earlier = marked(), listed() if LISTED.exists() else {}
    times = {name: found.get(name) or earlier.get(name, 0.0) for name in names}
    lines = [f"{times[name]:7.1f} {name}" for name in sorted(names, key=lambda n: (-times[n], n))]
    LISTED.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
