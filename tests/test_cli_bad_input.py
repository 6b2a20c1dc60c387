"""What the command line says and leaves behind when something is wrong."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from keras_vae import runs

COMMAND = [sys.executable, "-m", "keras_vae_cli"]


def images(folder, count=30, mode="L"):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(count):
        shape = (8, 8) if mode == "L" else (8, 8, 3)
        pixels = (rng.random(shape) * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return folder


def truncated(path):
    folder = images(path / "truncated")
    file = folder / "7.png"
    file.write_bytes(file.read_bytes()[:60])
    return folder


def mixed(path):
    folder = images(path / "mixed")
    images(folder / "colour", 3, "RGB")
    for file in (folder / "colour").iterdir():
        file.rename(folder / f"c{file.name}")
    (folder / "colour").rmdir()
    return folder


def empty(path):
    (path / "empty").mkdir()
    return path / "empty"


def array(path, change):
    x = np.random.default_rng(0).random((50, 8, 8)).astype("float32")
    change(x)
    np.save(path / "images.npy", x)
    return path / "images.npy"


def too_bright(path):
    return array(path, lambda x: x.__imul__(300))


def with_nan(path):
    return array(path, lambda x: x.__setitem__((3, 4, 5), np.nan))


def tiny(path):
    np.save(path / "tiny.npy", np.zeros((50, 2, 2), np.uint8))
    return path / "tiny.npy"


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ("fashion_mnst", (), ("fashion_mnist", "digits")),
        ("no/such/folder", (), ("no/such/folder",)),
        (truncated, (), ("7.png", "skip-bad")),
        (mixed, (), ("30 images", "3 images", "color_mode")),
        (empty, (), (".png", "empty")),
        (too_bright, (), ("value_range", "29")),
        (with_nan, (), ("(3, 4, 5)", "NaN")),
        (tiny, (), ("4 pixels", "(2, 2, 1)", "image_size", "mlp")),
        ("digits", ("--latent-dim", 0), ("`latent_dim`", ">= 1", "latent_dim=0")),
        ("digits", ("--beta", -1), ("`beta`", ">= 0", "-1.0", "autoencoder")),
        ("digits", ("--learning-rate", 0), ("`learning_rate`", "> 0")),
        ("digits", ("--likelihood", "gausian"), ("'gaussian'", "gausian")),
        ("digits", ("--prior", "x"), ("'standard_normal'",)),
        ("digits", ("--objective", "x"), ("'elbo'",)),
        ("digits", ("--validation-fraction", 1.0), ("validation_fraction", "< 1")),
        ("digits", ("--image-size", "8by8"), ("8by8", "64x48")),
        ("digits", ("--epochs", 0), ("--epochs",)),
        ("digits", ("--seed", -1), ("--seed", "0<=x")),
    ],
)
def test_train_refuses_bad_input_and_writes_nothing(command_line, tmp_path, source, options, words):
    source = source(tmp_path) if callable(source) else source
    before = set(tmp_path.rglob("*"))
    run = tmp_path / "run"
    outcome = command_line("train", source, "--out", run, "--epochs", 1, "--quiet", *options)
    assert outcome.status == 2
    assert len(outcome.err.strip().splitlines()) == 1 or "Usage" in outcome.err
    for word in words:
        assert word in outcome.err
    assert set(tmp_path.rglob("*")) == before


def test_skip_bad_trains_on_the_rest(command_line, tmp_path):
    options = ("--epochs", 1, "--network", "mlp", "--quiet", "--skip-bad")
    outcome = command_line("train", truncated(tmp_path), "--out", tmp_path / "run", *options)
    assert outcome.status == 0, outcome.err
    assert outcome.err.startswith("Warning: 1 of 30 files")


def test_an_existing_run_needs_overwrite(command_line, trained_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    before = {path: path.read_bytes() for path in run.iterdir()}
    arguments = ("train", "digits", "--out", run, "--epochs", 1, "--network", "mlp", "--quiet")
    outcome = command_line(*arguments)
    assert outcome.status == 2 and "--overwrite" in outcome.err
    assert {path: path.read_bytes() for path in run.iterdir()} == before
    assert command_line(*arguments, "--overwrite").status == 0
    assert runs.load(run).config["training"]["epochs"] == 1
    assert not [path for path in tmp_path.iterdir() if path.name != "run"]


def test_overwrite_replaces_no_folder_of_other_things(command_line, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("words")
    outcome = command_line(
        "train", "digits", "--out", tmp_path / "thesis", "--overwrite", "--quiet", "--epochs", 1
    )
    assert outcome.status == 2 and "no run folder" in outcome.err
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "words"


def test_overwrite_replaces_no_run_with_files_of_the_user(command_line, trained_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    (run / "notes.txt").write_text("words")
    outcome = command_line("train", "digits", "--out", run, "--overwrite", "--epochs", 1)
    assert outcome.status == 2 and "notes.txt" in outcome.err
    assert (run / "notes.txt").read_text() == "words"


def test_a_link_to_a_run_stays_a_link(command_line, trained_run, tmp_path):
    shutil.copytree(trained_run, tmp_path / "run")
    (tmp_path / "link").symlink_to(tmp_path / "run")
    options = ("--epochs", 1, "--network", "mlp", "--quiet", "--overwrite")
    assert command_line("train", "digits", "--out", tmp_path / "link", *options).status == 0
    assert (tmp_path / "link").is_symlink() and len(list(tmp_path.iterdir())) == 2
    assert runs.load(tmp_path / "run").config["training"]["epochs"] == 1


def test_a_name_that_another_training_took_meanwhile_is_not_taken_from_it(trained_run, tmp_path):
    config = runs.load(trained_run).config
    with runs.create(tmp_path / "run", config) as run:
        shutil.copytree(trained_run, tmp_path / "run")
    assert run.path == tmp_path / "run-2"
    assert (tmp_path / "run" / "model.keras").exists()


def test_another_backend_of_keras_is_refused(tmp_path):
    process = start("train", "digits", "--out", tmp_path / "run", KERAS_BACKEND="jax")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "TensorFlow" in err and "Traceback" not in err


def other_version(run):
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "format_version": 99}))


def cut_config(run):
    (run / "config.json").write_text('{"format": "keras_va')


def cut_model(run):
    model = run / "model.keras"
    model.write_bytes(model.read_bytes()[: model.stat().st_size // 2])


def flip_a_bit_of_the_model(run):
    content = bytearray((run / "model.keras").read_bytes())
    content[len(content) // 2] ^= 255
    (run / "model.keras").write_bytes(bytes(content))


def no_model(run):
    (run / "model.keras").unlink()


def no_sections(run):
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "data": None}))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (other_version, ("version 99", "version 1")),
        (cut_config, ("config.json", "damaged")),
        (cut_model, ("model.keras", "damaged")),
        (flip_a_bit_of_the_model, ("model.keras", "damaged")),
        (no_model, ("model.keras", "no such file")),
        (no_sections, ("config.json", "data")),
    ],
)
@pytest.mark.parametrize("command", ["evaluate", "generate"])
def test_a_damaged_run_is_refused_and_left_alone(
    command_line, trained_run, tmp_path, damage, words, command
):
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    damage(run)
    before = {path: path.read_bytes() for path in run.iterdir()}
    options = ("--out", tmp_path / "x.png") if command == "generate" else ("--quiet",)
    outcome = command_line(command, run, *options)
    assert outcome.status == 2 and "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err
    assert {path: path.read_bytes() for path in run.iterdir()} == before
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("generate", "nowhere", "--out", "x.png"), ("nowhere", "does not exist")),
        (("generate", "RUN", "--out", "x.jpg"), (".png or .npy", "x.jpg")),
        (("generate", "RUN", "--out", "x.png", "--temperature", "-1"), ("--temperature",)),
        (("generate", "RUN", "--out", "x.png", "-n", "0"), ("-n",)),
        (("evaluate", "RUN", "--num-samples", "0"), ("--num-samples", "1")),
        (("interpolate", "RUN", "one.png"), ("two image files", "1")),
        (("interpolate", "RUN", "--test-images", "0", "9999"), ("9999", "test image")),
        (("interpolate", "RUN", "--steps", "1"), ("`steps`", ">= 2")),
        (("reconstruct", "RUN", "no.png"), ("no.png",)),
        (("export", "RUN", "--formats", "tflight"), ("tflite",)),
        (("export", "generate", "no.tflite", "--out", "x.png"), ("no.tflite",)),
        (("trian", "digits"), ("trian",)),
    ],
)
def test_other_commands_refuse_bad_input(
    command_line, trained_run, tmp_path, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    arguments = [str(trained_run) if word == "RUN" else word for word in arguments]
    outcome = command_line(*arguments)
    assert outcome.status == 2 and "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err
    assert not list(tmp_path.iterdir())


def test_training_that_turns_nan_at_once_replaces_no_run(command_line, trained_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    before = {path: path.read_bytes() for path in run.iterdir()}
    options = ("--epochs", 3, "--network", "mlp", "--learning-rate", 1e20, "--quiet")
    outcome = command_line("train", "digits", "--out", run, "--overwrite", *options)
    assert outcome.status == 2 and len(outcome.err.strip().splitlines()) == 1
    assert "first epoch" in outcome.err and "learning rate" in outcome.err
    assert {path: path.read_bytes() for path in run.iterdir()} == before


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
    process = start("train", "digits", "--out", run, "--epochs", 100000, "--network", "mlp")
    for line in process.stdout:
        if "val_loss" in line:
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
    assert "Traceback" not in err and not list(tmp_path.iterdir())


def test_a_full_disk_is_said_and_leaves_what_was_there(trained_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    before = {path: path.read_bytes() for path in run.iterdir()}
    process = start(
        *("train", "digits", "--out", run, "--overwrite"),
        *("--epochs", 1, "--network", "mlp", "--quiet"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "no space left" in err and "Traceback" not in err
    assert {path: path.read_bytes() for path in run.iterdir()} == before
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
