"""Embed, score and detect over inputs of every kind, in Python and by the command line."""

import shutil

import numpy as np
import pyarrow.csv
import pytest
from PIL import Image
from scipy import stats
from sklearn.datasets import load_digits

import keras_vae as kv
from keras_vae import runs, uses
from keras_vae.results import read_column

TABLE = ("--epochs", 15, "--id-column", "name", "--label-column", "class", "--quiet")


@pytest.fixture(scope="module")
def run(trained_run):
    return runs.load(trained_run)


@pytest.fixture(scope="module")
def table_run(command_line, tmp_path_factory):
    """A run of a table of 900 rows, and the folder that it is in."""
    folder = tmp_path_factory.mktemp("table")
    write_table(folder / "table.csv", 900)
    outcome = command_line("train", folder / "table.csv", "--out", folder / "run", *TABLE)
    assert outcome.status == 0, outcome.err
    return folder / "run"


def write_table(path, count, seed=0, odd=()):
    """Write rows whose numbers go together; the odd ones do not."""
    rng = np.random.default_rng(seed)
    a = rng.normal(50, 10, count)
    b = 2 * a + rng.normal(size=count)
    kinds = np.where(a > 50, "high", "low").astype(object)
    a[::10] = np.nan
    for row in odd:
        b[row] += 40
    lines = [
        f"r{i},{'' if np.isnan(a[i]) else a[i]},{b[i]},{kinds[i]},{'yes' if i % 2 else 'no'}"
        for i in range(count)
    ]
    path.write_text("\n".join(["name,a,b,kind,class", *lines]) + "\n")


def test_an_embedding_has_the_z_the_labels_and_the_ids_of_the_test_images(run, tmp_path):
    written = uses.embed(run, "test", tmp_path / "z.npz")
    data = run.load_data(labels=True)
    x, labels = map(np.concatenate, zip(*data.test.as_numpy_iterator(), strict=True))
    with np.load(tmp_path / "z.npz") as found:
        np.testing.assert_allclose(found["z"], np.asarray(run.vae.embed(x)), atol=1e-5)
        np.testing.assert_array_equal(found["label"], labels)
        images = load_digits().images[found["id"]] / 16
    np.testing.assert_allclose(images, x[..., 0], atol=1e-6)
    assert written.count == 180


def test_a_folder_of_images_is_named_by_its_files(run, tmp_path):
    digits = load_digits()
    for index in range(12):
        folder = tmp_path / "in" / f"class {digits.target[index]}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.rint(digits.images[index] / 16 * 255).astype("uint8")
        Image.fromarray(pixels).save(folder / f"{index}.png")
    uses.embed(run, tmp_path / "in", tmp_path / "z.parquet")
    ids = read_column(tmp_path / "z.parquet", "id")
    labels = read_column(tmp_path / "z.parquet", "label")
    assert all(f"/{label}/" in name for name, label in zip(ids, labels, strict=True))
    order = [int(name.rpartition("/")[2].removesuffix(".png")) for name in ids]
    x = (digits.images[order] / 16).astype("float32")[..., None]
    expected = np.asarray(run.vae.embed(x))
    for unit in range(4):
        found = read_column(tmp_path / "z.parquet", f"z_{unit}")
        np.testing.assert_allclose(found, expected[:, unit], atol=0.05)
    uses.embed(run, tmp_path / "in" / "class 0" / "0.png", tmp_path / "one.npz")
    assert read_column(tmp_path / "one.npz", "id").shape == (1,)


def test_scores_are_the_log_probabilities_with_their_errors(run, tmp_path):
    uses.score(run, "test", tmp_path / "s.csv", num_samples=50, seed=3)
    x = np.concatenate(list(run.load_data().test))
    seeds = kv.random.row_seeds(3, len(x))
    expected = run.vae.log_prob(x, 50, seeds)
    found = read_column(tmp_path / "s.csv", "log_prob")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
    # The error is that of repeated estimates.
    again = [run.vae.log_prob(x[:20], 50, seed=seed) for seed in range(40)]
    errors = read_column(tmp_path / "s.csv", "standard_error")[:20]
    assert 0.5 < np.median(errors / np.std(again, axis=0)) < 1.5
    share = read_column(tmp_path / "s.csv", "share_less_likely")
    assert stats.spearmanr(share, found).statistic > 0.99 and 0.2 < share.mean() < 0.8
    # A density has no bits.
    assert "bits_per_dim" not in (tmp_path / "s.csv").read_text().splitlines()[0]


