"""Results of any number of rows: whole shards, completed and never mixed."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import keras_vae as kv
from keras_vae import runs, shards
from keras_vae.shards import Shards

ROW_BYTES = 1 << 20


def squares(start, stop):
    return {"square": np.arange(start, stop) ** 2}


def of_squares(path, **changes):
    return Shards(path, **{"source": {"power": 2}, "count": 200, "row_bytes": ROW_BYTES, **changes})


def test_shards_hold_the_rows_in_order(tmp_path):
    assert of_squares(tmp_path / "out").write(squares) == (4, 0)
    parts = list(shards.read(tmp_path / "out"))
    assert [len(part["square"]) for part in parts] == [64, 64, 64, 8]
    found = np.concatenate([part["square"] for part in parts])
    np.testing.assert_array_equal(found, np.arange(200) ** 2)


@pytest.mark.parametrize("damage", ["missing", "cut", "other"])
def test_only_what_is_not_whole_is_made_again(tmp_path, damage):
    of_squares(tmp_path / "out").write(squares)
    victim = sorted((tmp_path / "out").glob("*.npz"))[1]
    if damage == "missing":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:-40] if damage == "cut" else b"no archive")
    with pytest.raises(ValueError, match=f"{victim.name} missing or damaged"):
        list(shards.read(tmp_path / "out"))
    made = []
    again = of_squares(tmp_path / "out").write(lambda *rows: made.append(rows) or squares(*rows))
    assert again == (1, 3) and made == [(64, 128)]
    assert len(list(shards.read(tmp_path / "out"))) == 4


def test_a_byte_that_changed_is_noticed(tmp_path):
    of_squares(tmp_path / "out").write(squares)
    victim = sorted((tmp_path / "out").glob("*.npz"))[0]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    assert of_squares(tmp_path / "out").write(squares) == (1, 3)


@pytest.mark.parametrize("change", [{"source": {"power": 3}}, {"count": 201}, {"row_bytes": 1}])
def test_shards_of_something_else_are_not_mixed(tmp_path, change):
    of_squares(tmp_path / "out").write(squares)
    with pytest.raises(ValueError, match="same command and model"):
        of_squares(tmp_path / "out", **change)


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds no shards\.json"):
        of_squares(tmp_path)
    with pytest.raises(ValueError, match=r"holds no shards\.json"):
        of_squares(tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "shards.json").write_text(json.dumps({"format": "another"}))
    with pytest.raises(ValueError, match="keras_vae shards"):
        of_squares(tmp_path)


def test_a_folder_that_was_killed_as_it_began_is_taken(tmp_path):
    (tmp_path / ".partial-999999999-shards.json").write_text("{")
    assert of_squares(tmp_path).write(squares) == (4, 0)


def test_generated_shards_hold_the_images_of_the_seed(command_line, trained_run, tmp_path):
    out = tmp_path / "drawn"
    command = ("generate", trained_run, "-n", 12_000, "--seed", 3, "--out", out, "--quiet")
    outcome = command_line(*command)
    assert outcome.status == 0 and "12000 images in 2 shards" in outcome.out, outcome.err
    first, second = shards.read(out)
    expected = runs.load(trained_run).vae.generate(12_000, seed=3)
    np.testing.assert_allclose(
        np.concatenate([first["images"], second["images"]]), expected, atol=1e-6
    )
    sorted(out.glob("*.npz"))[0].unlink()
    outcome = command_line(*command)
    assert outcome.status == 0 and "1 of them were there" in outcome.out
    outcome = command_line(*command[:5], 4, *command[6:])
    assert outcome.status == 2 and "same command and model" in outcome.err


@pytest.mark.slow
def test_a_generation_that_is_killed_is_completed(trained_run, tmp_path):
    out = tmp_path / "drawn"
    command = [
        sys.executable,
        "-m",
        "keras_vae_cli",
        "generate",
        str(trained_run),
        "-n",
        "200000",
        "--out",
        str(out),
        "--quiet",
    ]
    there = {}
    for number, status in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        end, had = time.monotonic() + 120, len(there)
        while len(list(out.glob("rows-*.npz"))) < had + 2 and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(number)
        said, _ = process.communicate()
        assert process.returncode == status
        assert status < 0 or "same command goes on" in said
        there = {path: path.stat().st_mtime_ns for path in out.glob("rows-*.npz")} | there
        assert len(there) >= had + 2
    subprocess.run(command, check=True, capture_output=True)
    assert len(list(out.glob("rows-*.npz"))) == 20 and not list(out.glob(".partial*"))
    kept = [path for path, written in there.items() if path.stat().st_mtime_ns == written]
    assert len(kept) == len(there)


def test_a_folder_of_images_is_reconstructed(command_line, trained_run, tmp_path):
    vae = runs.load(trained_run).vae
    images = np.rint(np.asarray(vae.generate(30, seed=0)) * 255).astype(np.uint8)
    for index, image in enumerate(images):
        folder = tmp_path / "images" / str(index % 2)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(folder / f"{index:02d}.png")
    out = tmp_path / "out"
    outcome = command_line("reconstruct", trained_run, tmp_path / "images", "--out", out, "--quiet")
    assert outcome.status == 0 and "30 images in 1 shard" in outcome.out, outcome.err
    (shard,) = shards.read(out)
    files = kv.data.image_paths([tmp_path / "images"])
    assert list(shard["files"]) == files and files[0].endswith("0/00.png")
    expected = vae.reconstruct(kv.data.read_images(files, vae.event_shape))
    np.testing.assert_allclose(shard["images"], expected, atol=1e-6)
    Image.fromarray(255 - images[0, ..., 0]).save(files[0])
    outcome = command_line("reconstruct", trained_run, tmp_path / "images", "--out", out, "--quiet")
    assert outcome.status == 2 and "same command and model" in outcome.err


def test_what_is_too_large_for_a_file_names_the_folder(command_line, trained_run, tmp_path):
    for name, count in (("a.png", 10_001), ("a.npy", 10_000_000)):
        outcome = command_line("generate", trained_run, "-n", count, "--out", tmp_path / name)
        assert outcome.status == 2 and f"--out {tmp_path / 'a'}." in outcome.err, outcome.err
    (tmp_path / "none").mkdir()
    outcome = command_line("reconstruct", trained_run, tmp_path / "none", "--out", tmp_path / "b")
    assert outcome.status == 2 and "no image" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["none"]
