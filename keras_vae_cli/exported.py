"""The commands that act on exported files: generate, check, benchmark, formats."""

import datetime
import pathlib
import platform
import textwrap

import click

from keras_vae_cli import look, output
from keras_vae_cli.export import Words

_ABOUT_FORMATS = (
    "Of a model with labels each takes `label` too.",
    "A precision that a chosen format does not have leaves that format in float32.",
    "Errors are parts of the largest magnitude of the Keras model's output, or of 1.",
    "The mean PSNR is at least that, of reconstruct 3 dB less.",
)


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


@look.command(
    short_help="Generate images with an exported file.",
    example="keras-vae export generate run/export/tflite/model_float32.tflite --out x.png",
)
@click.argument("file", type=click.Path())
@output.count_option
@output.seed_option
@output.temperature_option
@click.option(
    "--label",
    type=Words(),
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
    output.wrote(out, output.count(range(count)))
    output.tell(images=count, seed=seed)


@look.command(
    short_help="Compare exported files with their golden vectors.",
    example="keras-vae export check run/export",
)
@click.argument("directory", metavar="DIR", type=click.Path())
def check(directory):
    """Compare every file in an export folder with the golden vectors beside it.

    It needs the runtime of each format alone, and exits 1 if a file differs too much.
    """
    output.clean_up_on_sigterm()
    from export import check as checking

    results = checking.check(directory)
    output.tell(files=[{**r._asdict(), "path": output.shorten(r.path)} for r in results])
    for result in results:
        path = output.shorten(result.path)
        if result.missing:
            click.echo(f"{click.style('SKIP', fg='yellow')} {path}: {result.missing}")
        elif result.failures:
            failed = click.style("FAIL", fg="red", bold=True)
            click.echo(f"{failed} {path}: {'; '.join(result.failures)}")
        else:
            worst = f"worst error {result.worst_error:.1e}"
            click.echo(f"{click.style('ok', fg='green')}   {path}: {worst}")
    if any(result.failures for result in results):
        raise click.exceptions.Exit(1)
    if all(result.missing for result in results):
        raise RuntimeError("No file could be checked: none of their runtimes is installed here.")


@look.command(
    short_help="Measure exported files beside the Keras model.",
    example="keras-vae export benchmark run/export",
)
@click.argument("directory", metavar="DIR", type=click.Path())
@click.option("--run", type=click.Path(), help="The run.  [default: the folder around DIR]")
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=7,
    show_default=True,
    help="How often each file has its turn.",
)
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
    output.tell(**results)
    click.echo(measuring.table(rows, output.width()))
    explanation = (
        "Times and images/s are of decode; the ELBO is that of score, PSNR that of reconstruct "
        "against the test images."
    )
    click.echo(click.wrap_text(explanation, output.width()))
    for name in (measuring.RESULT, measuring.PICTURE):
        output.wrote(directory / name)
    failed = [row["error"] for row in rows if "error" in row]
    if failed:
        raise RuntimeError(" ".join(failed))


def _run_of(directory, run, count):
    """Return the Keras file of a run and its first test images, as far as they are to be had."""
    path = pathlib.Path(run) if run else directory.resolve().parent
    if run is None and not (path / "config.json").exists():
        output.note(f"Note: {path} is no run, so that Keras is not measured. Name one with --run.")
        return None, None
    output.import_keras_vae()
    from keras_vae import evaluation, runs

    opened = runs.load(path)
    try:
        test = evaluation.first_examples(opened.load_data().test, count) if count else None
    except (OSError, ValueError) as error:
        output.note(
            f"Note: without the loss of quality, since the test images do not load: {error}"
        )
        test = None
    return opened.path / runs.MODEL, test


@look.command(
    short_help="Show what can be combined in an export.", example="keras-vae export formats"
)
def formats():
    """Show the formats, their precisions, endpoints, options and how exact they must be."""
    from export import formats as table

    able = {
        row.name: [name for name in table.ENDPOINTS if name not in row.cannot]
        for row in table.FORMATS.values()
    }
    output.tell(
        formats=[
            {
                **{name: getattr(row, name) for name in ("name", "path", "options", "runtime")},
                "endpoints": able[row.name],
                "gates": {name: gate._asdict() for name, gate in row.gates.items()},
            }
            for row in table.FORMATS.values()
        ],
        precisions={name: row._asdict() for name, row in table.PRECISIONS.items()},
        endpoints={name: row._asdict() for name, row in table.ENDPOINTS.items()},
    )
    for row in table.FORMATS.values():
        about = _wrap(f"{row.name}: {row.words}. Runs with {row.runtime}.", 2)
        click.echo(click.style(row.name, bold=True) + about.removeprefix(row.name))
        click.echo(f"  file      {row.path}")
        click.echo(f"  endpoints {', '.join(able[row.name])}")
        click.echo(_wrap(f"  options   {', '.join(row.options)}", 12))
        click.echo("  precision  images within  mean PSNR  other outputs within")
        for name, gate in row.gates.items():
            click.echo(f"  {name:10} {gate.image:13g} {gate.psnr:7g} dB {gate.other:21g}")
        click.echo("")
    click.echo(click.style("Precisions:", bold=True))
    for name, precision in table.PRECISIONS.items():
        without = f"; no {', '.join(precision.cannot)}, no uint8" if precision.cannot else ""
        click.echo(_wrap(f"  {name:10} {precision.words}{without}", 13))
    click.echo("")
    click.echo(click.style("Endpoints (inputs -> outputs):", bold=True))
    for name, endpoint in table.ENDPOINTS.items():
        line = f"  {name:11} {', '.join(endpoint.inputs)} -> {', '.join(endpoint.outputs)}"
        click.echo(_wrap(line, 14))
    click.echo("")
    for line in _ABOUT_FORMATS:
        click.echo(_wrap(line, 0))


def _wrap(line, indent):
    """Return a line in the width of the screen, what is left over indented."""
    return textwrap.fill(line, output.width(), subsequent_indent=" " * indent)


COMMANDS = (generate, check, benchmark, formats)
