"""What needs neither TensorFlow nor Keras: row seeds, pictures, the table of formats, imports."""

import errno
import logging
import os
import resource

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from export import formats, pictures, quiet, rows
from keras_vae import plotting, random

WORD = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((WORD, WORD), (WORD, WORD), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_its_published_vectors(key, counter, expected):
    def words(pair):
        return [np.array([word], np.uint32) for word in pair]

    result = rows.threefry2x32(words(key), words(counter))
    assert [int(word[0]) for word in result] == list(expected)


@given(st.integers(-(2**63), 2**64 - 1), st.integers(1, 40))
def test_row_seeds_are_those_of_keras_vae(seed, n):
    result = rows.as_row_seeds(seed, n)
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, random.row_seeds(seed, n))


def test_row_seeds_given_as_an_array_are_taken_as_they_are():
    np.testing.assert_array_equal(rows.as_row_seeds([7, -8, 2**31 - 1]), [7, -8, 2**31 - 1])
    np.testing.assert_array_equal(rows.as_row_seeds(np.array([5], np.uint8), 1), [5])


def test_without_a_seed_the_rows_are_new_each_time():
    assert len(rows.as_row_seeds()) == 1
    assert rows.as_row_seeds(n=3).tolist() != rows.as_row_seeds(n=3).tolist()


@pytest.mark.parametrize(
    ("seed", "n", "words"),
    [
        (7, 0, "`n` must be an integer >= 1"),
        (7, 2.0, "`n` must be an integer >= 1"),
        (7, True, "`n` must be an integer >= 1"),
        (True, 1, "`seed` must be an integer"),
        ("7", 1, "`seed` must be an integer"),
        ([], None, "one int32 for each row"),
        ([1, 2], 3, "3 int32, one for each row"),
        ([1.5], None, "one int32 for each row"),
        ([2**31], None, "one int32 for each row"),
        ([[1]], None, "one int32 for each row"),
    ],
)
def test_a_wrong_seed_is_refused(seed, n, words):
    with pytest.raises(ValueError, match=words):
        rows.as_row_seeds(seed, n)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_holds_each_image_enlarged_at_its_place(tmp_path, channels):
    levels = np.random.default_rng(0).integers(0, 256, (5, 28, 14, channels))
    pictures.save(levels / 255, tmp_path / "new" / "grid.png")
    grid = np.asarray(Image.open(tmp_path / "new" / "grid.png")).reshape(118, 92, -1)
    np.testing.assert_array_equal(grid[2:58:2, 2:30:2], levels[0])
    np.testing.assert_array_equal(grid[61:117:2, 33:61:2], levels[4])
    assert np.all(grid[:2] == 255) and np.all(grid[58:60] == 255) and np.all(grid[:, 60:62] == 255)


def test_a_picture_is_that_of_keras_vae(tmp_path):
    images = np.random.default_rng(0).normal(0.5, 1, (7, 8, 8, 1))
    pictures.save_grid(images, tmp_path / "grid.png", columns=3)
    expected = plotting.image_grid(images, columns=3)[..., 0]
    np.testing.assert_array_equal(Image.open(tmp_path / "grid.png"), expected)


def test_an_array_is_saved_as_it_is(tmp_path):
    images = np.random.default_rng(0).random((3, 2, 2, 1), np.float32)
    pictures.save(images, tmp_path / "images.npy")
    saved = np.load(tmp_path / "images.npy")
    assert saved.dtype == np.float32
    np.testing.assert_array_equal(saved, images)
    assert [path.name for path in tmp_path.iterdir()] == ["images.npy"]


