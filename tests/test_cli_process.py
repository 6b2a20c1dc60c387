"""What the command line does as a process: signals, full disks, no network, what it imports."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

from keras_vae import runs

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "keras_vae_cli"]
QUICK = ("--recipe", "textbook", "--network", "mlp")


def start(*arguments, preexec_fn=None, **variables):
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        env={**os.environ, **variables},
        preexec_fn=preexec_fn,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def train_until_an_epoch_is_done(run):
    process = start("train", "digits", "--out", run, "--epochs", 100000, *QUICK)
    for line in process.stdout:
        if "validation" in line:
            return process
    raise AssertionError(process.stderr.read())


def test_ctrl_c_saves_what_was_learnt(tmp_path, command_line):
    run = tmp_path / "run"
    process = train_until_an_epoch_is_done(run)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Interrupted" in out and str(run) in out and "Traceback" not in err
    history = runs.load(run).history["loss"]
    assert runs.load(run).config["training"]["epochs_done"] == len(history) >= 1
    assert command_line("evaluate", run, "--num-samples", 2, "--quiet").status == 0
    assert "interrupted" in (run / "README.md").read_text()


def test_sigterm_leaves_nothing_half_written(tmp_path):
    process = train_until_an_epoch_is_done(tmp_path / "run")
    process.terminate()
    started = time.monotonic()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143 and time.monotonic() - started < 10
    assert "Traceback" not in err
    assert os.listdir(tmp_path) == ["run"] and os.listdir(tmp_path / "run") == ["training"]
    assert not list(tmp_path.rglob(".partial*"))


def test_a_full_disk_is_said_and_leaves_what_was_there(trained_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    process = start(
        *("train", "digits", "--out", run, "--overwrite"),
        *("--epochs", 1, *QUICK, "--quiet"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "no space left" in err and "Traceback" not in err
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes to read-only folders")
def test_a_read_only_folder_is_a_failure_of_the_machine(trained_run, command_line, tmp_path):
    tmp_path.chmod(0o500)
    outcome = command_line("generate", trained_run, "--out", tmp_path / "x.png")
    assert outcome.status == 1 and str(tmp_path) in outcome.err


def test_a_set_that_is_not_on_disk_and_no_network(tmp_path):
    closed = "http://127.0.0.1:9"
    process = start(
        *("train", "mnist", "--out", tmp_path / "run", "--data-dir", tmp_path / "data", "--quiet"),
        **dict.fromkeys(("http_proxy", "https_proxy"), closed),
    )
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2, err
    assert "digits" in err and "Traceback" not in err
    assert not (tmp_path / "run").exists()


def test_help_and_version_import_neither_tensorflow_nor_keras(tmp_path):
    code = (
        "import sys, keras_vae_cli.main as m\n"
        "sys.argv = ['keras-vae', sys.argv[1]]\n"
        "try: m.main()\n"
        "except SystemExit as e: assert not e.code, e.code\n"
        "assert not {'tensorflow', 'keras', 'keras_vae', 'numpy'} & set(sys.modules)\n"
    )
    for option in ("--help", "--version"):
        result = subprocess.run(
            [sys.executable, "-c", code, option], capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
        assert "keras-vae" in result.stdout or "Usage" in result.stdout


def test_another_backend_of_keras_is_refused(tmp_path):
    process = start("train", "digits", "--out", tmp_path / "run", KERAS_BACKEND="jax")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "TensorFlow" in err and "Traceback" not in err
