"""`keras-vae train`: from a source of images to a run folder."""

import click

from keras_vae_cli import output

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
)


class ImageSize(click.ParamType):
    """A size in pixels, "64" or "64x48"."""

    name = "size"

    def convert(self, value, param, ctx):
        try:
            sides = [int(side) for side in str(value).lower().split("x")]
        except ValueError:
            sides = []
        if len(sides) not in (1, 2) or min(sides) < 1:
            self.fail(f"{value!r} is no size. Give 64, or height x width as 64x48.", param, ctx)
        return sides[0] if len(sides) == 1 else tuple(sides)


@click.command()
@click.argument("source")
@click.option("--out", required=True, type=click.Path(), help="Run folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace the run folder if it exists.")
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Passes over the data.  [default: 10, or as many as give 1000 steps]",
)
@click.option("--batch-size", type=click.IntRange(min=1), default=128, show_default=True)
@click.option("--learning-rate", type=float, default=1e-3, show_default=True, help="Of Adam.")
@click.option("--latent-dim", type=int, default=16, show_default=True)
@click.option("--network", type=click.Choice(["conv", "mlp"]), default="conv", show_default=True)
@click.option(
    "--likelihood",
    default="auto",
    show_default=True,
    help="bernoulli or gaussian; auto takes bernoulli for pixels of 0 and 1, else gaussian.",
)
@click.option(
    "--scale",
    default="learned",
    show_default=True,
    help="Of a gaussian: learned, per_element or a number.",
)
@click.option("--prior", default="standard_normal", show_default=True)
@click.option("--objective", default="elbo", show_default=True)
@click.option("--beta", type=float, default=1.0, show_default=True, help="Weight of the KL.")
@click.option("--free-bits", type=float, default=0.0, show_default=True, help="Nats of KL.")
@click.option(
    "--warmup-epochs",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="Epochs in which beta rises from 0.",
)
@click.option(
    "--binarize",
    type=click.Choice(["none", "threshold", "dynamic"]),
    default="none",
    show_default=True,
    help="Make pixels 0 or 1.",
)
@click.option("--image-size", type=ImageSize(), help="Resize to 64 or 64x48 (height x width).")
@click.option("--color-mode", type=click.Choice(["grayscale", "rgb"]), help="Convert images.")
@click.option("--value-range", type=(float, float), help="The data's lowest and highest value.")
@click.option("--validation-fraction", type=float, default=0.1, show_default=True)
@click.option("--test-fraction", type=float, default=0.1, show_default=True)
@click.option("--skip-bad", is_flag=True, help="Leave out images that cannot be read.")
@click.option("--data-dir", type=click.Path(), help="Where TensorFlow Datasets are.")
@click.option(
    "--mixed-precision",
    type=click.Choice(["mixed_bfloat16", "mixed_float16"]),
    help="Compute in 16 bits.",
)
@output.seed_option
@output.quiet_option
def train(source, out, overwrite, quiet, **options):
    """Train a VAE on SOURCE and write a run folder.

    SOURCE is "digits" (no network needed), the name of an image set of TensorFlow Datasets such
    as mnist, a folder of images, or an .npz or .npy file.
    """
    output.import_keras_vae()
    from keras_vae import runs
    from keras_vae_cli import recipe

    runs.check_target(out, overwrite)
    recipe.check(options)
    load_options = {name: options.pop(name) for name in _DATA_OPTIONS}
    session = recipe.prepare(source, load_options, options, progress=not quiet)
    session.fit(output.verbosity(quiet))
    with runs.create(out, session.config, overwrite) as run:
        session.write(run, progress=not quiet)
        size, metrics = output.size(run.path), run.metrics
    _report(session, out, size, metrics)


def _report(session, out, size, metrics):
    path = output.shorten(out)
    if session.interrupted:
        click.echo(
            f"Interrupted: what was learnt in {session.epochs_done} whole epochs and the one "
            f"begun is in {path} ({size})."
        )
        click.echo(f"Next: keras-vae evaluate {path}")
        raise click.exceptions.Exit(130)
    if session.nan_epoch is not None:
        raise ValueError(
            f"The loss was not finite in epoch {session.nan_epoch + 1}, and training stopped. "
            f"The weights from before it are in {path}. {session.nan_causes}"
        )
    output.success(
        path,
        size,
        f"test ELBO {metrics['elbo']:.2f} nats per image",
        next_command=f"keras-vae evaluate {path}",
    )
