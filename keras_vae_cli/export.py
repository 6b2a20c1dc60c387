"""`keras-vae export RUN`, and the commands that act on exported files."""

import datetime
import pathlib
import platform

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


class _Words(click.ParamType):
    """Words with commas between them."""

    name = "names"

    def convert(self, value, param, ctx):
        if not isinstance(value, str):
            return value
        return tuple(word.strip() for word in value.split(",") if word.strip())


class _Sizes(_Words):
    """Integers with commas between them."""

    name = "sizes"

    def convert(self, value, param, ctx):
        words = super().convert(value, param, ctx)
        try:
            return tuple(map(int, words))
        except ValueError:
            self.fail(f"{value!r} must be integers with commas between them.", param, ctx)


def _as_labels(words, names):
    """Return labels from words: names of classes, or numbers: one, or a list of several.

    Args:
        words: tuple of str, or None.
        names: list of str, those of the classes that the file knows, or None.
    """
    if words is None:
        return None
    if names and all(word in names for word in words):
        found = [names.index(word) for word in words]
    else:
        found = _as_numbers(words, names)
    return found[0] if len(found) == 1 else found


def _as_numbers(words, names):
    for kind in (int, float):
        try:
            return [kind(word) for word in words]
        except ValueError:
            continue
    known = f", or names of classes ({', '.join(names)})" if names else ""
    received = ",".join(words)
    raise click.UsageError(
        f"--label must be numbers with commas between them{known}. Received: {received!r}."
    )


@click.group(
    cls=_RunOrCommand,
    no_args_is_help=True,
    options_metavar="",
    subcommand_metavar="RUN [OPTIONS] | COMMAND [ARGS]...",
)
def export():
    """Export RUN, or use what was exported.

    Each file is compared with the Keras model before it gets its name. A folder called like a
    command is written ./COMMAND. `keras-vae export formats` shows what can be combined.
    """


@export.command(_EXPORT_RUN)
@output.run_argument
@click.option("--out", type=click.Path(), help="Folder to write.  [default: RUN/export]")
@click.option(
    "--formats",
    type=_Words(),
    default="saved_model,tflite",
    show_default=True,
    help="Of saved_model, tflite, onnx.",
)
@click.option(
    "--precisions",
    type=_Words(),
    default="float32",
    show_default=True,
    help="Of float32, float16, dynamic, int8, full_int8, int16x8.",
)
@click.option(
    "--endpoints",
    type=_Words(),
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
        detector = uses.detector(opened, criterion, True, false_alarm_rate)
    results = write_exports(
        vae,
        directory,
        **arguments,
        data=training_images(opened),
        about={
            "name": opened.name,
            "data_set": opened.config["data"].get("source"),
            "labels": opened.config["model"].get("classes"),
        },
        card=opened.card(),
        check=not no_check,
        detector=detector,
        **options,
    )
    for result in results:
        _report(result, arguments["precisions"], endpoints.labels_of(vae))
    output.say_next("keras-vae", "export", "check", output.shorten(directory))


def training_images(opened):
    """Return the run's data, or None with a note if it is not to be had any more."""
    try:
        return opened.load_data()
    except (OSError, ValueError) as error:
        click.echo(f"Note: without the run's training images, since they do not load: {error}")
        return None


def _report(result, asked, labels):
    path = output.shorten(result.path)
    error = "not compared"
    if result.worst_error is not None:
        error = f"worst error {result.worst_error:.1e}"
    click.echo(f"Wrote {path} ({output.size(result.path)}, {result.seconds:.1f} s, {error}).")
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


@export.command()
@click.argument("file", type=click.Path())
@output.count_option
@output.seed_option
@output.temperature_option
@click.option(
    "--label",
    type=_Words(),
    help="Of a file that takes labels: a class, by name or else by number, or one for each image, "
    "such as 0,1,2; or the numbers of a vector.  [default: none]",
)
@click.option("--out", required=True, type=click.Path(), help=".png for a grid, .npy for arrays.")
def generate(file, count, seed, temperature, label, out):
    """Generate images with an exported FILE, in its own runtime.

    FILE is a .tflite file, or the folder of a SavedModel or of .onnx files.
    """
    output.check_out(out, (".png", ".npy"))
    output.clean_up_on_sigterm()
    from export import pictures, runtimes

    opened = runtimes.load(file)
    label = _as_labels(label, opened.metadata.get("labels"))
    images = opened.generate(count, temperature, seed, label).image
    pictures.save(images, out)
    click.echo(f"Wrote {out} ({output.size(out)}, {count} images).")


@export.command()
@click.argument("directory", metavar="DIR", type=click.Path())
def check(directory):
    """Compare every file in an export folder with the golden vectors beside it.

    It needs the runtime of each format alone, and exits 1 if a file differs too much.
    """
    output.clean_up_on_sigterm()
    from export import check as checking

    results = checking.check(directory)
    for result in results:
        path = output.shorten(result.path)
        if result.missing:
            click.echo(f"SKIP {path}: {result.missing}")
        elif result.failures:
            click.echo(f"FAIL {path}: {'; '.join(result.failures)}")
        else:
            click.echo(f"ok   {path}: worst error {result.worst_error:.1e}")
    if any(result.failures for result in results):
        raise click.exceptions.Exit(1)
    if all(result.missing for result in results):
        raise RuntimeError("No file could be checked: none of their runtimes is installed here.")


@export.command()
@click.argument("directory", metavar="DIR", type=click.Path())
@click.option("--run", type=click.Path(), help="The run.  [default: the folder around DIR]")
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True)
@click.option(
    "--images",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    help="Test images for the loss of quality.",
)
def benchmark(directory, run, rounds, images):
    """Measure every file in an export folder beside the Keras model.

    Size, cold start, latency, throughput, memory, and what is lost on the run's test images, in
    alternating rounds. Writes benchmark.json and benchmark.png into DIR.
    """
    output.clean_up_on_sigterm()
    from export import benchmark as measuring
    from export import report

    report.read(directory)
    directory = pathlib.Path(directory)
    model, test = _run_of(directory, run, images)
    rows = measuring.benchmark(directory, model, test, rounds)
    output.import_keras_vae()
    from keras_vae import files

    results = {
        "machine": platform.platform(),
        "date": datetime.date.today().isoformat(),
        "rounds": rounds,
        "files": rows,
    }
    files.write_json(directory / measuring.RESULT, results)
    with files.replacing_file(directory / measuring.PICTURE) as partial:
        measuring.save_plot(rows, partial)
    click.echo(measuring.table(rows))
    click.echo(
        "Times and images/s are of decode; the ELBO is that of score, PSNR that of reconstruct "
        "against the test images."
    )
    for name in (measuring.RESULT, measuring.PICTURE):
        click.echo(f"Wrote {output.shorten(directory / name)}.")
    failed = [row["error"] for row in rows if "error" in row]
    if failed:
        raise RuntimeError(" ".join(failed))


