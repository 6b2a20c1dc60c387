"""The commands that tell about a run folder: evaluate, diagnose, info."""

import click

from keras_vae_cli import look, output

_OPTIONAL = ("annealed_", "simulated_", "frechet_", "classifier_")


@look.command(
    short_help="Estimate ELBO and NLL over the test images.",
    example="keras-vae evaluate run",
)
@output.run_argument
@click.option(
    "--num-samples",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Draws of z for each image.",
)
@click.option(
    "--max-images", type=click.IntRange(1, 2**31 - 1), help="Evaluate only the first ones."
)
@click.option(
    "--annealed",
    type=click.IntRange(min=1),
    metavar="N",
    help="Also bound the likelihood of the first N images by annealing, which is slow.",
)
@click.option(
    "--annealing-steps",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Steps of each annealing: more are slower, and tighter.",
)
@click.option(
    "--samples",
    type=click.IntRange(min=2),
    metavar="N",
    help="Also compare N generated images with real ones, for a source with labels.",
)
@output.seed_option
@output.quiet_option
def evaluate(run, num_samples, max_images, annealed, annealing_steps, samples, seed, quiet):
    """Estimate ELBO and NLL over the test images of RUN; writes RUN/metrics.json."""
    output.import_keras_vae()
    from keras_vae import evaluation, runs, sample_quality, uses

    opened = runs.load(run)
    conditional = uses.labels.has_labels(opened)
    if annealed and conditional:
        raise click.UsageError(
            "--annealed is for models without labels. Received: one with them. Leave it out."
        )
    dataset = opened.load_data(labels=uses.labels.knows_labels(opened), progress=not quiet).test
    if max_images:
        dataset = dataset.unbatch().take(max_images).batch(128)
    # What can be refused comes before what takes long.
    labelled = opened.load_data(labels=True, progress=not quiet) if samples else None
    metrics = evaluation.evaluate(opened.vae, dataset, num_samples, seed=seed, progress=not quiet)
    if annealed:
        images = evaluation.first_examples(dataset, annealed)
        metrics |= evaluation.annealed(opened.vae, images, annealing_steps, seed=seed)
    if labelled:
        metrics |= sample_quality.measure(opened.vae, labelled, samples, seed)
    # What only some calls measure stays until it is measured anew.
    kept = {name: value for name, value in opened.metrics.items() if name.startswith(_OPTIONAL)}
    opened.write_metrics(kept | metrics)
    click.echo(_numbers(metrics))
    path = output.shorten(opened.path)
    output.success(
        opened.path / runs.METRICS,
        f"test ELBO {metrics['elbo']:.2f} nats per example",
        next_command=("keras-vae", "generate", path, "--out", "samples.png"),
        **metrics,
    )


@look.command(
    short_help="Find what is wrong with a trained model.",
    example="keras-vae diagnose run",
)
@output.run_argument
@click.option(
    "--max-images",
    type=click.IntRange(20, 2**31 - 1),
    default=1000,
    show_default=True,
    help="Images of each part to look at.",
)
@output.seed_option
def diagnose(run, max_images, seed):
    """Look for what commonly goes wrong with a VAE in RUN, and say what to change."""
    output.import_keras_vae()
    from keras_vae import runs, uses

    opened = runs.load(run)
    data = opened.load_data(labels=uses.labels.knows_labels(opened), progress=False)
    found = opened.vae.diagnose(data, max_examples=max_images, seed=seed)
    for line in str(found).splitlines():
        click.echo(click.wrap_text(line, output.width(), subsequent_indent="   "))
    findings = [finding._asdict() for finding in found.findings]
    output.tell(findings=findings, numbers=found.numbers)
    output.say_next("keras-vae", "evaluate", output.shorten(opened.path))


@look.command(short_help="Show what a run is.", example="keras-vae info run")
@output.run_argument
def info(run):
    """Show what RUN is: data, model, training, numbers and files."""
    output.import_keras_vae()
    from keras_vae import runs

    opened = runs.load(run)
    sections = {}
    for title in ("data", "model", "training", "versions"):
        section = opened.config.get(title)
        section = section if isinstance(section, dict) else {}
        sections[title] = {key: value for key, value in section.items() if value is not None}
    sections["numbers"] = opened.metrics
    files = sorted(opened.path.iterdir())
    output.tell(**sections, files={file.name: output.num_bytes(file) for file in files})
    sections["files"] = {file.name: output.size(file) for file in files}
    for title, entries in sections.items():
        _show(title, entries)


def _show(title, entries):
    click.echo(click.style(title, bold=True))
    for key, value in entries.items():
        value = f"{value:.4g}" if isinstance(value, float) else str(value)
        click.echo(click.wrap_text(f"{key:<22} {value}", output.width(), "  ", " " * 25))


def _numbers(metrics):
    errors = {
        name: f" ± {metrics[f'{name}_standard_error']:.2f}"
        for name in ("elbo", "nll")
        if f"{name}_standard_error" in metrics
    }
    lines = [
        f"  ELBO {metrics['elbo']:9.2f}{errors.get('elbo', '')} nats per example",
        f"  NLL  {metrics['nll']:9.2f}{errors.get('nll', '')} nats per example, "
        f"importance-weighted, k={metrics['num_samples']}",
        f"  rate {metrics['rate']:9.2f}, distortion {metrics['distortion']:.2f}",
        f"  {metrics['active_units']} of {metrics['latent_dim']} latent units active, "
        f"{metrics['n']} images",
    ]
    if "accuracy" in metrics:
        lines.append(f"  {metrics['accuracy']:.2%} of the labels told")
    if "bits_per_dim" in metrics:
        lines.append(f"  {metrics['bits_per_dim']:.4f} bits per dimension")
    if "mutual_information" in metrics:
        at_least, at_most = ("at least ", "at most ") if "aggregate_note" in metrics else ("", "")
        lines.append(
            f"  z tells {at_least}{metrics['mutual_information']:.2f} nats of x; "
            f"q(z) lies {at_most}{metrics['marginal_kl']:.2f} nats from the prior"
        )
    lines.append(
        f"  importance weights worth {metrics['effective_samples']:.1f} of "
        f"{metrics['num_samples']} draws on average"
    )
    if "annealed_nll" in metrics:
        lines.append(
            f"  annealed NLL {metrics['annealed_nll']:.2f} of {metrics['annealed_n']} images; such "
            f"bounds of simulated images lie {metrics['annealed_gap']:.2f} apart"
        )
    if "frechet_distance" in metrics:
        lines.append(
            f"  Frechet distance {metrics['frechet_distance']:.2f} (real images "
            f"{metrics['frechet_distance_of_real']:.2f}) in the features of a classifier of "
            f"{metrics['classifier_accuracy']:.1%} accuracy trained here; not FID"
        )
    for title, key in (("Note", "note"), ("Warning", "warning")):
        if key in metrics:
            lines.append(click.wrap_text(f"{title}: {metrics[key]}", output.width(), "  ", "  "))
    return "\n".join(lines)


COMMANDS = (evaluate, diagnose, info)
