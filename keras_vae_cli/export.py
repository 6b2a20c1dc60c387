"""`keras-vae export RUN`, and the commands that act on exported files."""

import pathlib

import click

from keras_vae_cli import output

# The hidden command that a first word which is no command stands for.
_EXPORT_RUN = "<run>"


class _RunOrCommand(click.Group):
    """A group whose first word is a run folder where it is none of the commands."""

    def parse_args(self, ctx, args):
        if args and args[0] not in (*self.list_commands(ctx), *ctx.help_option_names):
            args = [_EXPORT_RUN, *args]
        return super().parse_args(ctx, args)

    def format_options(self, ctx, formatter):
        command = self.commands[_EXPORT_RUN]
        command.format_options(click.Context(command, parent=ctx), formatter)
        self.format_commands(ctx, formatter)

    def list_commands(self, ctx):
        return [name for name in super().list_commands(ctx) if name != _EXPORT_RUN]


@click.group(
    cls=_RunOrCommand,
    no_args_is_help=True,
    options_metavar="",
    subcommand_metavar="RUN [OPTIONS] | COMMAND [ARGS]...",
)
def export():
    """Export RUN, or use what was exported.

    Each file is compared with the Keras model before it gets its name. A folder called like a
    command is written ./COMMAND.
    """


@export.command(_EXPORT_RUN)
@output.run_argument
@click.option("--out", type=click.Path(), help="Folder to write.  [default: RUN/export]")
@click.option(
    "--formats",
    default="saved_model,tflite",
    show_default=True,
    help="saved_model, tflite, or both with a comma.",
)
def export_run(run, out, formats):
    """Export RUN, and compare each file with the Keras model."""
    output.import_keras_vae()
    from export.exporter import export as write_exports
    from keras_vae import runs

    opened = runs.load(run)
    directory = pathlib.Path(out) if out else opened.path / "export"
    results = write_exports(opened.vae, directory, formats=tuple(formats.split(",")))
    for result in results:
        click.echo(
            f"Wrote {output.shorten(result.path)} ({output.size(result.path)}, "
            f"{result.seconds:.1f} s, worst error {result.worst_error:.1e})."
        )
    first = output.shorten(results[-1].path)
    words = ("--seed", 7, "--out", "generated.png")
    output.say_next("keras-vae", "export", "generate", first, *words)


@export.command()
@click.argument("file", type=click.Path())
@output.count_option
@output.seed_option
@output.temperature_option
@click.option("--out", required=True, type=click.Path(), help=".png for a grid, .npy for arrays.")
def generate(file, count, seed, temperature, out):
    """Generate images with an exported FILE, in its own runtime.

    FILE is a .tflite file, or the folder of a SavedModel.
    """
    output.check_out(out, (".png", ".npy"))
    output.clean_up_on_sigterm()
    from export import pictures, runtimes

    images = runtimes.load(file).generate(count, seed=seed, temperature=temperature).image
    pictures.save(images, out)
    click.echo(f"Wrote {out} ({output.size(out)}, {count} images).")
