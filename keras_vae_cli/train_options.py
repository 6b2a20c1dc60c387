"""The options of `keras-vae train`, in the sections of its help. Imports nothing heavy."""

import functools

import click

from keras_vae_cli import look, output
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


_option = functools.partial(click.option, cls=look.Option, show_default=True)


def _recipe_option(flag, words, key=None, unit="", **options):
    """Return an option whose default is what the recipe says."""
    key = key or flag.removeprefix("--").replace("-", "_")
    values = "; ".join(f"{recipe}: {values[key]}{unit}" for recipe, values in RECIPES.items())
    return click.option(flag, help=f"{words}  [{values}]", cls=look.Option, **options)


# Those that many trainings need: without a section, so that --help shows them.
_COMMON = (
    _option("--out", required=True, type=click.Path(), help="Run folder to write."),
    _option("--overwrite", is_flag=True, help="Replace the run folder if it exists."),
    _option(
        "--resume",
        is_flag=True,
        help="Go on with the training of the run folder, if there is one, from its last "
        "checkpoint.",
    ),
    _option(
        "--epochs",
        type=click.IntRange(min=1),
        help="Passes over the data.  [default: 10, or the more that it takes to show 128,000 "
        "images]",
    ),
    _option(
        "--recipe",
        type=click.Choice([*RECIPES]),
        help="Values of the options that name the recipes: the best that were measured for "
        "images, those of textbooks, those for tables, or for few labels.  [default: best; of a "
        "table table; with --labelled few_labels]",
    ),
    _recipe_option("--latent-dim", "Size of the latent vector z.", type=int),
    _option(
        "--conditional",
        is_flag=True,
        help="Learn p(x given the label) of a source with labels, to generate what is asked for.",
    ),
    _option(
        "--labelled",
        metavar="N|SOURCE",
        help="Learn to tell classes apart from few labels: N of the source's own, as many of each "
        "class, or all those of another source. See `keras-vae classify`.",
    ),
    _option(
        "--binarize",
        type=click.Choice(["none", "threshold", "dynamic"]),
        default="none",
        help="Make pixels 0 or 1: above a half, or drawn anew each epoch with their value as "
        "chance.",
    ),
    _option("--image-size", type=ImageSize(), help="Resize to 64 or 64x48 (height x width)."),
    output.seed_option,
    output.quiet_option,
)

_data = functools.partial(_option, section="Data")
_DATA = (
    _data("--color-mode", type=click.Choice(["grayscale", "rgb"]), help="Convert images."),
    _data("--value-range", type=(float, float), help="Lowest and highest value of array files."),
    _data(
        "--validation-fraction",
        type=float,
        default=0.1,
        help="Share of the training images that validate each epoch.",
    ),
    _data(
        "--test-fraction",
        type=float,
        default=0.1,
        help="Share of the images kept for the test, where the source has no test part.",
    ),
    _data("--label-column", help="Column of a table that holds classes, which are not learnt."),
    _data("--id-column", help="Column of a table that names its rows, which is not learnt."),
    _data(
        "--drop",
        "drop_columns",
        multiple=True,
        help="Column of a table to leave out; again for more.",
    ),
    _data(
        "--categorical",
        "categorical_columns",
        multiple=True,
        help="Column of a table whose numbers name categories; again for more.",
    ),
    _data("--skip-bad", is_flag=True, help="Leave out images that cannot be read."),
    _data("--data-dir", type=click.Path(), help="Where TensorFlow Datasets are."),
)

