"""`keras-vae doctor`: whether all is there that keras-vae needs."""

import platform

import click

from keras_vae_cli import look, output

_MARKS = {"ok": ("ok", "green"), "missing": ("-", None), "wrong": ("note", "yellow")}
_FAILS = ("FAIL", "red")
_NAME_WIDTH = 24


@look.command(short_help="Say what is installed, and what is missing.", example="keras-vae doctor")
def doctor():
    """Look at versions, devices, XLA, Keras's settings, data folders and tools.

    Says what is missing, with the line that installs it. Exits 1 where keras-vae does not work
    without it.
    """
    from keras_vae_cli import machine, packages

    items, devices = packages.look()
    sections = {
        "packages": items,
        "devices": machine.devices(devices),
        "keras": machine.settings(),
        "folders": machine.folders(),
        "tools": machine.tools(),
    }
    click.echo(f"{platform.platform()}, {platform.machine()}")
    for title, found in sections.items():
        click.echo("\n" + click.style(title.capitalize(), bold=True))
        for item in found:
            _show(item)
    everything = [item for found in sections.values() for item in found]
    _conclude(everything)
    told = {title: [item._asdict() for item in found] for title, found in sections.items()}
    failing = [item.name for item in everything if item.fails]
    output.tell(platform=platform.platform(), **told, failing=failing)
    if failing:
        raise click.exceptions.Exit(1)


def _show(item):
    mark, shade = _FAILS if item.fails else _MARKS[item.state]
    line = f"{item.name:{_NAME_WIDTH}} {item.words}"
    lead = f"  {click.style(f'{mark:<5}', fg=shade)}"
    room = output.width()
    click.echo(
        lead
        + click.wrap_text(line, room - 7, "", " " * (_NAME_WIDTH + 1)).replace("\n", "\n" + " " * 7)
    )


def _conclude(items):
    """Say what mends what is not as it should be, what is needed first."""
    for title, chosen in (
        ("To do", [item for item in items if item.fails]),
        ("As you like", [item for item in items if item.fix and not item.fails]),
    ):
        fixes = {}
        for item in chosen:
            fixes.setdefault(item.fix, []).append(item.name)
        if fixes:
            click.echo("\n" + click.style(title, bold=True))
            for fix, names in fixes.items():
                # A line to paste; for what, where it does not say so itself.
                others = [name for name in names if name not in fix]
                click.echo(f"  {fix}" + (f"  ({', '.join(others)})" if others else ""))
    if not any(item.fails for item in items):
        click.echo("\nAll that keras-vae needs is there.")
