"""The public interface as text: python tests/interface.py writes interface.txt anew."""

import inspect
import pathlib

import click
from public_names import public

import export
import export.runtimes.base
import keras_vae
import keras_vae_cli.main

PINNED = pathlib.Path(__file__).with_name("interface.txt")


def lines():
    """Return every public name with its arguments, and every command with its options."""
    found = public(keras_vae, export, export.runtimes.base)
    return [*sorted(map(_signature, found, found.values())), *_commands()]


def _signature(name, value):
    if inspect.isclass(value):
        value = value.__init__ if inspect.isfunction(value.__dict__.get("__init__")) else None
    if value is None:
        return name
    arguments = [
        argument.replace(annotation=inspect.Parameter.empty)
        for argument in inspect.signature(value).parameters.values()
        if argument.name not in ("self", "cls")
    ]
    return name + str(inspect.Signature(arguments))


def _commands(command=keras_vae_cli.main.cli, name="keras-vae"):
    words = []
    for parameter in command.params:
        flags = "/".join(parameter.opts) if parameter.param_type_name == "option" else ""
        given = parameter.default if isinstance(parameter.default, str | int | float) else None
        words.append((flags or parameter.human_readable_name) + (f"={given}" if given else ""))
    yield f"{name} {' '.join(words)}".rstrip()
    if isinstance(command, click.Group):
        # Those that are not shown, too.
        for child in sorted(command.commands):
            yield from _commands(command.commands[child], f"{name} {child}")


if __name__ == "__main__":
    PINNED.write_text("\n".join(lines()) + "\n", encoding="utf-8")
