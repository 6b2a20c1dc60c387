"""Files of results: joined from shards, completed after an interruption, whole or not there."""

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from keras_vae import results, shards

COUNT = 25_000


def rows(start, stop):
    place = np.arange(start, stop)
    names = np.array([f"row {i}" for i in place])
    values = np.where(place % 7 == 0, np.nan, place / 4)
    return {
        "id": names,
        "value": values,
        "z": np.stack([place, -place], axis=1),
        "odd": place % 2 == 1,
    }


def read(path):
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    table = (pyarrow.csv.read_csv if path.suffix == ".csv" else pyarrow.parquet.read_table)(path)
    found = {name: table[name].to_numpy() for name in table.column_names}
    found["z"] = np.stack([found.pop("z_0"), found.pop("z_1")], axis=1)
    return found


@pytest.mark.parametrize("suffix", results.SUFFIXES)
def test_each_kind_of_file_holds_all_rows_in_their_order(suffix, tmp_path):
    path = tmp_path / f"out{suffix}"
    done, kept = results.Results(path, {"a": 1}, COUNT, 1).write(rows)
    assert (done, kept) == (3, 0) and [p.name for p in tmp_path.iterdir()] == [path.name]
    found, expected = read(path), rows(0, COUNT)
    assert sorted(found) == sorted(expected)
    assert found["id"].tolist() == expected["id"].tolist()
    for name in ("value", "z", "odd"):
        np.testing.assert_array_equal(
            found[name].astype("float64"), expected[name].astype("float64")
        )
    np.testing.assert_array_equal(results.read_column(path, "odd").astype(bool), expected["odd"])


def test_an_interrupted_file_is_not_there_and_is_gone_on_with(tmp_path):
    path, made = tmp_path / "out.csv", []

    def make(start, stop):
        made.append(start)
        if start == 20_000 and len(made) < 4:
            raise KeyboardInterrupt
        return rows(start, stop)

    with pytest.raises(KeyboardInterrupt):
        results.Results(path, {"a": 1}, COUNT, 1).write(make)
    assert not path.exists() and (tmp_path / "out.csv.shards").is_dir()
    with pytest.raises(ValueError, match="must be those of the same command"):
        results.Results(path, {"a": 2}, COUNT, 1)
    assert results.Results(path, {"a": 1}, COUNT, 1).write(make) == (1, 2)
    assert made == [0, 10_000, 20_000, 20_000] and len(read_ids(path)) == COUNT
    assert not (tmp_path / "out.csv.shards").exists()


def read_ids(path):
    return results.read_column(path, "id")


@pytest.mark.parametrize("suffix", results.SUFFIXES)
def test_shards_of_other_columns_are_no_file(suffix, tmp_path):
    def make(start, stop):
        more = {"more": np.zeros(stop - start)} if start else {}
        return {"id": np.arange(start, stop), **(more if suffix != ".npz" else {})}

    def fewer(start, stop):
        return {"id": np.arange(start, stop)} | ({} if start else {"more": np.zeros(stop)})

    path = tmp_path / f"out{suffix}"
    results.Results(path, {}, COUNT, 1).write(make)
    with pytest.raises(KeyError):
        results.Results(tmp_path / f"other{suffix}", {}, COUNT, 1).write(fewer)
    assert not (tmp_path / f"other{suffix}").exists()


def test_an_older_file_stays_until_the_new_one_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "out.npz"
    results.Results(path, {"a": 1}, 5, 1).write(rows)
    before = path.read_bytes()

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results, "_write_npz", fails)
    with pytest.raises(OSError, match="No space left"):
        results.Results(path, {"a": 1}, 9, 1).write(rows)
    assert path.read_bytes() == before


def test_a_name_without_a_suffix_is_a_folder_of_shards(tmp_path):
    results.Results(tmp_path / "out", {"a": 1}, COUNT, 1).write(rows)
    assert [len(part["id"]) for part in shards.read(tmp_path / "out")] == [10_000, 10_000, 5_000]
    assert results.read_column(tmp_path / "out", "value")[-1] == (COUNT - 1) / 4


def test_names_that_no_file_can_have_are_refused(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").write_text("")
    for name, words in (
        ("a.txt", "must end in .csv, .parquet, .npz"),
        ("folder.csv", "a folder"),
        ("file/a.csv", "is no folder"),
    ):
        with pytest.raises(ValueError, match=words):
            results.Results(tmp_path / name, {}, 5, 1)
    with pytest.raises(ValueError, match="at least one example"):
        results.Results(tmp_path / "b.csv", {}, 0, 1)
