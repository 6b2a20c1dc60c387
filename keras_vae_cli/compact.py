"""The commands compress and decompress."""

import click

from keras_vae_cli import look, output
from keras_vae_cli.inputs import over_inputs

_MEGABYTE = 1e6
_CODER = "keras-vae train digits --binarize threshold --prior standard_normal --out bits"


@look.command(
    short_help="Compress images.",
    example=(_CODER, "keras-vae compress bits test digits.kvz --binarize"),
)
@click.option(
    "--bits-per-pixel",
    type=click.FloatRange(min=0, min_open=True),
    help="Compress with loss, to about this rate. [default: without loss]",
)
@click.option(
    "--binarize", is_flag=True, help="Make pixels above a half 1 and the others 0 before."
)
@over_inputs(click.argument("out", metavar="OUT.kvz"))
def compress(run, source, out, progress, reading, bits_per_pixel, binarize):
    """Compress the images of INPUT into OUT.kvz by the model of RUN, so that each bit comes back.

    Pixels are of 8 bits, as the model sees them. The file can be read with that model alone. INPUT
    is as for `keras-vae embed`.
    """
    from keras_vae import uses

    made = uses.compress(run, source, out, bits_per_pixel, binarize, progress, **reading)
    _tell(run, made, made.path)
    output.success(
        made.path,
        output.count(range(made.count)),
        next_command=(
            *("keras-vae", "decompress", output.shorten(run.path), str(out), "images"),
            *output.label_words(run),
        ),
    )


@look.command(
    short_help="Take images out of a compressed file.",
    example="keras-vae decompress bits digits.kvz digits.npy",
)
@output.run_argument
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.argument("out", type=click.Path())
@output.label_option
@output.quiet_option
def decompress(run, file, out, label, quiet):
    """Write the images of FILE, which keras-vae compress wrote by the model of RUN, to OUT.

    OUT ends in .npy, for an array of 8-bit pixels, or is the name of a folder for PNG files.
    """
    output.import_keras_vae()
    from keras_vae import runs, uses

    opened = uses.at(runs.load(run), label)
    made = uses.decompress(opened, file, out, not quiet)
    _tell(opened, made, file)
    output.success(
        made.path,
        output.count(range(made.count)),
        next_command=("keras-vae", "info", output.shorten(run)),
    )


def _tell(run, made, file):
    height, width, channels = run.vae.event_shape
    speed = made.count * height * width * channels / _MEGABYTE / made.seconds
    click.echo(
        f"{output.shorten(file)}: {made.size:,} bytes, {made.bits_per_pixel:.4f} bits for each "
        f"pixel of each channel; {speed:.2f} MB of pixels a second."
    )
    output.tell(
        images=made.count,
        compressed_bytes=made.size,
        bits_per_pixel=made.bits_per_pixel,
        seconds=made.seconds,
    )


COMMANDS = (compress, decompress)
