"""What the commands say, and the options that several of them take."""

import importlib
import os
import pathlib
import shlex
import signal
import sys

import click

TERMINATED = 143

run_argument = click.argument("run", type=click.Path())
quiet_option = click.option("--quiet", is_flag=True, help="Show no progress.")
seed_option = click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**31 - 1),
    default=0,
    show_default=True,
    help="Seed of all random numbers.",
)
count_option = click.option(
    "-n",
    "--count",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="How many images.",
)
label_option = click.option(
    "--label",
    help="The class of all images, its name or else its place, for a RUN that was trained with "
    "--conditional. Without it: as if none were known.",
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

    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise ValueError(
            "keras_vae runs on TensorFlow: KERAS_BACKEND must be tensorflow or unset. "
            f"Received: KERAS_BACKEND={backend}."
        )
    with native_stderr():
        importlib.import_module("keras_vae")
    clean_up_on_sigterm()


def clean_up_on_sigterm():
    """From now on let SIGTERM unwind, so that nothing half-written stays; twice, it kills."""

    def stop(*_):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.exit(TERMINATED)

    signal.signal(signal.SIGTERM, stop)


def success(path, size, *facts, next_command):
    """Print the last lines of a command: what was written, what it is, what to type next."""
    click.echo(f"Wrote {path} ({', '.join([size, *facts])}).")
    say_next(*next_command)


def say_next(*words):
    """Print the command to type next."""
    click.echo(f"Next: {command(*words)}")


def say_interrupted():
    """Say after Ctrl-C how work in shards goes on, and end the command."""
    click.echo("Interrupted: the same command goes on with the shards that are missing.")
    raise click.exceptions.Exit(130) from None


def report_rows(work, next_command, tell=lambda facts: ()):
    """Do what writes a row for each example, and say what came of it.

    Args:
        work: function of nothing that gives a `keras_vae.uses.Written`.
        next_command: the words of the command to type next.
        tell: function of its facts, with the number of `rows`, that gives lines to print.
    """
    try:
        written = work()
    except KeyboardInterrupt:
        say_interrupted()
    for line in tell({**written.facts, "rows": written.count}):
        click.echo(line)
    facts = [f"{written.count} row{'s' * (written.count > 1)}"]
    if written.kept:
        facts.append(f"{written.kept} of {written.done + written.kept} shards were there")
    success(shorten(written.path), size(written.path), *facts, next_command=next_command)


def is_table(run):
    """Return whether a run is of a table."""
    return run.vae.likelihood.columns is not None


def check_images(run):
    """Refuse a run of something else than images."""
    if len(run.vae.event_shape) != 3:
        raise ValueError(
            f"This command draws images. Received: {shorten(run.path)}, a model of a table. Use "
            "keras-vae embed, score, detect, generate, reconstruct or scatter."
        )


def command(*words):
    """Return a command so that it can be pasted into a shell."""
    return shlex.join(map(str, words))


def shorten(path):
    """Return a path as one would type it from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def count(images):
    """Return how many images, such as "1 image"."""
    return f"{len(images)} image{'s' * (len(images) > 1)}"


def size(path):
    """Return the size of a file or of a folder's files, such as "1.2 MB"."""
    from export import trees

    return trees.human_size(path)


def check_out(path, suffixes):
    """Refuse a file to write whose suffix says no format that the command has."""
    if pathlib.Path(path).suffix.lower() not in suffixes:
        raise click.UsageError(f"--out must end in {' or '.join(suffixes)}. Received: {path}.")
