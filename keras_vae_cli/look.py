"""The one look of all commands: help in sections with examples, errors, colours."""

import difflib
import functools
import os
import re

import click

from keras_vae_cli import document

# Of a command that its group stands for, and that has no name of its own.
_NAMELESS = re.compile(r" <\w+>$")
_ALL = "keras_vae_cli.all_options"
_OPTIONS = "Options"
_LABEL_WIDTH, _NAME_WIDTH = 10, 13


def color():
    """Return whether colours are wanted: True, False, or None where the stream decides."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return False if os.environ.get("TERM") == "dumb" else None


def say_error(text, hint=""):
    """Write what went wrong to standard error, and to the document of --json."""
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {text}", err=True, color=color())
    if hint:
        click.echo(hint, err=True)
    document.current.error = text


def say_usage_error(error):
    """Write a `click.ClickException` in the words of all other errors, with where to look."""
    context = getattr(error, "ctx", None)
    hint = f"Try '{context.command_path} --help'." if context else ""
    near = getattr(error, "possibilities", None)
    text = error.format_message()
    if near:
        # The nearest ones come first; what comes later is hardly meant.
        names = " or ".join(map(repr, near[:2]))
        text = f"{error.message.rstrip('.')}. Did you mean {names}?"
    say_error(text, hint)


def say_warning(text):
    """Write a warning to standard error, and to the document of --json."""
    click.echo(f"{click.style('Warning:', fg='yellow')} {text}", err=True, color=color())
    document.current.notes.append(str(text))


class _Formatter(click.HelpFormatter):
    def write_heading(self, heading):
        super().write_heading(click.style(heading, bold=True))

    def write_usage(self, prog, args="", prefix=None):
        super().write_usage(prog, args, click.style("Usage:", bold=True) + " ")


class _Context(click.Context):
    formatter_class = _Formatter

    @property
    def command_path(self):
        return _NAMELESS.sub("", super().command_path)


class Option(click.Option):
    """An option that stands in a section of the help.

    Args:
        section: str; an option that has one is shown by `--help-all` alone.
    """

    def __init__(self, *args, section=None, **options):
        super().__init__(*args, **options)
        self.section = section


class Command(click.Command):
    """A command with examples, and with --json unless it prints for machines anyway.

    Args:
        example: str or tuple of str, commands that run.
        has_json: bool.
    """

    context_class = _Context

    def __init__(self, *args, example=(), has_json=True, **options):
        super().__init__(*args, **options)
        self.examples = (example,) if isinstance(example, str) else example
        self.has_json = has_json
        for param in self.params:
            _name_plainly(param)
        if has_json:
            self.params.append(document.option())
        if any(_section(param) for param in self.params):
            self.params.append(_help_all())

    def parse_args(self, ctx, args):
        # Before what may be wrong about the other words, of which the document tells then.
        if self.has_json and "--json" in args and not ctx.resilient_parsing:
            document.current.begin(ctx.command_path.partition(" ")[2])
        return super().parse_args(ctx, args)

    def format_options(self, ctx, formatter):
        sections = {_OPTIONS: []}
        # An argument is told of by the usage and by the text.
        for param in (p for p in self.get_params(ctx) if isinstance(p, click.Option)):
            record = param.get_help_record(ctx)
            if record:
                sections.setdefault(_section(param) or _OPTIONS, []).append(record)
        shown = sections if _ALL in ctx.meta else {_OPTIONS: sections[_OPTIONS]}
        for title, records in shown.items():
            with formatter.section(title):
                formatter.write_dl(records)
        if len(shown) < len(sections):
            titles = ", ".join(title for title in sections if title != _OPTIONS)
            formatter.write_paragraph()
            formatter.write_text(f"More options ({titles}): {ctx.command_path} --help-all")

    def format_epilog(self, ctx, formatter):
        write_examples(formatter, self.examples)


class Group(click.Group):
    """A group of commands of this look."""

    context_class = _Context
    command_class = Command

    def resolve_command(self, ctx, args):
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            # Which older versions of click do not look for.
            if not getattr(error, "possibilities", None):
                error.possibilities = difflib.get_close_matches(args[0], self.commands)
            raise


class Sections(Group):
    """A group whose help names its commands in sections, a line each, and what to type first.

    Args:
        example: tuple of str, commands that run.
    """

    def __init__(self, *args, example=(), **options):
        super().__init__(*args, **options)
        self.examples = example
        self._sections = {}

    def add_section(self, title, commands):
        """Add commands under a title."""
        self._sections[title] = [command.name for command in commands]
        for command in commands:
            self.add_command(command)

    def list_commands(self, ctx):
        return [name for names in self._sections.values() for name in names]

    def format_options(self, ctx, formatter):
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def format_epilog(self, ctx, formatter):
        write_examples(formatter, self.examples)

    def format_commands(self, ctx, formatter):
        formatter.write_paragraph()
        room = formatter.width - _LABEL_WIDTH - _NAME_WIDTH - 2
        for title, names in self._sections.items():
            label = click.style(title, bold=True) + " " * (_LABEL_WIDTH - len(title))
            for name in names:
                words = self.commands[name].get_short_help_str(room)
                formatter.write(f"  {label}{name:{_NAME_WIDTH}}{words}\n")
                label = " " * _LABEL_WIDTH


def write_examples(formatter, examples):
    """Write commands as they are typed."""
    if examples:
        with formatter.section("Examples" if len(examples) > 1 else "Example"):
            for line in examples:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def _name_plainly(param):
    """Say INTEGER, not INTEGER RANGE: the range is shown beside the default."""
    word, _, rest = param.type.name.partition(" ")
    if param.metavar is None and rest == "range":
        param.metavar = word.upper()


def _section(param):
    return getattr(param, "section", None)


def _help_all():
    def show(ctx, param, value):
        if value and not ctx.resilient_parsing:
            ctx.meta[_ALL] = True
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()

    return click.Option(
        ["--help-all"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show all options and exit.",
    )


command = functools.partial(click.command, cls=Command)
"""`click.command` of this look; takes `example` and `has_json` besides."""
