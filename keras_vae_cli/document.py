"""--json: what a command has to tell, collected while it runs and printed once as JSON."""

import contextlib
import json
import math
import os
import sys

import click


class Document:
    """What one call of the command line tells a machine.

    Attributes:
        wrote: list of dicts, the `path` and the `bytes` of each file or folder that was written.
        facts: dict, what was found out.
        notes: list of str, what else was said about it.
        next: list of str or None, the command to type next.
        error: str or None, why the command failed.
    """

    def __init__(self):
        self.forget()

    def forget(self):
        """Be empty, as before a command."""
        self.wrote, self.facts, self.notes = [], {}, []
        self.next = self.error = None
        self._command, self._stdout = None, None

    @property
    def is_wanted(self):
        """Whether --json was given."""
        return self._command is not None

    def begin(self, command):
        """Keep standard output for the document; all else goes to standard error from now on.

        Args:
            command: str, without "keras-vae".
        """
        self._command, self._stdout = command, sys.stdout
        sys.stdout = sys.stderr

    def end(self, status):
        """Print the document if one is wanted, and give standard output back.

        Args:
            status: int, that the command exits with.
        """
        if not self.is_wanted:
            return
        sys.stdout, self._stdout = self._stdout, None
        names = ("wrote", "facts", "notes", "next", "error")
        told = {"command": self._command, "status": status}
        told |= {name: plain(getattr(self, name)) for name in names}
        self._command = None
        click.echo(json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False))


current = Document()


@contextlib.contextmanager
def collecting():
    """Begin anew, and yield the document."""
    current.forget()
    stdout = sys.stdout
    try:
        yield current
    finally:
        sys.stdout = stdout


def option():
    """Return the option --json, which `keras_vae_cli.look.Command` has heeded before."""
    return click.Option(
        ["--json"],
        is_flag=True,
        expose_value=False,
        help="Print one JSON document, and all else to standard error.",
    )


def plain(value):
    """Return a value as JSON has it: NaN and infinity, which it has not, as None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        # NumPy's numbers and arrays, without an import of NumPy.
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
