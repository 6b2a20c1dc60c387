"""`keras-vae train`: from a source of images to a run folder."""

import contextlib
import functools

import click

from keras_vae_cli import output
from keras_vae_cli.recipes import RECIPES


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


_option = functools.partial(click.option, show_default=True)


def _recipe_option(flag, words, key=None, unit="", **options):
    """Return an option whose default is what the recipe says."""
    key = key or flag.removeprefix("--").replace("-", "_")
    values = "; ".join(f"{recipe}: {values[key]}{unit}" for recipe, values in RECIPES.items())
    return click.option(flag, help=f"{words}  [{values}]", **options)


@click.command()
@click.argument("source")
@_option("--out", required=True, type=click.Path(), help="Run folder to write.")
@_option("--overwrite", is_flag=True, help="Replace the run folder if it exists.")
@_option(
    "--resume",
    is_flag=True,
    help="Go on with the training of the run folder, if there is one, from its last checkpoint.",
)
@_option(
    "--checkpoint-minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    help="Minutes from one checkpoint to the next; the first comes after an epoch or 30 s.",
)
@_option(
    "--checkpoint-steps",
    type=click.IntRange(min=1),
    help="Steps from one checkpoint to the next, if that comes earlier.",
)
@_option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Passes over the data.  [default: 10, or as many as show 128,000 images]",
)
@_option(
    "--recipe",
    type=click.Choice([*RECIPES]),
    help="Values of the options that name the recipes: the best that were measured for images, "
    "those of textbooks, those for tables, or for few labels.  [default: best; of a table table; "
    "with --labelled few_labels]",
)
@_recipe_option(
    "--optimizer",
    "adam, or muon for the small matrices and adam for the rest.",
    type=click.Choice(["adam", "muon"]),
)
@_recipe_option("--batch-size", "Images in a step.", type=click.IntRange(min=1))
@_recipe_option("--learning-rate", "Largest step size of the optimiser.", type=float)
@_recipe_option(
    "--learning-rate-schedule",
    "cosine: it rises from zero at first and falls to zero at last.",
    type=click.Choice(["cosine", "constant"]),
)
@_recipe_option("--latent-dim", "Size of the latent vector z.", type=int)
@_recipe_option("--network", "Encoder and decoder.", type=click.Choice(["conv", "mlp", "resnet"]))
@_option(
    "--likelihood",
    default="auto",
    help="p(x|z): bernoulli, continuous_bernoulli, gaussian or discretized_logistic. auto: "
    "bernoulli for pixels of 0 and 1, else gaussian; of a table by its columns.",
)
@_option(
    "--scale",
    default="learned",
    help="Standard deviation of a gaussian likelihood: learned, optimal, per_element or a number.",
)
@_option(
    "--num-components",
    type=click.IntRange(min=1),
    default=1,
    help="Logistics that a discretized_logistic likelihood mixes.",
)
@_recipe_option("--prior", "p(z): standard_normal, gaussian_mixture, vamp or real_nvp.")
@_option(
    "--posterior",
    default="diagonal_gaussian",
    help="q(z|x): diagonal_gaussian, inverse_autoregressive or coupling.",
)
@_option(
    "--noise",
    type=click.Choice(["none", "gaussian", "uniform", "speckle", "salt_and_pepper", "masking"]),
    default="none",
    help="In front of the encoder, in training: by it the model learns to denoise.",
)
@_option(
    "--noise-strength",
    type=float,
    default=0.5,
    help="Its standard deviation, of uniform noise its largest value, of the last two the share of "
    "the pixels.",
)
@_option(
    "--conditional",
    is_flag=True,
    help="Learn p(x given the label) of a source with labels, to generate what is asked for.",
)
@_option(
    "--label-drop",
    type=float,
    default=0.1,
    help="The share of the training images whose label is left out, so that it can be.",
)
@_option(
    "--labelled",
    metavar="N|SOURCE",
    help="Learn to tell classes apart from few labels: N of the source's own, as many of each "
    "class, or all those of another source. See `keras-vae classify`.",
)
@_option(
    "--objective",
    default="elbo",
    help="What training minimises: elbo, iwae, beta_tc, info_vae or dip.",
)
@_option(
    "--num-samples", type=click.IntRange(min=1), default=5, help="Draws of z in a step of iwae."
)
@_option(
    "--finish-epochs",
    type=click.IntRange(min=0),
    default=0,
    help="Epochs after the others that minimise iwae of 5 draws, from 0.8 of the learning rate on: "
    "for long trainings by the elbo. The loss is that of iwae then.",
)
@_option("--beta", type=float, default=1.0, help="Weight of the KL; of beta_tc's correlation.")
@_option(
    "--free-bits", type=float, default=0.0, help="Nats of the whole KL that are not penalised."
)
@_recipe_option(
    "--warmup-epochs",
    "Epochs in which beta comes from --initial-beta to --beta.",
    key="warmup_share",
    unit=" of all",
    type=click.FloatRange(min=0),
)
@_recipe_option("--initial-beta", "Beta at first.", type=click.FloatRange(min=0))
@_option(
    "--warmup",
    type=click.Choice(["linear", "sigmoid", "cyclical"]),
    default="linear",
    help="How it comes there.",
)
@_option(
    "--binarize",
    type=click.Choice(["none", "threshold", "dynamic"]),
    default="none",
    help="Make pixels 0 or 1: above a half, or drawn anew each epoch with their value as chance.",
)
@_option("--image-size", type=ImageSize(), help="Resize to 64 or 64x48 (height x width).")
@_option("--color-mode", type=click.Choice(["grayscale", "rgb"]), help="Convert images.")
@_option("--value-range", type=(float, float), help="Lowest and highest value of array files.")
@_option(
    "--validation-fraction",
    type=float,
    default=0.1,
    help="Share of the training images that validate each epoch.",
)
@_option(
    "--test-fraction",
    type=float,
    default=0.1,
    help="Share of the images kept for the test, where the source has no test part.",
)
@_option("--label-column", help="Column of a table that holds classes, which are not learnt.")
@_option("--id-column", help="Column of a table that names its rows, which is not learnt.")
@_option(
    "--drop", "drop_columns", multiple=True, help="Column of a table to leave out; again for more."
)
@_option(
    "--categorical",
    "categorical_columns",
    multiple=True,
    help="Column of a table whose numbers name categories; again for more.",
)
@_option("--skip-bad", is_flag=True, help="Leave out images that cannot be read.")
@_option("--data-dir", type=click.Path(), help="Where TensorFlow Datasets are.")
@_option(
    "--mixed-precision",
    type=click.Choice(["mixed_bfloat16", "mixed_float16"]),
    help="Compute in 16 bits.",
)
@_option(
    "--strategy",
    type=click.Choice(["auto", "one", "mirrored", "multi_worker"]),
    default="auto",
    help="Devices: one; all accelerators of this machine; the workers of TF_CONFIG or of a SLURM "
    "step. auto: as many as there are.",
)
@_option(
    "--deterministic",
    is_flag=True,
    help="Compute the same bits each time, on accelerators too, which is slower.",
)
@_option("--tensorboard", type=click.Path(), help="Folder to write for TensorBoard, an extra.")
@output.seed_option
@output.quiet_option
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
