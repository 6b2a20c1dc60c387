"""`keras-vae train`: from a source of images to a run folder."""

import contextlib

import click

from keras_vae_cli import look, output, train_options

_EXAMPLES = (
    "keras-vae train digits --out run",
    "keras-vae train digits --recipe textbook --latent-dim 2 --out small",
)


@look.command(short_help="Train a VAE on images or a table.", example=_EXAMPLES)
@click.argument("source", shell_complete=output.completing("digits", "mnist", "cifar10"))
@train_options.options
@click.pass_context
def train(
    context,
    source,
    out,
    overwrite,
    resume,
    checkpoint_minutes,
    checkpoint_steps,
    strategy,
    tensorboard,
    quiet,
    **options,
):
    """Train a VAE on SOURCE and write a run folder.

    SOURCE is "digits" (no network needed), the name of an image set of TensorFlow Datasets such
    as mnist, a folder of images, an .npz or .npy file, or a table: a .csv or .parquet file, or an
    array of two axes.

    A training that was killed, terminated or interrupted goes on where it stood with --resume and
    the same --out.
    """
    unset = click.core.ParameterSource.DEFAULT
    given = {name for name in options if context.get_parameter_source(name) is not unset}
    output.import_keras_vae()
    from keras_vae import strategies
    from keras_vae_cli import trainer

    # Nothing of TensorFlow's may come before this, and before the workers have met.
    if options["deterministic"]:
        strategies.make_deterministic()
    team = trainer.Team(strategies.get(strategy), quiet)
    training = trainer.find(team, source, out, options, given, overwrite, resume)
    if training is None:
        return
    session = trainer.prepare(team, training)
    watchers = trainer.watchers(session, tensorboard, team.quiet)
    with contextlib.ExitStack() as stack:
        team.workers.from_chief(lambda: stack.enter_context(training) and None)
        session.fit(training, checkpoint_steps, checkpoint_minutes, watchers)
        session.check_learnt()
        # The others wait for it: a worker that has ended would not be there to begin again.
        team.workers.from_chief(lambda: trainer.write(session, training, progress=not quiet))
    if team.workers.is_chief:
        trainer.report(session, training.path)
