"""The commands that work through inputs of any size: embed, score, detect."""

import click

from keras_vae_cli import look, output
from keras_vae_cli.inputs import over_inputs


def _again(verb, run, source, reading, out):
    """Return the words of another command over the same input."""
    options = []
    for name, value in reading.items():
        values = [] if value is True else value if isinstance(value, tuple) else [value]
        options += [f"--{name.replace('_', '-')}", *values]
    return ("keras-vae", verb, output.shorten(run.path), source, *options, "--out", out)


@look.command(
    short_help="Write the z of images or rows.",
    example="keras-vae embed run test --out z.parquet",
)
@over_inputs()
def embed(run, source, out, progress, reading):
    """Write the z of each example of INPUT, the centre of q(z|x) of RUN, with labels and ids.

    INPUT is what `keras-vae train` takes as SOURCE, an image file, or "train", "validation" or
    "test" for that part of the run's own data.
    """
    from keras_vae import uses

    output.report_rows(
        lambda: uses.embed(run, source, out, progress, **reading),
        _again("score", run, source, reading, "scores.csv"),
    )


@look.command(
    short_help="Write how likely images or rows are.",
    example="keras-vae score run test --out scores.csv",
)
@click.option(
    "--num-samples",
    type=click.IntRange(min=2),
    default=100,
    show_default=True,
    help="Draws of z for each example.",
)
@output.seed_option
@over_inputs()
def score(run, source, out, progress, reading, num_samples, seed):
    """Write log p(x) of each example of INPUT under RUN, in nats, with its standard error.

    Beside it the bits for each pixel where pixels are discrete, and the share of the training data
    that is less likely. INPUT is as for `keras-vae embed`.
    """
    from keras_vae import uses

    output.report_rows(
        lambda: uses.score(run, source, out, num_samples, seed, progress, **reading),
        _again("detect", run, source, reading, "found.csv"),
        lambda facts: [f"The mean log p(x) is {facts['log_prob']:.2f} nats."],
    )


@look.command(
    short_help="Find anomalies among images or rows.",
    example="keras-vae detect run test --false-alarm-rate 0.05 --out found.csv",
)
@click.option(
    "--false-alarm-rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="The share of normal examples that may be called anomalies.",
)
@click.option(
    "--criterion",
    default="combined",
    show_default=True,
    help="combined, negative_elbo, importance_weighted, reconstruction_error, typicality, "
    "complexity, latent_neighbors or row_neighbors.",
)
@click.option(
    "--maps",
    "num_maps",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Most abnormal images to draw, each above a map of where, beside --out.",
)
@over_inputs()
def detect(run, source, out, progress, reading, false_alarm_rate, criterion, num_maps):
    """Write which examples of INPUT are unlike the training data of RUN.

    The threshold is calibrated with the run's validation data, so that normal examples are called
    anomalies no more often than asked for. INPUT is as for `keras-vae embed`.
    """
    from keras_vae import uses

    def lines(facts):
        share = facts["anomalies"] / facts["rows"]
        yield (
            f"{facts['anomalies']} of {facts['rows']} are anomalies ({share:.1%}), where "
            f"{false_alarm_rate:.1%} of new normal ones would be, on average."
        )
        if facts.get("unseen_categories"):
            yield f"{facts['unseen_categories']} values are categories never seen in training."
        if facts.get("rows_without_values"):
            yield f"{facts['rows_without_values']} rows have no value at all, and no score."
        if facts.get("maps"):
            output.wrote(facts["maps"], "the most abnormal ones, and where")

    arguments = (false_alarm_rate, criterion, num_maps, progress)
    output.report_rows(
        lambda: uses.detect(run, source, out, *arguments, **reading),
        ("keras-vae", "info", output.shorten(run.path)),
        lines,
    )


@look.command(
    short_help="Write the classes of images.",
    example=(
        "keras-vae train digits --labelled 100 --out taught",
        "keras-vae classify taught test --out classes.csv",
    ),
)
@over_inputs(label=None)
def classify(run, source, out, progress, reading):
    """Write the most likely class of each image of INPUT, and the probability of each class.

    RUN was trained with --labelled. INPUT is as for `keras-vae embed`; where it has labels, the
    accuracy is said.
    """
    from keras_vae import uses

    def lines(facts):
        if "accuracy" in facts:
            yield f"The class is the label of {facts['accuracy']:.2%} of the images that have one."

    output.report_rows(
        lambda: uses.classify(run, source, out, progress, **reading),
        _again("score", run, source, reading, "scores.csv"),
        lines,
    )


COMMANDS = (embed, score, detect, classify)
