"""Several workers train as one process does, end together, and go on after a loss."""

import csv
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_vae import runs

pytestmark = pytest.mark.slow

LAUNCH = [sys.executable, "-m", "keras_vae_cli", "launch", "--workers"]
NETWORK = ("--recipe", "textbook", "--network", "mlp", "--latent-dim", "3", "--batch-size", "100")
# A worker that is left alone must end within this.
BOUND_SECONDS = 60


def start(workers, out, *options, source="digits"):
    command = ["train", source, "--out", out, *NETWORK, *options]
    return subprocess.Popen(
        [*LAUNCH, str(workers), "--", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process, seconds=300):
    try:
        out, _ = process.communicate(timeout=seconds)
    finally:
        process.kill()
    return out


def children(process):
    """Return the process numbers of the workers, the chief's first."""
    listed = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return sorted(map(int, listed.split()))


def wait_for_epochs(process, run, epochs):
    end = time.monotonic() + 200
    history = run / "training" / "history.csv"
    while not history.exists() or len(history.read_text().splitlines()) <= epochs:
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end
        time.sleep(0.05)


def curves(run):
    with open(run / runs.HISTORY, newline="") as file:
        return list(csv.DictReader(file))


def assert_alike(run, other, rtol=1e-5):
    ours, theirs = curves(run), curves(other)
    assert len(ours) == len(theirs)
    for mine, other_row in zip(ours, theirs, strict=True):
        for name, value in mine.items():
            assert float(value) == pytest.approx(float(other_row[name]), rel=rtol), name
    mine, other_metrics = (runs.load(path).metrics for path in (run, other))
    assert mine["elbo"] == pytest.approx(other_metrics["elbo"], rel=rtol)
    assert mine["nll"] == pytest.approx(other_metrics["nll"], rel=rtol)


@pytest.fixture(scope="module")
def alone(command_line, tmp_path_factory):
    """A run of one process: 105 steps, the last of each epoch smaller than the others."""
    run = tmp_path_factory.mktemp("alone") / "run"
    options = ("--epochs", 7, "--binarize", "dynamic", "--quiet")
    outcome = command_line("train", "digits", "--out", run, *NETWORK, *options)
    assert outcome.status == 0, outcome.err
    return run


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_end_with_the_weights_of_one_process(workers, alone, tmp_path):
    run = tmp_path / "run"
    process = start(workers, run, "--epochs", 7, "--binarize", "dynamic", "--quiet")
    out = finish(process)
    assert process.returncode == 0, out
    assert out.count("Wrote") == 1 and "[worker" not in out
    for mine, theirs in zip(
        runs.load(run).vae.get_weights(), runs.load(alone).vae.get_weights(), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
    assert_alike(run, alone)


@pytest.mark.parametrize("killed", ["worker", "chief", "job"])
def test_what_is_killed_is_gone_on_with(killed, tmp_path):
    options = ("--epochs", 12, "--checkpoint-steps", 7)
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert finish(start(2, whole, *options)).count("Wrote") == 1
    process = start(2, run, *options)
    wait_for_epochs(process, run, 2)
    workers = children(process)
    victim = {"worker": workers[1], "chief": workers[0], "job": process.pid}[killed]
    began = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    out = finish(process)
    assert process.returncode == (-signal.SIGKILL if killed == "job" else 1), out
    while any(pathlib.Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < began + BOUND_SECONDS
        time.sleep(0.1)
    if killed != "job":
        assert "was ended by SIGKILL" in out and "--resume" in out and "Traceback" not in out
    resumed = start(2, run, "--resume")
    out = finish(resumed)
    assert resumed.returncode == 0 and "Going on with the training" in out, out
    assert_alike(run, whole)


def test_sigterm_to_the_launcher_saves(tmp_path):
    run = tmp_path / "run"
    process = start(2, run, "--epochs", 500)
    wait_for_epochs(process, run, 1)
    process.terminate()
    began = time.monotonic()
    out = finish(process)
    assert process.returncode == 143 and time.monotonic() - began < 15, out
    assert "--resume goes on" in out and "Traceback" not in out
    saved = list((run / "training" / "first").glob("checkpoint-*"))
    assert saved


# The first worker is the chief: what goes wrong there alone must end the others too.
def test_a_folder_that_the_chief_refuses_is_said_by_each_worker(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    process = start(2, tmp_path / "run", "--epochs", 1)
    out = finish(process, BOUND_SECONDS)
    assert process.returncode == 2
    assert len(re.findall("no run folder", out)) == 2 and "[worker 1] Error:" in out
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--latent-dim", "4"], "latent_dim 3 of worker 0 and 4 of worker 1"),
        ([], "checksum"),
        (["--labelled", "few.npz"], "labelled {"),
    ],
)
def test_workers_that_differ_are_refused_by_each(change, said, run_workers, tmp_path):
    folders = [tmp_path / name for name in ("a", "b")]
    for index, folder in enumerate(folders):
        folder.mkdir()
        value = 0 if change else index
        np.save(folder / "images.npy", np.full((40, 8, 8), value, np.uint8))
        np.savez(folder / "few.npz", x=np.full((4, 8, 8), index, np.uint8), y=[0, 1, 0, 1])
    train = ["-m", "keras_vae_cli", "train", "images.npy", "--out", tmp_path / "run", *NETWORK]
    train += ["--epochs", "1", "--quiet"]
    commands = [train + change] * 2
    if "--latent-dim" in change:
        commands, folders = [train, train + change], folders[:1] * 2
    # The same path on two machines need not be the same file.
    found = run_workers(commands, folders, BOUND_SECONDS)
    for status, out in zip(*found, strict=True):
        assert status == 2 and said in out, out
    assert not (tmp_path / "run").exists()


def test_a_worker_that_hangs_ends_the_others_and_the_job_goes_on(tmp_path):
    run = tmp_path / "run"
    process = start(2, run, "--epochs", 12, "--checkpoint-steps", 7)
    wait_for_epochs(process, run, 2)
    began = time.monotonic()
    os.kill(children(process)[1], signal.SIGSTOP)
    out = finish(process)
    assert process.returncode == 1 and time.monotonic() - began < BOUND_SECONDS, out
    assert "has lost another one" in out and "--resume" in out and "Traceback" not in out
    resumed = start(2, run, "--resume")
    out = finish(resumed)
    assert resumed.returncode == 0 and len(curves(run)) == 12, out


def test_sigterm_to_the_launcher_ends_in_time_where_a_worker_hangs(tmp_path):
    run = tmp_path / "run"
    process = start(2, run, "--epochs", 500)
    wait_for_epochs(process, run, 1)
    workers = children(process)
    os.kill(workers[1], signal.SIGSTOP)
    process.terminate()
    began = time.monotonic()
    out = finish(process)
    assert process.returncode == 143 and time.monotonic() - began < 25, out
    assert not any(pathlib.Path(f"/proc/{worker}").exists() for worker in workers)


def test_ctrl_c_to_the_launcher_saves_what_was_learnt(tmp_path):
    run = tmp_path / "run"
    process = start(2, run, "--epochs", 500)
    wait_for_epochs(process, run, 1)
    process.send_signal(signal.SIGINT)
    out = finish(process, BOUND_SECONDS)
    assert process.returncode == 130 and "Traceback" not in out, out
    assert 1 <= len(curves(run)) < 500 and runs.load(run).vae.built


def test_a_folder_that_cannot_be_written_is_said_by_each_worker(tmp_path):
    (tmp_path / "file").write_text("mine")
    process = start(2, tmp_path / "file" / "run", "--epochs", 1)
    out = finish(process, BOUND_SECONDS)
    assert process.returncode in (1, 2) and "Traceback" not in out, out
    assert (
        len(re.findall(re.escape(str(tmp_path / "file")), out)) >= 2 and "[worker 1] Error:" in out
    )
    assert (tmp_path / "file").read_text() == "mine"
