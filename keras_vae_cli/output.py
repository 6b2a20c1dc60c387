"""What the commands say, and the options that several of them take."""

import importlib
import os
import pathlib
import sys

import click

run_argument = click.argument("run", type=click.Path())
quiet_option = click.option("--quiet", is_flag=True, help="Show no progress.")
seed_option = click.option("--seed", type=int, default=0, show_default=True, help="Seed.")
count_option = click.option(
    "-n", "--count", type=click.IntRange(min=1), default=64, show_default=True, help="Images."
)
temperature_option = click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Spread of the draws; 0 gives the centre of the prior.",
)


def import_keras_vae():
    """Import what the heavy commands need, without TensorFlow's notes on its own start-up."""
    from export.quiet import native_stderr

    with native_stderr():
        importlib.import_module("keras_vae")


def verbosity(quiet):
    """Return Keras's `verbose`: a bar on a terminal, a line an epoch elsewhere, or nothing."""
    if quiet:
        return 0
    return 1 if sys.stdout.isatty() else 2


def success(path, size, *facts, next_command):
    """Print the last lines of a command: what was written, what it is, what to type next."""
    click.echo(f"Wrote {path} ({', '.join([size, *facts])}).")
    click.echo(f"Next: {next_command}")


def shorten(path):
    """Return a path as one would type it from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def size(path):
    """Return the size of a file or of a folder's files, such as "1.2 MB"."""
    path = pathlib.Path(path)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    total = float(sum(file.stat().st_size for file in files))
    for unit in ("B", "kB", "MB"):
        if total < 1000:
            return f"{total:.3g} {unit}"
        total /= 1000
    return f"{total:.3g} GB"


def check_out(path, suffixes):
    """Refuse a file to write whose suffix says no format that the command has."""
    if pathlib.Path(path).suffix.lower() not in suffixes:
        raise click.UsageError(f"--out must end in {' or '.join(suffixes)}. Received: {path}.")
