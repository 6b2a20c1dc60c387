"""What the commands have in common that work through inputs of any size."""

import functools

import click

from keras_vae_cli import output

_OUT = "File to write: .csv, .parquet or .npz; a name without a suffix for a folder of shards."
OUT = click.option("--out", required=True, type=click.Path(), help=_OUT)
_PARTS = ("train", "validation", "test")
_BEFORE = (
    output.run_argument,
    click.argument("source", metavar="INPUT", shell_complete=output.completing(*_PARTS)),
)
_AFTER = (
    click.option(
        "--part",
        type=click.Choice(_PARTS),
        help="Only this part of an INPUT that has parts, such as mnist.",
    ),
    click.option(
        "--resize", is_flag=True, help="Convert images of another size or number of channels."
    ),
    click.option(
        "--value-range", type=(float, float), help="Lowest and highest value of array files."
    ),
    click.option("--skip-bad", is_flag=True, help="Leave out images that cannot be read."),
    click.option("--id-column", help="Column of a table that names its rows."),
    click.option("--data-dir", type=click.Path(), help="Where TensorFlow Datasets are."),
    output.quiet_option,
)


def over_inputs(out=OUT, label="bound"):
    """Return what adds the argument INPUT, where to write, and the options of how it is read.

    The command is called with the opened run, INPUT, out, `progress`, and `reading`, the dict of
    the options that were given.

    Args:
        out: decorator, the argument or option of where to write.
        label: "bound" where the run's model is given `--label`, "passed" where the command is,
            and None where there is no such option.
    """
    options_after = (output.label_option, *_AFTER) if label else _AFTER

    def add(command):
        @functools.wraps(command)
        def with_checks(run, source, out, quiet, **options):
            names = ("part", "resize", "value_range", "skip_bad", "id_column", "data_dir")
            reading = {name: options.pop(name) for name in names}
            output.import_keras_vae()
            from keras_vae import runs, uses

            opened = runs.load(run)
            if label == "bound":
                opened = uses.at(opened, options.pop("label"))
            given = {name: value for name, value in reading.items() if value}
            return command(opened, source, out, progress=not quiet, reading=given, **options)

        for option in reversed((*_BEFORE, out, *options_after)):
            with_checks = option(with_checks)
        return with_checks

    return add
