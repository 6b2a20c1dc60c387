"""Colours and bars on a terminal, none of them in a pipe; completion by a real shell."""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time

import pytest
from conftest import ROOT

from export import benchmark

COMMAND = [sys.executable, "-m", "keras_vae_cli"]
ESCAPE = "\x1b["
BAR = re.compile(r"\d+%\|")
# It needs no TensorFlow to fail.
FAILING = ("export", "check", "nowhere")


def environment(**variables):
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")
    }
    return {**kept, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), **variables}


def on_terminal(*words, cwd=None, columns=80, **variables):
    """Run a command on a terminal of its own; return its status and all that it showed."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        env=environment(**variables),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        close_fds=True,
    )
    os.close(follower)
    shown, end = b"", time.monotonic() + 120
    while time.monotonic() < end:
        if select.select([leader], [], [], 1.0)[0]:
            try:
                part = os.read(leader, 4096)
            except OSError:
                break
            if not part:
                break
            shown += part
    os.close(leader)
    return process.wait(30), shown.decode(errors="replace")


def in_pipe(*words, cwd=None, **variables):
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        text=True,
    )


def test_a_terminal_gets_colours_unless_it_or_the_user_wants_none():
    status, shown = on_terminal(*FAILING)
    assert status == 2 and f"{ESCAPE}31m" in shown and "must be a folder" in shown
    status, shown = on_terminal("--help")
    assert status == 0 and f"{ESCAPE}1m" in shown
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}):
        for words in (FAILING, ("--help",)):
            assert ESCAPE not in on_terminal(*words, **variables)[1], (words, variables)
    # An empty variable is as none.
    assert ESCAPE in on_terminal("--help", NO_COLOR="")[1]


def test_a_pipe_gets_no_colours_unless_they_are_forced():
    result = in_pipe(*FAILING)
    assert result.stderr.startswith("Error: nowhere must be") and result.stdout == ""
    assert ESCAPE not in in_pipe("train", "--help").stdout
    assert f"{ESCAPE}31m" in in_pipe(*FAILING, FORCE_COLOR="1").stderr
    assert ESCAPE in in_pipe("--help", FORCE_COLOR="1").stdout
    assert ESCAPE not in in_pipe("--help", FORCE_COLOR="0").stdout


@pytest.mark.slow
def test_bars_are_drawn_on_a_terminal_and_not_into_a_pipe(tmp_path):
    words = ("train", "digits", "--epochs", 2, "--recipe", "textbook", "--network", "mlp")
    status, shown = on_terminal(*words, "--out", "a", cwd=tmp_path)
    assert status == 0, shown
    assert BAR.search(shown) and f"{ESCAPE}32m" in shown
    status, shown = on_terminal(*words, "--out", "b", cwd=tmp_path, TERM="dumb")
    assert status == 0 and not BAR.search(shown) and "\x1b" not in shown
    result = in_pipe(*words, "--out", "c", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for text in (result.stdout, result.stderr):
        assert not BAR.search(text) and "\r" not in text and "\x1b" not in text
    assert result.stdout.count("Epoch ") == 2


def test_a_reader_that_has_gone_is_no_error_message():
    script = f"set -o pipefail; {sys.executable} -m keras_vae_cli export formats | true"
    for _ in range(3):
        result = subprocess.run(
            ["bash", "-c", script], env=environment(), capture_output=True, text=True
        )
        assert result.returncode in (0, 1) and "Broken" not in result.stderr
        assert "Traceback" not in result.stderr and "Exception" not in result.stderr


def test_lines_follow_the_width_of_the_terminal():
    for columns in (70, 80, 200):
        status, shown = on_terminal("export", "formats", columns=columns, NO_COLOR="1")
        widest = max(map(len, shown.splitlines()))
        assert status == 0 and min(columns, 100) - 20 < widest <= min(columns, 100)


def test_a_table_that_is_too_wide_comes_in_parts_that_have_all_columns():
    times = {"1": 0.5, "32": 4.0}
    row = {"file": "tflite/model_float32.tflite", "size": 2e6, "cold_seconds": 0.3, "elbo": -3.0}
    row |= {"median_ms": times, "p99_ms": times, "images_per_second": 8e3, "peak_memory": 5e7}
    whole = benchmark.table([row])
    for width in (50, 80):
        parts = benchmark.table([row], width)
        assert max(map(len, parts.splitlines())) <= width < len(whole.splitlines()[0])
        assert set(re.split(r"\s{2,}|\n", whole)) == set(re.split(r"\s{2,}|\n+", parts))


def complete(words, cwd=None):
    """Return what the shell's script would be given for the last of the words."""
    result = subprocess.run(
        COMMAND,
        cwd=cwd,
        env=environment(
            _KERAS_VAE_COMPLETE="bash_complete",
            COMP_WORDS=" ".join(words),
            COMP_CWORD=str(len(words) - 1),
        ),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return [tuple(line.split(",", 1)) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("keras-vae", "tra"), [("plain", "train"), ("plain", "traverse")]),
        (("keras-vae", "train", "digits", "--latent"), [("plain", "--latent-dim")]),
        (("keras-vae", "train", "dig"), [("file", "dig"), ("plain", "digits")]),
        (("keras-vae", "train", "digits", "--network", "m"), [("plain", "mlp")]),
        (("keras-vae", "embed", "run", "te"), [("file", "te"), ("plain", "test")]),
        (("keras-vae", "info", "ru"), [("dir", "ru")]),
        (("keras-vae", "export", "ch"), [("dir", "ch"), ("plain", "check")]),
        (("keras-vae", "export", "run", "--form"), [("plain", "--formats")]),
        (("keras-vae", "completion", ""), [("plain", n) for n in ("bash", "zsh", "fish")]),
    ],
)
def test_words_are_completed(words, expected):
    assert complete(words) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_valid(shell):
    result = in_pipe("completion", shell)
    assert result.returncode == 0 and "_KERAS_VAE_COMPLETE" in result.stdout
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    check = subprocess.run([shell, "-n"], input=result.stdout, capture_output=True, text=True)
    assert check.returncode == 0, check.stderr


def test_bash_completes_by_the_script(tmp_path):
    program = tmp_path / "keras-vae"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m keras_vae_cli "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(keras-vae completion bash)"\n'
        "COMP_WORDS=(keras-vae restyle run test out --t); COMP_CWORD=5\n"
        '_keras_vae_completion keras-vae\necho "${COMPREPLY[@]}"\n'
    )
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    result = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=environment(PATH=path),
        capture_output=True,
        text=True,
    )
    assert result.stdout.split() == ["--to"], result.stderr


def test_completion_imports_neither_tensorflow_nor_keras():
    code = (
        "import sys, keras_vae_cli.main as m\n"
        "try: m.main()\n"
        "except SystemExit as e: assert not e.code, e.code\n"
        "assert not {'tensorflow', 'keras', 'keras_vae', 'numpy'} & set(sys.modules)\n"
    )
    words = "keras-vae export run --prec"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(_KERAS_VAE_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD="3"),
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stdout) == (0, "plain,--precisions\n"), result.stderr
