"""`keras-vae train --resume`: what goes on, what begins anew, what is refused."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_vae import runs, trainings

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "keras_vae_cli", "train", "digits"]
NETWORK = ("--recipe", "textbook", "--network", "mlp", "--latent-dim", "3", "--batch-size", "200")
QUICK = (*NETWORK, "--epochs", "2", "--quiet")


def start(out, *options):
    return subprocess.Popen(
        [*COMMAND, "--out", str(out), *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, process, seconds=120):
    """Wait until something holds while a process runs."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end, process.stderr.read()
        time.sleep(0.01)


def files_of(path):
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A training that was terminated after its first checkpoint, and its process."""
    run = tmp_path_factory.mktemp("interrupted") / "run"
    process = start(run, *NETWORK, "--epochs", 60, "--checkpoint-steps", 3)
    wait_for(lambda: len(list(run.glob("training/first/checkpoint-*"))) == 2, process)
    process.terminate()
    began = time.monotonic()
    process.out, process.err = process.communicate(timeout=60)
    process.seconds = time.monotonic() - began
    return run, process


@pytest.fixture
def unfinished(interrupted, tmp_path):
    shutil.copytree(interrupted[0], tmp_path / "run")
    return tmp_path / "run"


def test_sigterm_saves_and_says_how_to_go_on(interrupted):
    run, process = interrupted
    assert process.returncode == 143 and process.seconds < 10
    assert "--resume" in process.err and "Traceback" not in process.err
    assert [path.name for path in run.iterdir()] == ["training"]


def test_what_goes_on_ends_as_what_never_stopped(unfinished, command_line, tmp_path):
    outcome = command_line("train", "digits", "--out", unfinished, "--resume", "--quiet")
    assert outcome.status == 0, outcome.err
    assert "Going on with the training of" in outcome.out
    whole = ("train", "digits", "--out", tmp_path / "whole", *NETWORK, "--epochs", 60, "--quiet")
    assert command_line(*whole).status == 0
    one, other = (runs.load(tmp_path / name) for name in ("run", "whole"))
    assert (one.path / runs.HISTORY).read_bytes() == (other.path / runs.HISTORY).read_bytes()
    for mine, theirs in zip(one.vae.get_weights(), other.vae.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert one.metrics == other.metrics
    assert not (one.path / runs.TRAINING).exists()


def test_an_unfinished_training_is_neither_a_run_nor_a_free_name(unfinished, command_line):
    before = files_of(unfinished)
    for arguments in (
        ("evaluate", unfinished),
        ("train", "digits", "--out", unfinished, *QUICK),
    ):
        outcome = command_line(*arguments)
        assert outcome.status == 2 and "--resume" in outcome.err
    assert files_of(unfinished) == before


def test_other_options_than_those_it_began_with_are_refused(unfinished, command_line):
    before = files_of(unfinished)
    options = ("--epochs", 70, "--latent-dim", 3, "--resume")
    outcome = command_line("train", "digits", "--out", unfinished, *options)
    assert outcome.status == 2 and "epochs 70, begun with 60" in outcome.err
    assert "latent_dim" not in outcome.err and "--overwrite" in outcome.err
    outcome = command_line("train", "mnist", "--out", unfinished, "--resume")
    assert outcome.status == 2 and "source 'mnist', begun with 'digits'" in outcome.err
    assert files_of(unfinished) == before


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"format": "keras_vae training", "format_version": 2, "options": 1}'],
)
def test_a_damaged_record_is_refused(unfinished, command_line, content):
    (unfinished / "training" / trainings.OPTIONS).write_text(content)
    outcome = command_line("train", "digits", "--out", unfinished, "--resume")
    assert outcome.status == 2 and "options.json" in outcome.err and "Traceback" not in outcome.err


def test_overwrite_begins_anew(unfinished, command_line):
    outcome = command_line("train", "digits", "--out", unfinished, "--overwrite", *QUICK)
    assert outcome.status == 0, outcome.err
    assert runs.load(unfinished).config["training"]["epochs_done"] == 2


def test_a_finished_run_says_so(trained_run, command_line):
    before = files_of(trained_run)
    outcome = command_line("train", "digits", "--out", trained_run, "--resume")
    assert outcome.status == 0 and "is finished" in outcome.out
    same = ("--network", "mlp", "--latent-dim", 4, "--epochs", 2, "--seed", 0)
    assert command_line("train", "digits", "--out", trained_run, "--resume", *same).status == 0
    assert files_of(trained_run) == before


def test_other_options_than_those_of_a_finished_run_are_refused(trained_run, command_line):
    before = files_of(trained_run)
    options = ("--epochs", 50, "--network", "mlp", "--resume")
    outcome = command_line("train", "mnist", "--out", trained_run, *options)
    assert outcome.status == 2 and "epochs 50, begun with 2" in outcome.err
    assert "source 'mnist', begun with 'digits'" in outcome.err and "network" not in outcome.err
    assert files_of(trained_run) == before


@pytest.mark.parametrize("there", ["nothing", "an empty folder", "no checkpoint"])
def test_without_a_checkpoint_it_begins_anew(there, unfinished, command_line, tmp_path):
    run, options = tmp_path / "new", QUICK
    if there == "an empty folder":
        run.mkdir()
    if there == "no checkpoint":
        record = json.loads((unfinished / "training" / trainings.OPTIONS).read_text())
        record["options"]["epochs"] = 2
        (run / "training").mkdir(parents=True)
        (run / "training" / trainings.OPTIONS).write_text(json.dumps(record))
    outcome = command_line("train", "digits", "--out", run, "--resume", *options)
    assert outcome.status == 0, outcome.err
    assert "begins anew" in outcome.out and len(runs.load(run).history["loss"]) == 2


def test_a_folder_of_other_things_is_refused(command_line, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("words")
    outcome = command_line("train", "digits", "--out", tmp_path / "thesis", "--resume")
    assert outcome.status == 2 and "no run folder" in outcome.err
    assert os.listdir(tmp_path / "thesis") == ["chapter.txt"]


# The first process of a container has the number of the one before it.
@pytest.mark.parametrize("owner", [999_999_999, os.getpid()], ids=["gone", "own"])
def test_a_run_that_was_killed_while_it_was_published_comes_back(owner, trained_run, tmp_path):
    shutil.copytree(trained_run, tmp_path / f".partial-{owner}-old-run")
    (tmp_path / f".partial-{owner}-run").mkdir()
    assert trainings.find(tmp_path / "run", {}, set(), resume=True) is None
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert runs.load(tmp_path / "run").vae.latent_dim == 4


def test_twenty_kills_at_random_moments(tmp_path):
    """Also in checkpoints, of which there is one a step, and while the run is written."""
    run, whole = tmp_path / "run", tmp_path / "whole"
    options = (*NETWORK, "--epochs", 300, "--finish-epochs", 100, "--checkpoint-steps", 1)
    process = start(whole, *options, "--quiet")
    assert process.communicate(timeout=600) and process.returncode == 0
    moments, kills = random.Random(0), 0
    while kills < 20:
        process = start(run, *options, "--resume", "--quiet")
        had = run.exists()
        if had:
            time.sleep(moments.uniform(4, 12))
        else:
            wait_for(run.exists, process)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
        for path in run.rglob("checkpoint-*.npz"):
            with np.load(path) as file:
                assert all(file[name] is not None for name in file.files)
        for path in run.rglob("*.json"):
            json.loads(path.read_text())
        for path in run.rglob("*.csv"):
            rows = list(csv.reader(path.open()))
            assert all(len(row) == len(rows[0]) for row in rows)
    if process.returncode != 0:
        process = start(run, *options, "--resume", "--quiet")
        _, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
    assert kills == 20
    one, other = runs.load(run), runs.load(whole)
    assert (run / runs.HISTORY).read_bytes() == (whole / runs.HISTORY).read_bytes()
    for mine, theirs in zip(one.vae.get_weights(), other.vae.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert one.metrics == other.metrics and os.listdir(tmp_path) == ["whole", "run"]


def test_a_second_process_leaves_a_training_under_way_alone(tmp_path, command_line):
    run = tmp_path / "run"
    process = start(run, *NETWORK, "--epochs", 100_000)
    wait_for(lambda: list(run.glob("training/first/checkpoint-*")), process)
    for options in (["--resume"], [*NETWORK, "--overwrite"]):
        outcome = command_line("train", "digits", "--out", run, "--quiet", *options)
        assert outcome.status == 2 and "another one trains now" in outcome.err
    assert process.poll() is None and list(run.glob("training/first/checkpoint-*"))
    process.kill()
    process.communicate()
    assert command_line("train", "digits", "--out", run, *QUICK, "--overwrite").status == 0


def test_a_training_that_was_killed_as_it_began_is_begun_anew(tmp_path, command_line):
    """Whatever it left: the lock, and options half-written."""
    folder = tmp_path / "run" / "training"
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    (folder / ".partial-999999999-options.json").write_text("{")
    outcome = command_line("train", "digits", "--out", tmp_path / "run", *QUICK, "--resume")
    assert outcome.status == 0 and "begins anew" in outcome.out, outcome.err


def test_a_signal_that_another_worker_had_before_does_not_cut_the_saving_short():
    from keras_vae_cli import session

    class Team:
        """Two workers, the other of which has heard SIGTERM."""

        count = 2

        def gather(self, value):
            return [value, [2, value[1]]]

    signals = session._Signals(Team())
    with pytest.raises(SystemExit):
        signals.on_train_batch_end(0)
    signals.terminate()
    assert not signals.forced
    with pytest.raises(SystemExit):
        signals.terminate()
    assert signals.forced
