"""The commands that look around in z: interpolate, traverse, manifold, attribute, scatter."""

import pathlib

import click

from keras_vae_cli import look, output

_FORMS = (".png", ".gif", ".npy")
_OUT = "File to write: .png for a picture, .gif for a moving one, .npy for the array."
_LOOKED_AT = 2000


def _out_option(default):
    return click.option("--out", default=default, show_default=True, help=_OUT)


def _steps_option(default):
    return click.option(
        "--steps",
        type=click.IntRange(min=2),
        default=default,
        show_default=True,
        help="Images in a row.",
    )


@look.command(
    short_help="Morph between two images.",
    example="keras-vae interpolate run --test-images 0 1 --out morph.png",
)
@output.run_argument
@click.argument("ends", nargs=-1, type=click.Path())
@click.option(
    "--test-images",
    type=(int, int),
    default=(0, 1),
    show_default=True,
    help="Without files: the places of two test images.",
)
@_steps_option(10)
@click.option(
    "--path",
    type=click.Choice(["linear", "spherical"]),
    default="linear",
    show_default=True,
    help="The straight line, or the great circle, which keeps the length of z.",
)
@output.label_option
@_out_option("interpolation.png")
def interpolate(run, ends, test_images, steps, path, label, out):
    """Morph between two images, A.png and B.png, or between two test images, with RUN."""
    if len(ends) not in (0, 2):
        raise click.UsageError(
            f"Give two image files, or none for two test images. Received: {len(ends)}."
        )
    opened = _open(run, out, label)
    from keras_vae import latent

    images = opened.read_images(ends) if ends else opened.test_images(test_images)
    _save(latent.morph(opened.vae, *images, steps, path)[None], out, opened)


