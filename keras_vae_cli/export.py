"""`keras-vae export RUN`, and the group of the commands that act on exported files."""

import difflib
import os

import click

from keras_vae_cli import document, look, output

# The hidden command that a first word which is no command stands for.
_EXPORT_RUN = "<run>"


class _RunOrCommand(look.Group):
    """A group whose first word is a run folder where it is none of the commands."""

    def parse_args(self, ctx, args):
        if args and args[0] not in (*self.list_commands(ctx), *ctx.help_option_names):
            if not ctx.resilient_parsing:
                self._check_word(ctx, args)
            args = [_EXPORT_RUN, *args]
        return super().parse_args(ctx, args)

    def _check_word(self, ctx, args):
        """Refuse a misspelt command, which no run folder is called like."""
        near = difflib.get_close_matches(args[0], self.list_commands(ctx))
        if not near or args[0].startswith("-") or os.path.exists(args[0]):
            return
        if "--json" in args:
            document.current.begin("export")
        error = click.UsageError(f"No such command or run {args[0]!r}.", ctx)
        error.possibilities = near
        raise error

    def format_options(self, ctx, formatter):
        command = self.commands[_EXPORT_RUN]
        command.format_options(click.Context(command, parent=ctx), formatter)
        self.format_commands(ctx, formatter)

    def format_epilog(self, ctx, formatter):
        look.write_examples(formatter, self.commands[_EXPORT_RUN].examples)

    def shell_complete(self, ctx, incomplete):
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="dir"), *super().shell_complete(ctx, incomplete)]

    def list_commands(self, ctx):
        return [name for name in super().list_commands(ctx) if name != _EXPORT_RUN]


class Words(click.ParamType):
    """Words with commas between them."""

    name = "names"

    def convert(self, value, param, ctx):
        if not isinstance(value, str):
            return value
        return tuple(word.strip() for word in value.split(",") if word.strip())


class _Sizes(Words):
    """Integers with commas between them."""

    name = "sizes"

    def convert(self, value, param, ctx):
        words = super().convert(value, param, ctx)
        try:
            return tuple(map(int, words))
        except ValueError:
            self.fail(f"{value!r} must be integers with commas between them.", param, ctx)


@click.group(
    cls=_RunOrCommand,
    no_args_is_help=True,
    options_metavar="",
    short_help="Export a run, or use what was exported.",
    subcommand_metavar="RUN [OPTIONS] | COMMAND [ARGS]...",
)
def export():
    """Export RUN, or use what was exported.

    Each file is compared with the Keras model before it gets its name. A folder called like a
    command is written ./COMMAND. `keras-vae export formats` shows what can be combined.
    """


@export.command(
    _EXPORT_RUN,
    example=(
        "keras-vae export run",
        "keras-vae export run --formats tflite --precisions float32,int8 --out phone",
    ),
)
@output.run_argument
@click.option("--out", type=click.Path(), help="Folder to write.  [default: RUN/export]")
@click.option(
    "--formats",
    type=Words(),
    default="saved_model,tflite",
    show_default=True,
    help="Of saved_model, tflite, onnx.",
)
@click.option(
    "--precisions",
    type=Words(),
    default="float32",
    show_default=True,
    help="Of float32, float16, dynamic, int8, full_int8, int16x8.",
)
@click.option(
    "--endpoints",
    type=Words(),
    default="decode,encode,reconstruct,generate",
    show_default=True,
    help="Also score and decode_png.",
)
@click.option("--uint8", is_flag=True, help="Images of integers from 0 to 255.")
@click.option(
    "--batch-sizes",
    type=_Sizes(),
    default="",
    help="Further batch sizes of a TFLite file, such as 8,32.",
)
@click.option(
    "--num-samples",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Draws of z behind a score.",
)
@click.option("--allow-flex", is_flag=True, help="Let a TFLite file need TensorFlow's operators.")
@click.option(
    "--false-alarm-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Let score decide too, at this rate of false alarms among normal examples.",
)
@click.option(
    "--criterion",
    default="negative_elbo",
    show_default=True,
    help="By which it decides: negative_elbo, reconstruction_error or typicality.",
)
@click.option("--no-check", is_flag=True, help="Compare nothing with the Keras model.")
def export_run(run, out, no_check, false_alarm_rate, criterion, **options):
    """Export RUN, and compare each file with the Keras model."""
    from export import plan

    # Before TensorFlow is imported.
    arguments = {name: options.pop(name) for name in ("formats", "precisions", "endpoints")}
    plan.check(*arguments.values(), **options)
    context = click.get_current_context()
    if false_alarm_rate is None and (
        context.get_parameter_source("criterion") is not click.core.ParameterSource.DEFAULT
    ):
        raise click.UsageError("--criterion goes with --false-alarm-rate.")
    output.import_keras_vae()
    from export import endpoints
    from export.exporter import export as write_exports
    from keras_vae import runs, uses

    opened = runs.load(run)
    directory = opened.path / "export" if out is None else out
    vae = opened.vae
    detector = None
    if false_alarm_rate is not None:
        from export import thresholds

        thresholds.check_score(criterion, arguments["endpoints"])
        detector = uses.detecting.detector(opened, criterion, True, false_alarm_rate)
    results = write_exports(
        vae,
        directory,
        **arguments,
        data=training_images(opened),
        about=about(opened),
        card=opened.card(has_files=False),
        check=not no_check,
        detector=detector,
        **options,
    )
    names = ("format", "precision", "endpoints", "left_out", "worst_error", "seconds")
    output.tell(
        files=[
            {"path": output.shorten(result.path)} | {name: getattr(result, name) for name in names}
            for result in results
        ]
    )
    for result in results:
        _report(result, arguments["precisions"], endpoints.labels_of(vae))
    output.say_next("keras-vae", "export", "check", output.shorten(directory))


def about(opened):
    """Return what exported files say of a run."""
    return {
        "name": opened.name,
        "data_set": opened.config["data"].get("source"),
        "labels": opened.config["model"].get("classes"),
    }


def training_images(opened):
    """Return the run's data, or None with a note if it is not to be had any more."""
    try:
        return opened.load_data()
    except (OSError, ValueError) as error:
        output.note(f"Note: without the run's training images, since they do not load: {error}")
        return None


def _report(result, asked, labels):
    path = output.shorten(result.path)
    error = "not compared"
    if result.worst_error is not None:
        error = f"worst error {result.worst_error:.1e}"
    output.wrote(result.path, f"{result.seconds:.1f} s", error)
    if result.precision not in asked:
        click.echo(f"  {result.format} has no {', '.join(asked)}: it is in {result.precision}.")
    for name, reason in result.left_out.items():
        click.echo(f"  It has no {name}: {reason}.")
    if "decode" in result.endpoints or "generate" in result.endpoints:
        words = ("generate", path, "--seed", 7)
        if labels is not None:
            words += ("--label", ",".join(map(str, labels.example)))
        words += ("--out", "generated.png")
        click.echo(f"  Run it: {output.command('keras-vae', 'export', *words)}")
