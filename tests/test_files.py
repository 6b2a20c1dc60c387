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


def test_a_folder_that_fails_half_way_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), files.scratch_folder(tmp_path / "run") as partial:
        (partial / "new").touch()
        raise KeyboardInterrupt
    assert not os.listdir(tmp_path)


def test_a_published_folder_replaces_the_old_one_whole(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    (path / "old").touch()
    with files.scratch_folder(path) as partial:
        (partial / "new").touch()
        assert os.listdir(path) == ["old"]
        files.publish(partial, path)
    assert os.listdir(path) == ["new"] and os.listdir(tmp_path) == ["run"]


def test_a_folder_that_cannot_be_published_leaves_the_old_one(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(FileNotFoundError):
        files.publish(tmp_path / "gone", path)
    assert os.listdir(path) == ["old"] and os.listdir(tmp_path) == ["run"]


def test_errors_of_the_system_name_the_final_path(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"file/a\.txt") as caught:
        files.write_text(tmp_path / "file" / "a.txt", "x")
    assert "partial" not in str(caught.value)


@pytest.mark.parametrize("name", ["file/run", "/"])
def test_a_place_where_no_folder_can_be_is_found_before_the_work(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="folder"):
        files.check_place(files.final_path(tmp_path / name))
