"""The help of every command: sections, width, examples that run."""

import os
import shlex
import signal
import subprocess
import sys

import click
import pytest
from conftest import ROOT

from keras_vae_cli import look
from keras_vae_cli.main import cli

COMMON = ("--out", "--epochs", "--recipe", "--latent-dim", "--seed", "--json")
RARE = ("--color-mode", "--likelihood", "--objective", "--batch-size", "--strategy")


def walk(command, path):
    """Yield the words of each command that does something, and the command."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name, sub in command.commands.items():
        yield from walk(sub, path if name.startswith("<") else (*path, name))


COMMANDS = dict(walk(cli, ()))
NAMES = [" ".join(path) for path in COMMANDS]


def options_of(command):
    return [param for param in command.params if isinstance(param, click.Option)]


@pytest.fixture
def help_of(command_line, monkeypatch):
    """A function that returns the help of a command on a wide terminal."""

    def show(*words, option="--help"):
        monkeypatch.setenv("COLUMNS", "200")
        outcome = command_line(*words, option)
        assert outcome.status == 0, outcome.err
        return outcome.out

    return show


def test_the_first_help_names_each_command_once_in_a_section(help_of):
    lines = help_of().splitlines()
    commands = lines[: lines.index("Options:")]
    for name in cli.commands:
        (line,) = [line for line in commands if line[12:].startswith(f"{name} ")]
        # A summary of its own, whole.
        assert line.endswith(".") and not line.endswith("...")
    titles = [line[2:12].strip() for line in lines if line[:12].strip() and line[12:13] != ""]
    for title in ("Train", "Use", "Look", "Restore", "Compress", "Export", "Help"):
        assert title in titles
    assert len(lines) <= 40
    assert lines[-2:] == [f"  {example}" for example in cli.examples]


@pytest.mark.parametrize("words", [(), ("export",), *COMMANDS], ids=" ".join)
def test_help_is_at_most_80_columns_wide(help_of, words):
    options = ["--help"]
    if words == ("train",):
        options.append("--help-all")
    for option in options:
        wide = [line for line in help_of(*words, option=option).splitlines() if len(line) > 80]
        assert not wide


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_option_says_what_it_is_for(words):
    lacking = [option.name for option in options_of(COMMANDS[words]) if not option.help]
    assert not lacking


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_examples_that_parse(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits.kvz").touch()
    command = COMMANDS[words]
    assert isinstance(command, look.Command)
    assert command.examples and command.examples[-1].startswith(f"keras-vae {' '.join(words)}")
    for example in command.examples:
        _, first, *rest = shlex.split(example)
        assert example.isascii()
        context = cli.make_context("keras-vae", [first, *rest])
        while isinstance(context.command, click.Group):
            # Older versions of click call it otherwise.
            first = getattr(context, "_protected_args", None) or context.protected_args
            given = [*first, *context.args]
            name, sub, given = context.command.resolve_command(context, given)
            context = sub.make_context(name, given, parent=context)


def test_the_help_of_train_shows_the_common_options_and_where_the_others_are(help_of):
    short, full = help_of("train"), help_of("train", option="--help-all")
    assert "keras-vae train --help-all" in short.replace("\n", " ")
    for name in COMMON:
        assert f"{name} " in short and f"{name} " in full
    for name in RARE:
        assert f"{name} " not in short and f"{name} " in full
    titles = [line for line in full.splitlines() if line.endswith(":") and line[0] != " "]
    expected = ["Options:", "Data:", "Model:", "Objective:", "Training:", "Devices:", "Examples:"]
    assert titles == expected


def test_the_full_help_of_train_has_every_option(help_of):
    full = help_of("train", option="--help-all")
    for option in options_of(COMMANDS[("train",)]):
        assert option.opts[0] in full


@pytest.mark.parametrize(
    ("words", "expected", "where"),
    [
        (("trian",), "Did you mean 'train'?", "keras-vae"),
        (("train", "digits", "--epoch", "3"), "Did you mean '--epochs'", "keras-vae train"),
        (("train",), "Missing argument 'SOURCE'", "keras-vae train"),
        (("export", "run", "--format", "onnx"), "Did you mean '--formats'", "keras-vae export"),
        (("export", "check"), "Missing argument 'DIR'", "keras-vae export check"),
        (("export", "chekc", "exported"), "Did you mean 'check'?", "keras-vae export"),
    ],
)
def test_wrong_words_are_said_like_all_errors(command_line, words, expected, where):
    outcome = command_line(*words)
    assert (outcome.status, outcome.out) == (2, "")
    error, hint = outcome.err.splitlines()
    assert error.startswith("Error: ") and expected in error
    assert hint == f"Try '{where} --help'."


@pytest.mark.slow
def test_the_examples_run_in_their_order(tmp_path):
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    seen = []
    for command in COMMANDS.values():
        for example in command.examples:
            if example in seen:
                continue
            seen.append(example)
            words = shlex.split(example)[1:]
            if "train" in words:
                # What is learnt does not matter here.
                words += ["--epochs", "1"]
            with subprocess.Popen(
                [sys.executable, "-m", "keras_vae_cli", *words],
                cwd=tmp_path,
                env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            ) as process:
                if "serve" in words:
                    # It ends by Ctrl-C alone.
                    process.stdout.readline()
                    process.send_signal(signal.SIGINT)
                errors = process.communicate()[1]
            assert process.returncode == 0, f"{example}\n{errors[-4000:]}"
    assert len(seen) >= len(COMMANDS)
