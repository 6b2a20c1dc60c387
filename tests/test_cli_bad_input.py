"""What the command line says and leaves behind when something is wrong."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_vae import runs, trainings

QUICK = ("--epochs", 1, "--recipe", "textbook", "--network", "mlp", "--quiet")


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
        (tiny, ("--network", "conv"), ("4 pixels", "(2, 2, 1)", "image_size", "mlp")),
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
    lines = outcome.err.strip().splitlines()
    assert lines[0].startswith("Error: ") and len(lines) <= 2
    assert lines[1:] in ([], ["Try 'keras-vae train --help'."])
    for word in words:
        assert word in outcome.err
    assert set(tmp_path.rglob("*")) == before


def test_skip_bad_trains_on_the_rest(command_line, tmp_path):
    options = (*QUICK, "--skip-bad")
    outcome = command_line("train", truncated(tmp_path), "--out", tmp_path / "run", *options)
    assert outcome.status == 0, outcome.err
    assert outcome.err.startswith("Warning: 1 of 30 files")


def test_an_existing_run_needs_overwrite(command_line, trained_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    before = {path: path.read_bytes() for path in run.iterdir()}
    arguments = ("train", "digits", "--out", run, *QUICK)
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


@pytest.mark.slow
def test_a_link_to_a_run_stays_a_link(command_line, trained_run, tmp_path):
    shutil.copytree(trained_run, tmp_path / "run")
    (tmp_path / "link").symlink_to(tmp_path / "run")
    options = (*QUICK, "--overwrite")
    assert command_line("train", "digits", "--out", tmp_path / "link", *options).status == 0
    assert (tmp_path / "link").is_symlink() and len(list(tmp_path.iterdir())) == 2
    assert runs.load(tmp_path / "run").config["training"]["epochs"] == 1


def test_a_name_that_another_training_took_meanwhile_is_not_taken_from_it(trained_run, tmp_path):
    one, other = (trainings.find(tmp_path / "run", {}, set()) for _ in range(2))
    with one:
        before = (one.folder / trainings.OPTIONS).read_bytes()
        with pytest.raises(ValueError, match="not finished"), other:
            pass
        assert (one.folder / trainings.OPTIONS).read_bytes() == before


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
        (("interpolate", "RUN", "--steps", "1"), ("--steps", ">=2")),
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


@pytest.mark.skipif(not os.path.isdir("/sys/kernel"), reason="needs a place where none may write")
def test_a_place_where_none_may_write_is_said_with_what_to_do(command_line, trained_run):
    outcome = command_line("generate", trained_run, "-n", 2, "--out", "/sys/kernel/x.png")
    assert outcome.status == 1 and "Traceback" not in outcome.err
    assert "/sys/kernel" in outcome.err and "Choose another place" in outcome.err


def test_training_that_turns_nan_at_once_replaces_no_run(command_line, trained_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    before = {path: path.read_bytes() for path in run.iterdir()}
    options = (*QUICK, "--epochs", 3, "--learning-rate", 1e20)
    outcome = command_line("train", "digits", "--out", run, "--overwrite", *options)
    assert outcome.status == 2 and len(outcome.err.strip().splitlines()) == 1
    assert "first epoch" in outcome.err and "learning rate" in outcome.err
    assert {path: path.read_bytes() for path in run.iterdir()} == before
