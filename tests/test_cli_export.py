"""`keras-vae export` and its commands: what they write, say, refuse, and exit with."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from export import load

pytestmark = pytest.mark.slow

NAMES = ("tflite/model_float32.tflite", "tflite/model_int8.tflite", "onnx/float32")


@pytest.fixture(scope="module")
def exported(command_line, trained_run, tmp_path_factory):
    """The export of a run in several formats and precisions, and what the command said."""
    run = tmp_path_factory.mktemp("runs") / "run"
    shutil.copytree(trained_run, run)
    options = ("--formats", "tflite,onnx", "--precisions", "float32,int8", "--batch-sizes", "8")
    endpoints = ("--endpoints", "decode,reconstruct,generate,score,decode_png")
    return run, command_line("export", run, *options, *endpoints)


def test_every_file_is_said_with_its_size_time_error_and_command(exported):
    run, outcome = exported
    assert outcome.status == 0 and outcome.err == ""
    lines = outcome.out.splitlines()
    for name in NAMES:
        path = run / "export" / name
        (index,) = (i for i, line in enumerate(lines) if line.startswith(f"Wrote {path} ("))
        assert "B, " in lines[index] and " s, worst error " in lines[index]
        assert (
            lines[index + 1]
            == f"  It has no decode_png: {name.split('/')[0]} has no operator that writes PNG."
        )
        assert lines[index + 2].startswith(f"  Run it: keras-vae export generate {path} --seed 7")
    assert lines[-1] == f"Next: keras-vae export check {run / 'export'}"


def test_the_run_gives_the_card_the_data_set_and_the_ranges(exported):
    run, _ = exported
    card = (run / "export/README.md").read_text()
    assert card.startswith((run / "README.md").read_text().splitlines()[0])
    file = load(run / "export/tflite/model_int8.tflite")
    assert (file.metadata["name"], file.metadata["data_set"]) == ("run", "digits")
    assert file.endpoints == ("decode", "reconstruct", "generate", "score")


@pytest.mark.parametrize(
    "name", ["tflite/model_float32.tflite", "tflite/model_int8.tflite", "onnx/float32"]
)
def test_the_command_that_it_says_runs_the_file(exported, command_line, tmp_path, name):
    run, _ = exported
    out = tmp_path / "generated.png"
    outcome = command_line("export", "generate", run / "export" / name, "--seed", 7, "--out", out)
    assert outcome.status == 0, outcome.err
    assert Image.open(out).size == Image.open(run / "samples.png").size


def test_the_check_passes_and_a_changed_file_fails_it(exported, command_line, tmp_path):
    run, _ = exported
    outcome = command_line("export", "check", run / "export")
    assert outcome.status == 0
    assert [line.split()[0] for line in outcome.out.splitlines()] == ["ok"] * 3
    folder = tmp_path / "copy"
    shutil.copytree(run / "export", folder)
    path = folder / "tflite/model_int8.tflite"
    path.write_bytes(path.read_bytes()[:-1])
    outcome = command_line("export", "check", folder)
    assert outcome.status == 1
    assert f"FAIL {path}: the file is not what was exported" in outcome.out


def test_the_benchmark_measures_every_file_beside_keras(exported, command_line):
    run, _ = exported
    outcome = command_line("export", "benchmark", run / "export", "--rounds", 2, "--images", 50)
    assert outcome.status == 0, outcome.err
    rows = {
        row["file"]: row for row in json.loads((run / "export/benchmark.json").read_text())["files"]
    }
    assert next(iter(rows)) == "Keras model.predict" and len(rows) == 4
    keras, float32 = rows["Keras model.predict"], rows["tflite/model_float32.tflite"]
    assert float32["elbo"] == pytest.approx(keras["elbo"], rel=1e-4)
    assert float32["reconstruction_psnr"] == pytest.approx(keras["reconstruction_psnr"], abs=0.01)
    for row in rows.values():
        assert 0 < row["median_ms"]["1"] <= row["p99_ms"]["1"]
        assert row["images_per_second"] > 0 and row["cold_seconds"] > 0
        # A process of TensorFlow takes hundreds of megabytes, one of LiteRT does not.
        assert row["peak_memory"] > 10e6
        assert row["file"] in outcome.out
    assert float32["peak_memory"] < 0.5 * keras["peak_memory"]
    assert Image.open(run / "export/benchmark.png").size[0] > 600


def test_a_benchmark_without_its_run_says_so(exported, command_line, tmp_path):
    run, _ = exported
    folder = tmp_path / "alone"
    shutil.copytree(run / "export", folder)
    shutil.rmtree(folder / "onnx")
    (folder / "benchmark.json").unlink(missing_ok=True)
    outcome = command_line("export", "benchmark", folder, "--rounds", 1)
    # The missing file is said, and the others are measured.
    assert outcome.status == 1 and "onnx" in outcome.err and "could not be measured" in outcome.err
    assert "is no run, so that Keras is not measured" in outcome.out
    measured = json.loads((folder / "benchmark.json").read_text())["files"]
    assert [row["file"] for row in measured if "median_ms" in row] == list(NAMES[:2])


def test_the_table_of_formats_is_shown_without_tensorflow(run_python):
    printed = run_python(
        "import sys\n"
        "sys.argv = ['keras-vae', 'export', 'formats']\n"
        "from keras_vae_cli.main import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    print(end.code or 0)\n"
        "print([n for n in ('tensorflow', 'keras', 'keras_vae') if n in sys.modules])\n"
    )
    assert printed.splitlines()[-2:] == ["0", "[]"]
    for word in ("saved_model", "tflite", "onnx", "int16x8", "score", "decode_png", "batch_sizes"):
        assert word in printed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--formats", "tflit"), "Did you mean 'tflite'"),
        (("--formats", ""), "at least one"),
        (("--precisions", "int4"), "'int4'"),
        (("--formats", "onnx", "--precisions", "int8"), "Add 'tflite' to the formats"),
        (("--endpoints", "decode,paint"), "'paint'"),
        (("--formats", "onnx", "--batch-sizes", "8"), "`batch_sizes` is an option of tflite"),
        (("--batch-sizes", "eight"), "must be integers"),
        (("--formats", "tflite", "--endpoints", "decode_png"), "must carry an endpoint"),
        (("--num-samples", "0"), "num-samples"),
    ],
)
def test_what_does_not_exist_is_refused_and_leaves_nothing(
    command_line, trained_run, tmp_path, options, words
):
    outcome = command_line("export", trained_run, "--out", tmp_path / "x", *options)
    assert outcome.status == 2 and words in outcome.err and "Traceback" not in outcome.err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("check",), "must be a folder that keras-vae exported"),
        (("benchmark",), "must be a folder that keras-vae exported"),
    ],
)
def test_a_folder_that_is_no_export_is_refused(command_line, tmp_path, command, words):
    outcome = command_line("export", *command, tmp_path)
    assert outcome.status == 2 and words in outcome.err


def test_nan_in_z_is_refused_by_every_file(exported):
    run, _ = exported
    for name in ("tflite/model_int8.tflite", "onnx/float32"):
        file = load(run / "export" / name)
        with pytest.raises(ValueError, match="1 of NaN or infinity"):
            file.decode(np.array([[np.nan, 0, 0, 0]]))


def test_a_run_whose_data_is_gone_is_exported_without(command_line, trained_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    config = json.loads((run / "config.json").read_text())
    config["data"]["source"] = str(tmp_path / "gone")
    (run / "config.json").write_text(json.dumps(config))
    outcome = command_line("export", run, "--formats", "tflite", "--precisions", "int8")
    assert outcome.status == 0, outcome.err
    assert "without the run's training images" in outcome.out
    assert "It has no encode: its ranges are calibrated on training images" in outcome.out
