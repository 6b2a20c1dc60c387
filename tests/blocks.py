"""Run the code of a Markdown page: its blocks in their order, in the folder that this runs in.

    cd "$(mktemp -d)" && python .../tests/blocks.py .../docs/faq.md

Python blocks share their names, shell blocks their files, and trainings by `keras-vae` have two
epochs and dense networks. A block of another language has to say that it is not run.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = ("bash", "javascript", "python")
# What a program prints, and what a file holds.
SHOWN = ("text",)
NOT_RUN = "Not run by the tests"
SKIPPED = "Blocks that were not run: "

_FENCE = re.compile(r"^```(\w*)(?: (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHELL = """\
keras-vae() {
    case $1 in train | launch) set -- "$@" %s ;; esac
    python -m keras_vae_cli "$@"
}
# A cluster of this machine alone.
srun() { "$@"; }
"""
_SHORT = "--epochs 2 --network mlp --quiet"
# Each block of this page has a RUN that it trains, or else one that is there already.
_USES = "uses.md"
_FRESH_RUN = "rm -rf RUN\n"
_TRAINED_RUN = _FRESH_RUN + "cp -r TRAINED RUN\n"


class Block(NamedTuple):
    """A fenced block: its language, the word after it, its text, its line, what stands before."""

    language: str
    tag: str
    text: str
    line: int
    before: str


def blocks(page):
    """Return the blocks of a page.

    Args:
        page: `pathlib.Path` of a Markdown file.

    Returns:
        list of `Block`.
    """
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            found[1],
            found[2] or "",
            found[3],
            text.count("\n", 0, found.start(3)) + 1,
            text[: found.start()].rstrip().rpartition("\n\n")[2],
        )
        for found in _FENCE.finditer(text)
    ]


def run(page, folder, check="", tag="", timeout=1800):
    """Run the blocks of a page in a new process.

    Args:
        page: `pathlib.Path` of a Markdown file.
        folder: `pathlib.Path` of an empty folder to run them in.
        check: str, Python that is run after them, with their names.
        tag: str, the word after the language of those that are run.
        timeout: int, seconds.

    Returns:
        str, what they printed. What could not be run stands after `SKIPPED`.
    """
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    result = subprocess.run(
        [sys.executable, __file__, str(page), check, tag],
        cwd=folder,
        env={
            **os.environ,
            "PATH": path,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        },
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return result.stdout


def _python(page, block, names):
    # Errors name the line of the page.
    code = "\n" * (block.line - 1) + block.text
    exec(compile(code, str(page), "exec"), names)


def _bash(page, block):
    shell = _SHELL % (_SHORT if not block.tag else "")
    if page.name == _USES:
        # A block that trains it twice means either.
        text = block.text.replace("keras-vae train", _FRESH_RUN + "keras-vae train")
        shell += (_TRAINED_RUN if text == block.text else "") + text
    else:
        shell += block.text
    subprocess.run(["bash", "-eu", "-c", shell], check=True, stdout=sys.stderr)


def _javascript(page, block):
    """Run a block as a module, and return why it could not be run, or None."""
    if shutil.which("node") is None:
        return "Node.js is not installed"
    for package in re.findall(r"`npm install (\S+)`", page.read_text(encoding="utf-8")):
        if shutil.which("npm") is None:
            return f"npm, which installs {package}, is not installed"
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", ".", package]
        found = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if found.returncode:
            return f"npm did not install {package}: {found.stderr[-300:]}"
    pathlib.Path("block.mjs").write_text(block.text, encoding="utf-8")
    around = pathlib.Path(__file__).with_name("browser.mjs")
    subprocess.run(["node", "--import", str(around), "block.mjs"], check=True, timeout=120)
    return None


def _prepare(page):
    """Make what a page takes for granted."""
    if page.name == _USES:
        import uses_setting

        uses_setting.make()


def main(page, check, tag):
    """Run the blocks of a page here.

    Args:
        page: str, the path of the page.
        check: str, Python that is run after them, with their names.
        tag: str, the word after the language of those that are run.
    """
    page = pathlib.Path(page).resolve()
    _prepare(page)
    names, skipped = {"__name__": "__main__"}, []
    for block in blocks(page):
        # The targets of make have tests of their own.
        if block.tag != tag or block.text.startswith("make "):
            continue
        print(f"{page.name}, line {block.line}", file=sys.stderr, flush=True)
        if block.language == "python":
            _python(page, block, names)
        elif block.language == "bash":
            _bash(page, block)
        elif block.language == "javascript":
            skipped += filter(None, [_javascript(page, block)])
        sys.stdout.flush()
    exec(check, names)
    if skipped:
        print(SKIPPED + "; ".join(skipped))


if __name__ == "__main__":
    page, check, tag = (*sys.argv[1:], "", "")[:3]
    main(page, check, tag)