_model = functools.partial(_option, section="Model")
_MODEL = (
    _recipe_option(
        "--network",
        "Encoder and decoder.",
        type=click.Choice(["conv", "mlp", "resnet"]),
        section="Model",
    ),
    _model(
        "--likelihood",
        default="auto",
        help="p(x|z): bernoulli, continuous_bernoulli, gaussian or discretized_logistic. auto: "
        "bernoulli for pixels of 0 and 1, else gaussian; of a table by its columns.",
    ),
    _model(
        "--scale",
        default="learned",
        help="Standard deviation of a gaussian likelihood: learned, optimal, per_element or a "
        "number.",
    ),
    _model(
        "--num-components",
        type=click.IntRange(min=1),
        default=1,
        help="Logistics that a discretized_logistic likelihood mixes.",
    ),
    _recipe_option(
        "--prior", "p(z): standard_normal, gaussian_mixture, vamp or real_nvp.", section="Model"
    ),
    _model(
        "--posterior",
        default="diagonal_gaussian",
        help="q(z|x): diagonal_gaussian, inverse_autoregressive or coupling.",
    ),
    _model(
        "--noise",
        type=click.Choice(["none", "gaussian", "uniform", "speckle", "salt_and_pepper", "masking"]),
        default="none",
        help="In front of the encoder, in training: by it the model learns to denoise.",
    ),
    _model(
        "--noise-strength",
        type=float,
        default=0.5,
        help="Its standard deviation, of uniform noise its largest value, of the last two the "
        "share of the pixels.",
    ),
    _model(
        "--label-drop",
        type=float,
        default=0.1,
        help="With --conditional: the share of the training images whose label is left out, so "
        "that it can be.",
    ),
)

_objective = functools.partial(_option, section="Objective")
_OBJECTIVE = (
    _objective(
        "--objective",
        default="elbo",
        help="What training minimises: elbo, iwae, beta_tc, info_vae or dip.",
    ),
    _objective(
        "--num-samples",
        type=click.IntRange(min=1),
        default=5,
        help="Draws of z in a step of iwae.",
    ),
    _objective(
        "--beta", type=float, default=1.0, help="Weight of the KL; of beta_tc's correlation."
    ),
    _objective(
        "--free-bits", type=float, default=0.0, help="Nats of the whole KL that are not penalised."
    ),
    _recipe_option(
        "--warmup-epochs",
        "Epochs in which beta comes from --initial-beta to --beta.",
        key="warmup_share",
        unit=" of all",
        type=click.FloatRange(min=0),
        section="Objective",
    ),
    _recipe_option(
        "--initial-beta", "Beta at first.", type=click.FloatRange(min=0), section="Objective"
    ),
    _objective(
        "--warmup",
        type=click.Choice(["linear", "sigmoid", "cyclical"]),
        default="linear",
        help="How it comes there.",
    ),
)

_training = functools.partial(_option, section="Training")
_recipe_training = functools.partial(_recipe_option, section="Training")
_TRAINING = (
    _recipe_training(
        "--optimizer",
        "adam, or muon for the small matrices and adam for the rest.",
        type=click.Choice(["adam", "muon"]),
    ),
    _recipe_training("--batch-size", "Images in a step.", type=click.IntRange(min=1)),
    _recipe_training("--learning-rate", "Largest step size of the optimiser.", type=float),
    _recipe_training(
        "--learning-rate-schedule",
        "cosine: it rises from zero at first and falls to zero at last.",
        type=click.Choice(["cosine", "constant"]),
    ),
    _training(
        "--finish-epochs",
        type=click.IntRange(min=0),
        default=0,
        help="Epochs after the others that minimise iwae of 5 draws, from 0.8 of the learning "
        "rate on: for long trainings by the elbo. The loss is that of iwae then.",
    ),
    _training(
        "--checkpoint-minutes",
        type=click.FloatRange(min=0, min_open=True),
        default=5.0,
        help="Minutes from one checkpoint to the next; the first comes after an epoch or 30 s.",
    ),
    _training(
        "--checkpoint-steps",
        type=click.IntRange(min=1),
        help="Steps from one checkpoint to the next, if that comes earlier.",
    ),
    _training(
        "--tensorboard", type=click.Path(), help="Folder to write for TensorBoard, an extra."
    ),
)

_device = functools.partial(_option, section="Devices")
_DEVICES = (
    _device(
        "--mixed-precision",
        type=click.Choice(["mixed_bfloat16", "mixed_float16"]),
        help="Compute in 16 bits.",
    ),
    _device(
        "--strategy",
        type=click.Choice(["auto", "one", "mirrored", "multi_worker"]),
        default="auto",
        help="Devices: one; all accelerators of this machine; the workers of TF_CONFIG or of a "
        "SLURM step. auto: as many as there are.",
    ),
    _device(
        "--deterministic",
        is_flag=True,
        help="Compute the same bits each time, on accelerators too, which is slower.",
    ),
)


def options(command):
    """Give a command the options."""
    for option in reversed((*_COMMON, *_DATA, *_MODEL, *_OBJECTIVE, *_TRAINING, *_DEVICES)):
        command = option(command)
    return command