@pytest.mark.slow
def test_normal_images_are_let_pass_and_odd_ones_are_not(command_line, tmp_path):
    networks = ("--recipe", "textbook", "--network", "mlp", "--quiet")
    command_line("train", "digits", "--out", tmp_path / "run", "--epochs", 25, *networks)
    run = runs.load(tmp_path / "run")
    written = uses.detect(run, "test", tmp_path / "d.csv", false_alarm_rate=0.1)
    assert stats.binomtest(written.facts["anomalies"], 180, 0.1).pvalue > 1e-3
    noise = np.random.default_rng(0).random((50, 8, 8)).astype("float32")
    written = uses.detect(run, noise, tmp_path / "noise.csv", false_alarm_rate=0.1)
    assert written.facts["anomalies"] >= 40
    flagged = read_column(tmp_path / "noise.csv", "p_value") <= 0.1
    assert flagged.sum() == written.facts["anomalies"]
    with Image.open(tmp_path / "noise_maps.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert (pixels[..., 0] - pixels[..., 2] > 100).any()


def test_arrays_are_told_apart_by_what_they_hold(run, tmp_path):
    x = np.zeros((2, 30, 8, 8), "float32")
    x[:, :, 3, 3] = np.array([0.0, 1.0])[:, None]
    for images in x:
        uses.embed(run, images, tmp_path / f"out{images.max():.0f}")
    with pytest.raises(ValueError, match="must be those of the same command"):
        uses.embed(run, x[0], tmp_path / "out1")


@pytest.mark.slow
def test_columns_do_not_depend_on_the_rows(make_vae, images, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_vae.shards._MOST_ROWS", 20)
    vae = make_vae()
    mixed = images.copy()
    mixed[25:] = 0.5

    class Binary(runs.Run):
        checksum = 0

        def load_data(self, **_):
            return kv.data.load(images[..., 0])

    run = Binary(tmp_path, {"data": {}})
    run.__dict__["vae"] = vae
    uses.score(run, mixed[..., 0], tmp_path / "s.csv", num_samples=5)
    bits = read_column(tmp_path / "s.csv", "bits_per_dim")
    assert np.isfinite(bits[:25]).all() and np.isnan(bits[25:]).all()


def test_the_detector_is_kept_and_made_anew_where_it_is_damaged(run, tmp_path):
    found = uses.detecting.detector(run, "typicality")
    (path,) = (run.path / uses.detecting.DETECTORS).glob("typicality-*.npz")
    before = path.stat().st_mtime_ns
    assert uses.detecting.detector(run, "typicality").threshold_ == found.threshold_
    assert path.stat().st_mtime_ns == before
    path.write_bytes(path.read_bytes()[:200])
    assert uses.detecting.detector(run, "typicality").threshold_ == pytest.approx(
        found.threshold_, rel=1e-5
    )


def test_a_table_is_worked_through_by_every_verb(table_run, command_line, tmp_path):
    write_table(tmp_path / "new.csv", 400, seed=1, odd=range(200, 400))
    lines = (tmp_path / "new.csv").read_text().splitlines()
    lines[2] = lines[2].replace("low", "middle").replace("high", "middle")
    lines.append("nothing,,,,no")
    (tmp_path / "new.csv").write_text("\n".join(lines) + "\n")
    outcome = command_line(
        *("detect", table_run, tmp_path / "new.csv", "--out", tmp_path / "d.csv"),
        *("--false-alarm-rate", 0.05, "--quiet"),
    )
    assert outcome.status == 0, outcome.err
    assert "1 values are categories never seen" in outcome.out and "1 rows have no" in outcome.out
    table = pyarrow.csv.read_csv(tmp_path / "d.csv")
    anomalies = table["is_anomaly"].to_numpy()
    assert anomalies[2:200].mean() < 0.15 < 0.8 < anomalies[200:400].mean()
    assert table["id"][0].as_py() == "r0" and table["label"][1].as_py() == "yes"
    assert table["score"][400].as_py() is None and not anomalies[400]
    worst = table["abnormal_column"].to_pylist()
    assert worst[1] == "kind" and worst[400] in ("", None)
    assert np.mean([name in ("a", "b") for name in worst[200:400]]) > 0.9
    for verb in ("score", "embed", "reconstruct"):
        out = tmp_path / f"{verb}.parquet"
        outcome = command_line(verb, table_run, tmp_path / "new.csv", "--out", out, "--quiet")
        assert outcome.status == 0, outcome.err
        assert len(read_column(out, "id")) == 401
    # What is missing is filled in by what is there.
    b, filled = (read_column(tmp_path / "reconstruct.parquet", name) for name in "ba")
    assert abs(np.corrcoef(b[:200], filled[:200])[0, 1]) > 0.9


def test_rows_are_generated_in_the_words_of_the_table(table_run, command_line, tmp_path):
    out = tmp_path / "rows.csv"
    outcome = command_line("generate", table_run, "-n", 50, "--out", out, "--quiet")
    assert outcome.status == 0, outcome.err
    table = pyarrow.csv.read_csv(out)
    assert set(table["kind"].to_pylist()) == {"high", "low"}
    expected = np.asarray(runs.load(table_run).vae.generate(50, seed=0))
    np.testing.assert_allclose(table["a"].to_numpy(), expected[:, 0], rtol=1e-5)
    outcome = command_line("traverse", table_run, "--out", tmp_path / "a.png")
    assert outcome.status == 2 and "a model of a table" in outcome.err


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("traverse", ("--axes", 3, "--steps", 4, "--test-image", 2)),
        ("manifold", ("--size", 4)),
        ("scatter", ("--method", "pca")),
        ("attribute", ("--to", 4, "--from", 9, "--images", 2)),
        ("interpolate", ("--path", "spherical", "--steps", 5)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("suffix", [".png", ".gif", ".npy"])
def test_z_is_explored_as_picture_moving_picture_and_array(
    verb, options, suffix, trained_run, command_line, tmp_path
):
    out = tmp_path / f"out{suffix}"
    outcome = command_line(verb, trained_run, *options, "--out", out)
    assert outcome.status == 0, outcome.err
    if suffix == ".npy":
        array = np.load(out)
        shapes = {
            "traverse": (3, 4),
            "manifold": (4, 4),
            "attribute": (2, 9),
            "interpolate": (1, 5),
        }
        assert array.shape == (*shapes[verb], 8, 8, 1) if verb in shapes else (180, 2)
    else:
        with Image.open(out) as picture:
            frames = getattr(picture, "n_frames", 1)
            assert (frames > 3) == (suffix == ".gif") and min(picture.size) > 50


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ("wide.npy", (), "must hold images of shape (8, 8, 1)"),
        ("grey.npy", ("--value-range", 0, 100), "Declare the range of the raw pixels"),
        ("grey.npy", (), "Declare the range of the raw pixels"),
        ("table.csv", (), "A model of images takes images"),
        ("nowhere.png", (), "nowhere.png"),
        ("test", ("--false-alarm-rate", 0.001), "needs at least 999 calibration examples"),
        ("test", ("--criterion", "combine"), "Did you mean 'combined'"),
        ("test", ("--out", "a.txt"), "--out must end in"),
        ("digits", ("--part", "validation"), "must be one that digits has (train)"),
        ("validation", ("--false-alarm-rate", 2), "is not in the range"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    source, options, words, trained_run, command_line, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    np.save("wide.npy", np.zeros((4, 9, 9), "uint8"))
    np.save("grey.npy", np.full((4, 8, 8), 200.0))
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    outcome = command_line("detect", trained_run, source, "--out", "d.csv", *options)
    assert outcome.status == 2 and words in outcome.err, outcome.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grey.npy", "table.csv", "wide.npy"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name,a,b\nx,1,2\n", "without 'kind'"),
        ("name,a,b,kind\nx,1,two,low\n", "Column 'b' of new.csv must hold numbers, as in training"),
        ("name,a,b,kind\n", "Received: none"),
        ("name,a,b,kind\nx,,,\ny,,,\n", "2 rows without any"),
        ("name,a,b,kind\nx,1\n", "Expected 4 columns, got 2"),
        ("a,b,kind\n1,2,low\n", "`id_column` must name a column of new.csv"),
    ],
    ids=["column", "type", "empty", "missing", "ragged", "id"],
)
def test_tables_that_do_not_fit_are_refused(
    content, words, table_run, command_line, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.csv").write_text(content)
    for verb in ("detect", "score", "embed"):
        outcome = command_line(verb, table_run, "new.csv", "--out", "out.csv")
        assert outcome.status == 2 and words in outcome.err, outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["new.csv"]


def test_one_row_is_enough(table_run, command_line, tmp_path):
    (tmp_path / "one.csv").write_text("name,a,b,kind\nx,50,100,low\n")
    options = ("--out", tmp_path / "d.csv", "--false-alarm-rate", 0.05, "--quiet")
    outcome = command_line("detect", table_run, tmp_path / "one.csv", *options)
    assert outcome.status == 0 and "0 of 1 are anomalies" in outcome.out, outcome.err


def test_images_of_another_size_are_resized_where_that_is_asked_for(
    trained_run, command_line, tmp_path
):
    np.save(tmp_path / "wide.npy", np.zeros((4, 16, 16, 3), "uint8"))
    options = ("--out", tmp_path / "z.npz", "--resize", "--quiet")
    outcome = command_line("embed", trained_run, tmp_path / "wide.npy", *options)
    assert outcome.status == 0, outcome.err
    run = runs.load(trained_run)
    z = read_column(tmp_path / "z.npz", "z")
    np.testing.assert_allclose(
        z[0], np.asarray(run.vae.embed(np.zeros((1, 8, 8, 1))))[0], atol=1e-5
    )


def test_an_interrupted_detection_goes_on_with_the_same_rows(run, tmp_path, monkeypatch):
    x = np.random.default_rng(0).random((50, 8, 8)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    uses.detect(run, tmp_path / "x.npy", tmp_path / "whole.csv", 0.1, num_maps=0)
    monkeypatch.setattr("keras_vae.shards._MOST_ROWS", 20)
    calls = []
    read = kv.data.examples.PartExamples.read

    def stops(self, start, stop):
        calls.append(start)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return read(self, start, stop)

    monkeypatch.setattr(kv.data.examples.PartExamples, "read", stops)
    with pytest.raises(KeyboardInterrupt):
        uses.detect(run, tmp_path / "x.npy", tmp_path / "d.csv", 0.1, num_maps=0)
    assert not (tmp_path / "d.csv").exists()
    written = uses.detect(run, tmp_path / "x.npy", tmp_path / "d.csv", 0.1, num_maps=0)
    assert (written.done, written.kept) == (1, 2)
    for name in ("score", "p_value"):
        found, whole = (read_column(tmp_path / f"{f}.csv", name) for f in ("d", "whole"))
        np.testing.assert_allclose(found, whole, rtol=1e-4)


@pytest.mark.slow
def test_an_exported_score_decides_by_the_command_line(trained_run, command_line, tmp_path):
    path = tmp_path / "run"
    shutil.copytree(trained_run, path)
    options = ("--endpoints", "score", "--formats", "tflite", "--false-alarm-rate", 0.1)
    outcome = command_line("export", path, *options, "--criterion", "combined")
    assert outcome.status == 2 and "'negative_elbo' or 'reconstruction_error'" in outcome.err
    assert not (path / "export").exists()
    outcome = command_line("export", path, *options)
    assert outcome.status == 0, outcome.err
    from export import load

    run = runs.load(path)
    file = load(path / "export" / "tflite" / "model_float32.tflite")
    x = uses.inputs.open_examples(run, "test").read(0, 180).x
    detector = uses.detecting.detector(run, "negative_elbo").set_false_alarm_rate(0.1)
    assert np.mean((file.score(x).is_anomaly == 1) == (detector.predict(x) == -1)) > 0.99


@pytest.mark.slow
def test_an_input_larger_than_memory_is_read_in_bounded_memory(trained_run, run_python, tmp_path):
    # A file of 4 GB without content, which takes no place on the disk.
    count = 64_000_000
    array = np.lib.format.open_memmap(
        tmp_path / "x.npy", mode="w+", dtype="uint8", shape=(count, 8, 8)
    )
    del array
    code = (
        "import sys\n"
        "from keras_vae import runs, uses\n"
        "examples = uses.inputs.open_examples(runs.load(sys.argv[1]), sys.argv[2])\n"
        "assert len(examples) == int(sys.argv[3])\n"
        "for start in range(0, len(examples), len(examples) // 50):\n"
        "    examples.read(start, min(start + 100_000, len(examples)))\n"
        # What getrusage gives may be the peak of the process that began this one.
        "lines = open('/proc/self/status').read().splitlines()\n"
        "print(next(int(line.split()[1]) for line in lines if 'VmHWM' in line) / 1024)\n"
    )
    megabytes = float(run_python(code, trained_run, tmp_path / "x.npy", count))
    assert megabytes < 2000