def _run_of(directory, run, count):
    """Return the Keras file of a run and its first test images, as far as they are to be had."""
    path = pathlib.Path(run) if run else directory.resolve().parent
    if run is None and not (path / "config.json").exists():
        click.echo(f"Note: {path} is no run, so that Keras is not measured. Name one with --run.")
        return None, None
    output.import_keras_vae()
    from keras_vae import evaluation, runs

    opened = runs.load(path)
    try:
        test = evaluation.first_examples(opened.load_data().test, count) if count else None
    except (OSError, ValueError) as error:
        click.echo(f"Note: without the loss of quality, since the test images do not load: {error}")
        test = None
    return opened.path / runs.MODEL, test


@export.command()
def formats():
    """Show the formats, their precisions, endpoints, options and how exact they must be."""
    from export import formats as table

    for row in table.FORMATS.values():
        click.echo(f"{row.name}: {row.words}. Runs with {row.runtime}.")
        click.echo(f"  file      {row.path}")
        click.echo(f"  endpoints {', '.join(n for n in table.ENDPOINTS if n not in row.cannot)}")
        click.echo(f"  options   {', '.join(row.options)}")
        click.echo("  precision  images within  mean PSNR  other outputs within")
        for name, gate in row.gates.items():
            precision = table.PRECISIONS[name]
            without = f"; no {', '.join(precision.cannot)}, no uint8" if precision.cannot else ""
            click.echo(
                f"  {name:10} {gate.image:13g} {gate.psnr:7g} dB {gate.other:21g}   "
                f"{precision.words}{without}"
            )
        click.echo("")
    click.echo("Endpoints (inputs -> outputs):")
    for name, endpoint in table.ENDPOINTS.items():
        click.echo(f"  {name:11} {', '.join(endpoint.inputs)} -> {', '.join(endpoint.outputs)}")
    click.echo("")
    click.echo("Of a model with labels each takes `label` too.")
    click.echo("A precision that a chosen format does not have leaves that format in float32.")
    click.echo("Errors are parts of the largest magnitude of the Keras model's output, or of 1.")
    click.echo("The mean PSNR is at least that, of reconstruct 3 dB less.")
