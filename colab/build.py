"""Make the notebooks of this folder from the scripts beside them: python colab/build.py [NAME ...]

The outputs of a notebook are kept where its code is the same. With --execute it is run, in a
temporary folder. It needs the extra `test`.
"""

import argparse
import pathlib
import re
import tempfile
import tomllib

import jupytext
import nbformat
from nbclient import NotebookClient

FOLDER = pathlib.Path(__file__).resolve().parent
SECONDS = 1800
_CHATTER = re.compile(r"[IWE]\d{4} |WARNING: All log messages before absl|$")
_KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}


def scripts():
    """Return the paths of the scripts that notebooks are made from."""
    return sorted(path for path in FOLDER.glob("*.py") if path.name != pathlib.Path(__file__).name)


def badge(name, project):
    """Return the line that opens a notebook in Colab, or "" where GitHub does not have it."""
    address = project.get("urls", {}).get("Repository", "")
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?", address)
    if not found:
        return ""
    colab = "https://colab.research.google.com"
    page = f"{colab}/github/{found[1]}/blob/main/colab/{name}.ipynb"
    return f"[![Open in Colab]({colab}/assets/colab-badge.svg)]({page})\n\n"


def read(script):
    """Return the notebook that a script makes, without outputs."""
    notebook = jupytext.read(script, fmt="py:percent")
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text())["project"]
    notebook.cells[0].source = badge(script.stem, project) + notebook.cells[0].source
    notebook.metadata = nbformat.from_dict(_KERNEL)
    for place, cell in enumerate(notebook.cells):
        cell["id"], cell.metadata = f"cell-{place}", nbformat.from_dict({})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def execute(notebook, folder):
    """Run a notebook in a folder, all but its installation, and put the outputs in."""
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    source, first.source = first.source, ""
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=SECONDS, resources=resources, coalesce_streams=True).execute()
    first.source, first.execution_count = source, None
    for cell in notebook.cells:
        # Times and versions of a widget's protocol, by which no reader is helped.
        cell.metadata = nbformat.from_dict({})
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not _is_chatter(output)]


def _is_chatter(output):
    """Return whether an output is what TensorFlow says of its own start."""
    lines = output.get("text", "").splitlines() if output.get("name") == "stderr" else []
    return bool(lines) and all(_CHATTER.match(line) for line in lines)


def with_outputs(notebook, earlier):
    """Give cells the outputs that the same code had in an earlier notebook, if all of it is."""
    codes = [
        [cell for cell in found.cells if cell.cell_type == "code"] for found in (notebook, earlier)
    ]
    if [cell.source for cell in codes[0]] == [cell.source for cell in codes[1]]:
        for new, old in zip(*codes, strict=True):
            new.outputs, new.execution_count = old.outputs, old.execution_count


def main():
    """Write the notebooks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="scripts, without .py; all by default")
    parser.add_argument("--execute", action="store_true", help="run them")
    options = parser.parse_args()
    for script in scripts():
        if options.names and script.stem not in options.names:
            continue
        notebook, path = read(script), script.with_suffix(".ipynb")
        if options.execute:
            with tempfile.TemporaryDirectory() as folder:
                execute(notebook, folder)
        elif path.exists():
            with_outputs(notebook, nbformat.read(path, 4))
        nbformat.write(notebook, path)
        print(path)


if __name__ == "__main__":
    main()
