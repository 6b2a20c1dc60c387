"""The commands from images to images: denoise, inpaint, upscale, restyle."""

import click

from keras_vae_cli import look, output
from keras_vae_cli.inputs import over_inputs

_OUT = click.argument("out")


def _report(run, restored):
    output.success(
        restored.path,
        output.count(range(restored.count)),
        next_command=("keras-vae", "info", output.shorten(run.path)),
        images=restored.count,
    )


@look.command(
    short_help="Take noise out of images.",
    example=(
        "keras-vae train digits --noise gaussian --out denoiser",
        "keras-vae denoise denoiser test clean",
    ),
)
@over_inputs(_OUT)
def denoise(run, source, out, progress, reading):
    """Write the images of INPUT without their noise to OUT, by the model of RUN.

    Train it with --noise. OUT ends in .npy, for an array of 8-bit pixels, or is the name of a new
    folder for PNG files. INPUT is as for `keras-vae embed`.
    """
    from keras_vae import uses

    if run.config["model"].get("noise", "none") == "none":
        output.note("RUN was trained without --noise: it reconstructs what it takes for normal.")
    _report(run, uses.denoise(run, source, out, progress, **reading))


@look.command(
    short_help="Fill in what is missing of images.",
    example="keras-vae inpaint run test filled --mask right --num-samples 3",
)
@click.option(
    "--mask",
    required=True,
    help="Image file, white where pixels are missing, .npy file, or left, right, top or bottom "
    "for that half.",
)
@click.option(
    "--num-samples",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Different fillings of each image.",
)
@click.option(
    "--method",
    type=click.Choice(["gibbs", "gradient"]),
    default="gibbs",
    show_default=True,
    help="gibbs draws what may be there; gradient looks for what is most likely.",
)
@click.option(
    "--steps", type=click.IntRange(min=1), default=100, show_default=True, help="Of the method."
)
@output.seed_option
@over_inputs(_OUT)
def inpaint(run, source, out, progress, reading, mask, num_samples, method, steps, seed):
    """Write the images of INPUT with what is missing filled in to OUT, by the model of RUN.

    Pixels that are there stay as they are. OUT and INPUT are as for `keras-vae denoise`.
    """
    from keras_vae import uses

    arguments = (mask, num_samples, method, steps, seed, progress)
    _report(run, uses.inpaint(run, source, out, *arguments, **reading))


@look.command(
    short_help="Make small images larger.",
    example="keras-vae upscale run digits larger --factor 2 --resize",
)
@click.option(
    "--factor",
    type=click.IntRange(min=2),
    default=2,
    show_default=True,
    help="How many pixels of the model's images make one of INPUT, down and across.",
)
@output.seed_option
@over_inputs(_OUT)
def upscale(run, source, out, progress, reading, factor, seed):
    """Write images of the size of RUN's model from the small ones of INPUT to OUT.

    OUT and INPUT are as for `keras-vae denoise`.
    """
    from keras_vae import uses

    _report(run, uses.upscale(run, source, out, factor, seed, progress, **reading))


@look.command(
    short_help="Give images another label.",
    example=(
        "keras-vae train digits --conditional --out labelled",
        "keras-vae restyle labelled test eights --to 8",
    ),
)
@click.option("--to", "new", required=True, help="The class that they get.")
@over_inputs(_OUT, label="passed")
def restyle(run, source, out, progress, reading, new, label):
    """Write the images of INPUT to OUT as they would be with another label, their style held.

    RUN was trained with --conditional. The class that they have is what INPUT says, unless --label
    says another. OUT and INPUT are as for `keras-vae denoise`.
    """
    from keras_vae import uses

    _report(run, uses.restyle(run, source, out, new, label, progress, **reading))


COMMANDS = (denoise, inpaint, upscale, restyle)