@pytest.mark.parametrize(
    ("shape", "value", "name", "words"),
    [
        ((2, 3), 0, "grid.png", r"images of shape \(B, H, W, 1\).*Received: shape \(2, 3\)"),
        ((2, 3, 3, 2), 0, "grid.png", "Write a .npy file"),
        ((0, 3, 3, 1), 0, "grid.png", "images of shape"),
        ((2, 3, 3, 1), np.nan, "grid.png", "finite"),
        ((2, 3, 3, 1), 0, "grid.gif", r"\.png or \.npy.*grid\.gif"),
    ],
)
def test_what_makes_no_picture_is_refused(tmp_path, shape, value, name, words):
    with pytest.raises(ValueError, match=words):
        pictures.save(np.full(shape, value, "float32"), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["grid.png", "images.npy"])
def test_a_full_disk_leaves_the_earlier_picture(tmp_path, name):
    (tmp_path / name).write_bytes(b"earlier")
    noise = np.random.default_rng(0).random((1, 300, 300, 3))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError) as caught:
            pictures.save(noise, tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (caught.value.errno, caught.value.filename) == (errno.EFBIG, str(tmp_path / name))
    assert (tmp_path / name).read_bytes() == b"earlier"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_targets_come_once_and_in_their_order():
    def chosen(*arguments):
        return [(row.name, precision) for row, precision in formats.targets(*arguments)]

    assert chosen(["tflite", "saved_model", "tflite"]) == [
        ("tflite", "float32"),
        ("saved_model", "float32"),
    ]
    # A format without the precision is written once, in float32.
    assert chosen(["onnx", "tflite"], ["int8", "float32"]) == [
        ("onnx", "float32"),
        ("tflite", "int8"),
        ("tflite", "float32"),
    ]


def test_uint8_images_are_drawn_as_they_are(tmp_path):
    images = np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3)
    pictures.save_grid(images, tmp_path / "grid.png")
    pixels = np.asarray(Image.open(tmp_path / "grid.png"))
    assert set(images[0, :, :, 0].ravel()) | {255} == set(pixels[..., 0].ravel())


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["tflight"], "'saved_model', 'tflite', 'onnx'.*'tflight'.*Did you mean 'tflite'"),
        (["tflite", "coreml"], "'coreml'"),
        ("savedmodel", "Did you mean 'saved_model'"),
        ([], "at least one"),
        ([3], "Received: 3"),
    ],
)
def test_an_unknown_format_is_refused_with_the_close_names(names, words):
    with pytest.raises(ValueError, match=words):
        formats.targets(names)


def test_chatter_is_held_back_and_all_else_let_through(capfd):
    with quiet.native_stderr():
        os.write(2, b"I0000 00:00:1.2   3 loader.cc:1] Reading\n")
        os.write(2, b"INFO: Created a delegate.\nE0000 00:00:1.2  3 a.cc:1] Broken\n")
    os.write(2, b"I0000 afterwards\n")
    assert capfd.readouterr().err == "E0000 00:00:1.2  3 a.cc:1] Broken\nI0000 afterwards\n"


def test_what_comes_with_an_exception_goes_to_the_log(capfd, caplog):
    caplog.set_level(logging.DEBUG, "export.quiet")
    with pytest.raises(RuntimeError), quiet.native_stderr():
        os.write(2, b"E0000 00:00:1.2  3 a.cc:1] Broken\n")
        raise RuntimeError
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"
    assert "a.cc:1] Broken" in caplog.text


def test_importing_brings_nothing_heavy(run_python):
    printed = run_python(
        "import sys, export\n"
        "before = set(sys.modules)\n"
        "assert 'numpy' not in before, 'import export'\n"
        "from export import formats, load, pictures, rows, runtimes\n"
        "assert load is runtimes.load\n"
        "heavy = 'tensorflow', 'keras', 'keras_vae', 'PIL', 'ai_edge_litert'\n"
        "print([name for name in heavy if name in sys.modules])\n"
        "try:\n"
        "    export.nothing\n"
        "except AttributeError as error:\n"
        "    print(error)\n"
        "print(sorted(set(dir(export)) & {'export', 'load'}))\n"
    )
    assert printed.splitlines() == [
        "[]",
        "module 'export' has no attribute 'nothing'",
        "['export', 'load']",
    ]
