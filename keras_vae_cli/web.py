"""`keras-vae export web RUN` and `keras-vae export serve SITE`: a page that draws on the device."""

import click

from keras_vae_cli import export, look, output


@look.command(
    short_help="Write a page that draws with a run.",
    example="keras-vae export web run --out site",
)
@output.run_argument
@click.option(
    "--out", default="site", show_default=True, type=click.Path(), help="Folder to write."
)
@click.option(
    "--precision",
    default="float32",
    show_default=True,
    help="Of the model: float32, float16, dynamic, int8 or int16x8.",
)
@click.option(
    "--runtime",
    default="auto",
    show_default=True,
    help="vendored: npm fetches LiteRT's runtime into the site; cdn: the browser fetches it; "
    "auto: the first if npm can.",
)
def web(run, out, precision, runtime):
    """Write a static page that draws with RUN in the visitor's browser.

    The model of RUN/export is taken if it is the run's own, and else exported: either way it was
    compared with the Keras model. Any static host serves the folder; nothing is sent to it.
    """
    output.import_keras_vae()
    from export import site, web_runtime
    from keras_vae import runs

    web_runtime.check(runtime)
    opened = runs.load(run)
    written = site.web(
        opened.vae,
        out,
        precision,
        export.training_images(opened),
        about=export.about(opened),
        exported=opened.path / "export",
        runtime=runtime,
    )
    if written.note:
        output.note(f"Note: {written.note}")
    file = f"{written.file.name} of {output.size(written.file)}"
    source = "in the site" if written.is_vendored else "from a CDN"
    path = output.shorten(written.path)
    next_command = ("keras-vae", "export", "serve", path)
    output.success(
        path,
        file,
        f"runtime {source}",
        next_command=next_command,
        file=str(written.file),
        precision=written.precision,
        is_vendored=written.is_vendored,
    )


@look.command(
    short_help="Show such a page on this machine.",
    example="keras-vae export serve site --port 8000",
    has_json=False,
)
@click.argument("site", type=click.Path())
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Where it listens; 0 for any that is free.",
)
def serve(site, port):
    """Show a SITE that `keras-vae export web` wrote, on this machine alone, until Ctrl-C."""
    output.clean_up_on_sigterm()
    from export import serve as serving

    with serving.serving(site, port) as server:
        click.echo(f"{output.shorten(site)} is at {serving.address(server)} (Ctrl-C ends it).")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("Ended.")


COMMANDS = (web, serve)
