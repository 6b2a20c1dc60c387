"""What the commands say, and the options that several of them take."""

import importlib
import os
import pathlib
import shlex
import shutil
import signal
import sys

import click

from keras_vae_cli import document

TERMINATED = 143
# Wider lines are hard to read, and of what is no terminal nobody knows the width.
_WIDEST, _NARROWEST = 100, 40


def _complete_folders(context, param, incomplete):
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="dir")]


def completing(*names):
    """Return what completes an argument by these names, and else by those of files."""

    def complete(context, param, incomplete):
        from click.shell_completion import CompletionItem

        # In this order: a shell forgets, where it comes to files, the names before.
        found = [name for name in names if name.startswith(incomplete)]
        return [CompletionItem(incomplete, type="file"), *map(CompletionItem, found)]

    return complete


run_argument = click.argument("run", type=click.Path(), shell_complete=_complete_folders)
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
    try:
        with native_stderr():
            importlib.import_module("keras_vae")
    except Exception as error:
        raise RuntimeError(
            f"keras_vae must be importable. Received: {type(error).__name__}: {error}. See what "
            "is missing or broken, and the line that mends it: keras-vae doctor"
        ) from error
    clean_up_on_sigterm()


def clean_up_on_sigterm():
    """From now on let SIGTERM unwind, so that nothing half-written stays; twice, it kills."""

    def stop(*_):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.exit(TERMINATED)

    signal.signal(signal.SIGTERM, stop)


def success(path, *words, next_command, **facts):
    """Print the last lines of a command: what was written, what it is, what to type next.

    Args:
        path: str or `pathlib.Path` of what was written.
        words: str, what to say of it.
        next_command: tuple of the words of a command.
        facts: what to tell a machine of it.
    """
    wrote(path, *words)
    document.current.facts |= facts
    say_next(*next_command)


def wrote(path, *words):
    """Say that a file or folder was written, with its size."""
    shown = shorten(path)
    heading = click.style("Wrote", fg="green", bold=True)
    click.echo(f"{heading} {shown} ({', '.join([size(path), *words])}).")
    document.current.wrote.append({"path": shown, "bytes": num_bytes(path)})


def label_words(run):
    """Return the words that give another command the label that a run's model is given."""
    from keras_vae import uses

    return () if run.label is None else ("--label", uses.labels.name_of(run))


def say_next(*words):
    """Print the command to type next."""
    click.echo(f"{click.style('Next:', bold=True)} {command(*words)}")
    document.current.next = [str(word) for word in words]


def tell(**facts):
    """Keep what only a machine is told in so many words; see `keras_vae_cli.document`."""
    document.current.facts |= facts


def note(text):
    """Say something beside the results."""
    click.echo(text)
    document.current.notes.append(text)


def width():
    """Return how many columns a line may have."""
    columns = shutil.get_terminal_size((_WIDEST, 24)).columns
    return max(_NARROWEST, min(columns, _WIDEST))


def say_interrupted():
    """Say after Ctrl-C how work in shards goes on, and end the command."""
    note("Interrupted: the same command goes on with the shards that are missing.")
    raise click.exceptions.Exit(130) from None


def report_rows(work, next_command, lines=lambda facts: ()):
    """Do what writes a row for each example, and say what came of it.

    Args:
        work: function of nothing that gives a `keras_vae.uses.Written`.
        next_command: the words of the command to type next.
        lines: function of its facts, with the number of `rows`, that gives lines to print.
    """
    try:
        written = work()
    except KeyboardInterrupt:
        say_interrupted()
    facts = {**written.facts, "rows": written.count}
    for line in lines(facts):
        click.echo(line)
    words = [f"{written.count} row{'s' * (written.count > 1)}"]
    if written.kept:
        words.append(f"{written.kept} of {written.done + written.kept} shards were there")
    success(written.path, *words, next_command=next_command, **facts)


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


def num_bytes(path):
    """Return the bytes of a file or of a folder's files."""
    from export import trees

    return trees.tree_size(path)


def check_out(path, suffixes):
    """Refuse a file to write whose suffix says no format that the command has."""
    if pathlib.Path(path).suffix.lower() not in suffixes:
        raise click.UsageError(f"--out must end in {' or '.join(suffixes)}. Received: {path}.")
