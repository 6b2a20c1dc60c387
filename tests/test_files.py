"""Writing whole or not at all."""

import os

import pytest

from keras_vae import files


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), files.replacing_file(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_a_file_gets_its_name_only_at_the_end(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    with files.replacing_file(path) as partial:
        partial.write_text("new")
        assert not path.exists() and partial.suffix == ".txt"
    assert path.read_text() == "new" and os.listdir(path.parent) == ["a.txt"]


def test_a_folder_that_fails_half_way_leaves_the_old_one(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(KeyboardInterrupt), files.replacing_folder(path) as partial:
        (partial / "new").touch()
        raise KeyboardInterrupt
    assert os.listdir(path) == ["old"] and os.listdir(tmp_path) == ["run"]


def test_a_folder_replaces_the_old_one_whole(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    (path / "old").touch()
    with files.replacing_folder(path) as partial:
        (partial / "new").touch()
        assert os.listdir(path) == ["old"]
    assert os.listdir(path) == ["new"] and os.listdir(tmp_path) == ["run"]
