"""The commands that draw: generate, reconstruct."""

import os
import pathlib

import click

from keras_vae_cli import look, output

_PAIRS = 10
# More than this is no picture to look at, and no array to hold at once.
_MOST_IN_A_GRID = 10_000
_MOST_BYTES = 1 << 30
_NEXT = ("--out", "samples.png")


@look.command(
    short_help="Generate images or rows.",
    example="keras-vae generate run -n 64 --seed 7 --out grid.png",
)
@output.run_argument
@output.count_option
@output.seed_option
@output.temperature_option
@click.option(
    "--label",
    "names",
    multiple=True,
    help="Images of this class, by a RUN that was trained with --conditional: its name, or its "
    "place (from 0) where none has that name; again for more, or all. Those of each class come "
    "from the same z.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(),
    help=".png for a grid, .npy for an array; a name without a suffix for a folder of .npz shards, "
    "for any number of images. Of a table .csv, .parquet or .npz.",
)
@output.quiet_option
def generate(run, count, seed, temperature, names, out, quiet):
    """Generate images from RUN: draws of z from the prior, decoded.

    With several --label there are COUNT images of each, in a picture a row for each label.

    A folder of shards that was not completed is completed by the same command.
    """
    is_folder = not pathlib.Path(out).suffix
    output.import_keras_vae()
    import numpy as np

    from keras_vae import plotting, random, runs, shards, uses

    opened = runs.load(run)
    vae, labels = opened.vae, None
    if names:
        if names == ("all",) and "all" not in uses.labels.classes(opened):
            names = uses.labels.classes(opened)
        labels = uses.labels.labels_of(opened, names)
    if output.is_table(opened):
        output.report_rows(
            lambda: uses.generate_rows(opened, out, count, temperature, seed, not quiet),
            ("keras-vae", "info", run),
        )
        return
    if not is_folder:
        output.check_out(out, (".png", ".npy"))
    next_command = ("keras-vae", "export", run)
    total = count if labels is None else count * len(labels)

    def make(start, stop):
        given = None if labels is None else labels[np.arange(start, stop) // count]
        seeds = random.row_seeds(seed, min(count, stop))[np.arange(start, stop) % count]
        images = vae.generate(stop - start, temperature=temperature, seed=seeds, label=given)
        made = {"images": images, "seeds": seeds}
        return made if labels is None else {**made, "labels": given}

    if is_folder:
        source = {"generate": opened.checksum, "seed": seed, "temperature": temperature}
        if labels is not None:
            source["labels"] = labels.tolist()
        _write_shards(out, source, total, vae, make, quiet, next_command)
        return
    _check_size(out, total, shards.row_bytes(vae.event_shape))
    columns = count if labels is not None and len(labels) > 1 else None
    plotting.save_images(make(0, total)["images"], out, columns)
    output.success(out, f"{total} images", next_command=next_command, images=total)


@look.command(
    short_help="Encode and decode image files.",
    example=(
        "keras-vae generate run -n 1 --out digit.png",
        "keras-vae reconstruct run digit.png --out pair.png",
    ),
)
@output.run_argument
@click.argument("files", nargs=-1, required=True, type=click.Path())
@click.option(
    "--out",
    default="reconstructions.png",
    show_default=True,
    help="PNG file to write; a name without a suffix for a folder of .npz shards. Of a table .csv, "
    ".parquet or .npz.",
)
@output.quiet_option
def reconstruct(run, files, out, quiet):
    """Encode and decode image FILES, or those in folders, or the file of a table, with RUN.

    In a picture each original stands above its reconstruction. A folder of shards, for any number
    of images, that was not completed is completed by the same command.
    """
    is_folder = not pathlib.Path(out).suffix
    output.import_keras_vae()
    from keras_vae import data, plotting, runs, uses
    from keras_vae.files import fingerprint

    opened = runs.load(run)
    vae = opened.vae
    if output.is_table(opened):
        if len(files) > 1:
            raise click.UsageError(f"Give one file of a table. Received: {len(files)}.")
        output.report_rows(
            lambda: uses.reconstruct_rows(opened, files[0], out, not quiet),
            ("keras-vae", "info", run),
        )
        return
    if not is_folder:
        output.check_out(out, (".png",))
    files = data.image_paths(files)
    next_command = ("keras-vae", "generate", run, *_NEXT)
    if is_folder:
        source = {"reconstruct": opened.checksum, "files": fingerprint(files)}

        def make(start, stop):
            images = opened.read_images(files[start:stop])
            names = [os.path.abspath(file) for file in files[start:stop]]
            return {"images": vae.predict(images, verbose=0), "files": names}

        _write_shards(out, source, len(files), vae, make, quiet, next_command)
        return
    _check_size(out, 2 * len(files), 0)
    images = opened.read_images(files)
    plotting.pixels.save_pairs(images, vae.reconstruct(images), out, columns=_PAIRS)
    facts = {"images": len(images)}
    output.success(out, output.count(images), next_command=next_command, **facts)


def _check_size(out, count, row_bytes):
    """Refuse a picture or an array that would not be one; a folder of shards takes any number."""
    is_grid = pathlib.Path(out).suffix.lower() == ".png"
    if count > _MOST_IN_A_GRID if is_grid else count * row_bytes > _MOST_BYTES:
        limit = f"{_MOST_IN_A_GRID} images" if is_grid else "1 GiB"
        raise click.UsageError(
            f"A {pathlib.Path(out).suffix} file takes at most {limit}. Received: {count} images. "
            f"Write a folder of shards: --out {pathlib.Path(out).with_suffix('')}."
        )


def _write_shards(out, source, count, vae, make, quiet, next_command):
    from keras_vae import shards

    # Original and reconstruction are in memory together.
    writer = shards.Shards(out, source, count, 2 * shards.row_bytes(vae.event_shape))
    try:
        done, kept = writer.write(make, progress=not quiet)
    except KeyboardInterrupt:
        output.say_interrupted()
    words = [f"{output.count(range(count))} in {done + kept} shard{'s' * (done + kept > 1)}"]
    if kept:
        words.append(f"{kept} of them were there")
    facts = {"images": count, "shards": done + kept, "shards_kept": kept}
    output.success(writer.path, *words, next_command=next_command, **facts)


COMMANDS = (generate, reconstruct)
