"""What `keras-vae train` does, apart from its options. Imported when it runs."""

import os

import click

from keras_vae import callbacks, data, evaluation, runs, trainings
from keras_vae.workers import Workers
from keras_vae_cli import output, parts, recipe

_DATA_OPTIONS = (
    "batch_size",
    "image_size",
    "binarize",
    "validation_fraction",
    "test_fraction",
    "value_range",
    "color_mode",
    "skip_bad",
    "data_dir",
    "label_column",
    "id_column",
    "drop_columns",
    "categorical_columns",
)
# Where the data are may differ between machines; what they hold is compared.
_PLACES = {"source", "labelled", "data_dir"}
# Examples whose z are drawn.
_SHOWN = 2000


class Team:
    """The processes of a training, of which this is one.

    Args:
        strategy: `tf.distribute.Strategy`.
        quiet: bool, whether no progress is wanted.

    Attributes:
        strategy: as given.
        workers: `keras_vae.workers.Workers`.
        quiet: bool, whether this process shows no progress.
    """

    def __init__(self, strategy, quiet):
        self.strategy, self.workers = strategy, Workers(strategy)
        self.quiet = quiet or not self.workers.is_chief


def find(team, source, out, options, given, overwrite, resume):
    """Return the `keras_vae.trainings.Training` that the command means, or None if it is finished.

    Args:
        team: `Team`.
        source, out: str, of the command.
        options: dict, of the command, not completed.
        given: set of str, the options that the user gave.
        overwrite, resume: bools, of the command.
    """
    if options["recipe"] is None:
        by_labels = "few_labels" if options["labelled"] else "best"
        options["recipe"] = "table" if data.tables.is_table(source) else by_labels
    for name in ("conditional", "labelled"):
        if options[name] and data.tables.is_table(source):
            fix = "Leave it out, or use the model in Python."
            raise click.UsageError(f"--{name} is for images. Received: a table. {fix}")
    options = parts.complete(options)
    for name in ("drop_columns", "categorical_columns"):
        options[name] = list(options[name])
    parts.check(options)
    parts.check_given(given, options)
    options["source"] = _anywhere(source)
    if options["labelled"]:
        options["labelled"] = _anywhere(options["labelled"])
    command = {name: value for name, value in options.items() if name not in _PLACES}
    command |= {"overwrite": overwrite, "resume": resume}
    team.workers.check_same(command, "options", "Start each worker with the same command.")

    def find_here():
        found = trainings.find(out, options, given | {"source"}, overwrite, resume)
        return found and (found.options, found.resumes)

    found = team.workers.from_chief(find_here)
    if found is None:
        if team.workers.is_chief:
            output.note(
                f"The training of {output.shorten(out)} is finished: nothing is left to do."
            )
            output.say_next("keras-vae", "evaluate", output.shorten(out))
        return None
    recorded, resumes = found
    here = {name: options[name] for name in _PLACES & {"source", *given}}
    path = trainings.final_path(out)
    training = trainings.Training(path, {**recorded, **here}, resumes, overwrite)
    if resume and team.workers.is_chief:
        output.note(_where(training))
    return training


def _anywhere(source):
    """Return the name of a source that means the same in any folder."""
    return os.path.abspath(source) if os.path.exists(source) else source


def prepare(team, training):
    """Return the `Session` of a training, of which all workers have the same data."""
    options, workers = dict(training.options), team.workers
    source = options.pop("source")
    load_options = {name: options.pop(name) for name in _DATA_OPTIONS}
    load_options["shuffle_seed"] = options["seed"]
    with team.strategy.scope():
        data, few = workers.chief_first(
            lambda: recipe.load(source, load_options, options, not team.quiet)
        )
        held = {**_held(data), "labelled": few if isinstance(few, int) else few and _held(few)}
        workers.check_same(held, "examples", "Give each of them the same source.")
        if recipe.is_table(data) and not team.quiet:
            texts = [column.name for column in data.columns if column.is_categorical]
            named = f" ({', '.join(texts[:10])})" if texts else ""
            numbers = len(data.columns) - len(texts)
            output.note(
                f"A table of {numbers} columns of numbers and {len(texts)} of texts{named}."
            )
        return recipe.prepare(data, few, load_options, options, workers)


def _held(loaded):
    """Return what tells loaded data from others."""
    names = ("num_train", "num_validation", "num_test", "num_classes", "event_shape", "checksum")
    return {name: getattr(loaded, name) for name in names}


def watchers(session, tensorboard, quiet):
    """Return the callbacks that show how a training goes.

    Args:
        session: `Session`.
        tensorboard: str, the folder to write for it, or None.
        quiet: bool, whether nothing is printed.
    """
    data = session.data
    found = [] if quiet else [callbacks.Progress(data.num_train, data.batch_size)]
    if tensorboard:
        examples = evaluation.first_examples(evaluation.held_out(data), _SHOWN)
        found.append(callbacks.TensorBoard(tensorboard, examples, seed=session.seed))
    return found


def write(session, training, progress):
    """Write the run folder of a training that has ended."""
    with runs.create(training.path, session.config) as run:
        session.write(run, progress=progress)


def _where(training):
    """Return what --resume finds."""
    path = output.shorten(training.path)
    if not training.is_saved:
        return f"There is no checkpoint in {path}: the training begins anew."
    return f"Going on with the training of {path}."


def report(session, path):
    """Say what came of a training, whose run is at `path`."""
    run = runs.load(path)
    path = output.shorten(run.path)
    output.tell(epochs=session.epochs, epochs_done=session.epochs_done, metrics=run.metrics)
    if session.interrupted:
        output.note(
            f"Interrupted: what was learnt in {session.epochs_done} of {session.epochs} epochs is "
            f"in {path} ({output.size(run.path)}). The same command with --resume goes on."
        )
        output.say_next("keras-vae", "evaluate", path)
        raise click.exceptions.Exit(130)
    if session.nan_epoch is not None:
        raise ValueError(
            f"The loss was not finite in epoch {session.nan_epoch + 1}, and training stopped. "
            f"The weights from before it are in {path}. {callbacks.NAN_CAUSES}"
        )
    words = [f"test ELBO {run.metrics['elbo']:.2f} nats per example"]
    if "accuracy" in run.metrics:
        words.append(f"{run.metrics['accuracy']:.2%} of the test labels told")
    output.success(path, *words, next_command=("keras-vae", "evaluate", path))