@look.command(
    short_help="Show what each axis of z does.",
    example="keras-vae traverse run --out traversal.gif",
)
@output.run_argument
@click.option("--axes", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@_steps_option(9)
@click.option(
    "--extent",
    type=click.FloatRange(min=0, min_open=True),
    default=2.5,
    show_default=True,
    help="How far on each side, in standard deviations of the test images' z.",
)
@click.option("--test-image", type=click.IntRange(min=0), help="Go through the z of this one.")
@output.label_option
@_out_option("traversal.png")
def traverse(run, axes, steps, extent, test_image, label, out):
    """Decode what lies along each axis of z of RUN, the most active axis in the first row."""
    opened = _open(run, out, label)
    start = None if test_image is None else opened.test_images([test_image])[0]
    found = _traversed(opened, start, axes, steps, extent)
    for axis, activity in zip(found.axes, found.activity, strict=True):
        click.echo(f"  axis {axis:<4} variance of z {activity:.3f}")
    output.tell(axes=found.axes, variances=found.activity)
    _save(found.images, out, opened)


def _traversed(opened, start=None, num_axes=10, steps=2, extent=1.0):
    """Return the `latent.Traversal` of a run, its axes ordered by test examples."""
    from keras_vae import evaluation, latent

    examples = evaluation.first_examples(opened.load_data(progress=False).test, _LOOKED_AT)
    return latent.traverse(opened.vae, examples, start, num_axes, steps, extent)


@look.command(
    short_help="Draw a grid over two axes of z.",
    example="keras-vae manifold run --out manifold.png",
)
@output.run_argument
@click.option(
    "--axes", type=(int, int), help="Down, and to the right; by default the two most active ones."
)
@click.option(
    "--size", type=click.IntRange(min=2), default=20, show_default=True, help="Images on a side."
)
@output.label_option
@_out_option("manifold.png")
def manifold(run, axes, size, label, out):
    """Decode a grid over two axes of the prior of RUN, even in probability."""
    opened = _open(run, out, label)
    from keras_vae import latent

    if axes is None and opened.vae.latent_dim > 1:
        axes = _traversed(opened, num_axes=2).axes
        click.echo(f"  axis {axes[0]} goes down, axis {axes[1]} to the right")
    _save(latent.manifold(opened.vae, size, (0, 1) if axes is None else axes), out, opened)


@look.command(
    short_help="Give images what another class has.",
    example="keras-vae attribute run --to 3 --from 5 --out attribute.png",
)
@output.run_argument
@click.option("--to", "present", required=True, help="The class whose attribute is added.")
@click.option("--from", "absent", required=True, help="The class that it is taken from.")
@click.option(
    "--images", type=click.IntRange(min=1), default=5, show_default=True, help="How many."
)
@_steps_option(9)
@output.label_option
@_out_option("attribute.png")
def attribute(run, present, absent, images, steps, label, out):
    """Move test images of one class along the vector from its mean z to that of another, in RUN."""
    if present == absent:
        raise click.UsageError(f"--to and --from must be two classes. Received: {present} twice.")
    # Given its own label, the z of an image would not carry the class, of which the attribute is
    # made: all are given one, or none.
    opened = _open(run, out, label)
    import numpy as np

    from keras_vae import latent

    vae, data = opened.vae, opened.load_data(labels=True, progress=False)
    found = latent.embed(vae, data.test)
    names = np.array(data.class_names or [str(i) for i in range(data.num_classes)])
    labels = names[found.labels]
    direction = latent.attribute(found.z, labels, present, absent)
    z = found.z[labels == absent][:images]
    moved = latent.shift(z, direction, np.linspace(0.0, 1.0, steps))
    flat = np.asarray(vae.decode(moved.reshape(-1, moved.shape[-1])))
    _save(flat.reshape(len(z), steps, *flat.shape[1:]), out, opened)


@look.command(
    short_help="Draw where images lie in z.",
    example="keras-vae scatter run --out scatter.png",
)
@output.run_argument
@click.option(
    "--method",
    type=click.Choice(["pca", "tsne"]),
    default="tsne",
    show_default=True,
    help="Directions of the largest spread, or neighbours kept together.",
)
@click.option(
    "--max-images",
    type=click.IntRange(min=4),
    default=_LOOKED_AT,
    show_default=True,
    help="Test images to draw.",
)
@output.seed_option
@_out_option("scatter.png")
def scatter(run, method, max_images, seed, out):
    """Draw the z of test images of RUN in two dimensions; as .gif in three, turning."""
    output.check_out(out, _FORMS)
    output.import_keras_vae()
    from keras_vae import latent, plotting, runs
    from keras_vae.files import write_arrays

    opened = runs.load(run)
    data = opened.load_data(progress=False)
    if data.num_classes is not None:
        data = opened.load_data(labels=True, progress=False)
    found = latent.embed(opened.vae, data.test.unbatch().take(max_images).batch(128))
    labels = found.labels
    if labels is not None and data.class_names:
        labels = [data.class_names[label] for label in labels]
    suffix = pathlib.Path(out).suffix.lower()
    points = latent.project(found.z, method, 3 if suffix == ".gif" else 2, seed)
    if suffix == ".npy":
        write_arrays(out, points)
    elif suffix == ".gif":
        plotting.save_animation(plotting.latents.scatter_turning(points, labels), out)
    else:
        name = {"pca": "principal component", "tsne": "t-SNE"}[method]
        words = (f"{name} 1", f"{name} 2")
        plotting.pixels.save_picture(plotting.latents.scatter(points, labels, words), out)
    _say(out, len(points), "examples", opened)


def _open(run, out, label=None):
    """Return a run of images, whose model is given a label if there is one."""
    output.check_out(out, _FORMS)
    output.import_keras_vae()
    from keras_vae import runs, uses

    opened = runs.load(run)
    output.check_images(opened)
    return uses.at(opened, label)


def _save(images, out, opened):
    from keras_vae import plotting

    plotting.save_sequences(images, out)
    _say(out, images.shape[0] * images.shape[1], "images", opened)


def _say(out, count, what, opened):
    path = output.shorten(opened.path)
    words = output.label_words(opened)
    next_command = ("keras-vae", "generate", path, *words, "--out", "samples.png")
    output.success(out, f"{count} {what}", next_command=next_command, **{what: count})


COMMANDS = (interpolate, traverse, manifold, attribute, scatter)
