"""report.json, README.md, `keras-vae export check`, and what is kept of earlier exports."""

import hashlib
import json
import pathlib
import re
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from export import check, export, load, trees


@pytest.fixture(scope="module")
def exported(trained_vae, images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    about = {"name": "patterns", "data_set": "two patterns", "labels": ["a", "b"]}
    export(
        trained_vae,
        folder,
        ("saved_model", "tflite", "onnx"),
        ("float32", "int8"),
        data=images,
        about=about,
        card="# A run\n\nIts numbers.",
    )
    return folder


@pytest.fixture
def copy(exported, tmp_path):
    return pathlib.Path(shutil.copytree(exported, tmp_path / "copy"))


def results_of(folder):
    return {str(one.path.relative_to(folder)): one for one in check.check(folder)}


PATHS = {
    "onnx/float32",
    "saved_model/1",
    "tflite/model_float32.tflite",
    "tflite/model_int8.tflite",
}


def test_the_report_says_what_is_there(exported):
    report = json.loads((exported / "report.json").read_text())
    assert {entry["path"] for entry in report["files"]} == PATHS
    for entry in report["files"]:
        path = exported / entry["path"]
        files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
        assert entry["size"] == sum(file.stat().st_size for file in files)
        assert 0 <= entry["worst_error"] <= max(entry["gate"]["image"], entry["gate"]["other"])
        assert entry["errors"]["decode"]["image"]["psnr_mean"] >= entry["gate"]["psnr"]
        assert entry["latency_ms"]["decode"] > 0
        assert (exported / "golden" / entry["golden"]).exists()
    (tflite,) = (entry for entry in report["files"] if entry["path"].endswith("float32.tflite"))
    content = (exported / tflite["path"]).read_bytes()
    assert tflite["sha256"] == hashlib.sha256(content).hexdigest()
    assert all(entry["model"]["labels"] == ["a", "b"] for entry in report["files"])


def test_the_readme_is_the_card_with_what_the_export_adds(exported):
    text = (exported / "README.md").read_text()
    assert text.startswith("# A run\n\nIts numbers.\n\n## Samples of an exported file\n\n")
    for path in PATHS:
        assert f"[{path}]({path})" in text


def test_the_readme_shows_what_a_file_draws(exported):
    text = (exported / "README.md").read_text()
    path = re.search(r"!\[Samples\]\(samples.png\)\n\n16 images that `(\S+)` draws", text)[1]
    images = load(exported / path).generate(16, seed=0).image
    picture = np.asarray(Image.open(exported / "samples.png"), int)
    for place, image in enumerate(images):
        # Pixels of 14 x 14, in cells of 56 with 2 between them.
        row, column = (2 + 58 * at for at in divmod(place, 4))
        cell = picture[row : row + 56 : 14, column : column + 56 : 14]
        assert np.abs(cell - 255 * image[..., 0]).max() <= 1
    assert picture.shape == (4 * 58 + 2, 4 * 58 + 2)


def test_a_tflite_file_says_what_it_is_to_any_zip_reader(exported, trained_vae):
    path = exported / "tflite/model_int8.tflite"
    with zipfile.ZipFile(path) as archive:
        about = json.loads(archive.read("keras_vae.json"))
    assert about["precision"] == "int8" and about["latent_dim"] == 2
    assert about["image_shape"] == [4, 4, 1]
    assert about["image_range"] == about["output_range"] == [0, 1]
    assert set(about["signatures"]) == {"decode", "encode", "reconstruct", "generate"}
    shapes = {"z": {"shape": [1, 2], "dtype": "float32"}}
    assert about["signatures"]["decode"]["inputs"] == shapes
    assert about["likelihood"] == {"class": "Bernoulli"}
    assert about["prior"] == {"class": "StandardNormal"}
    assert about["data_set"] == "two patterns"
    assert about["endpoints"] == ["decode", "encode", "reconstruct", "generate"]
    assert "keras" in about["versions"]
    weights = hashlib.sha256()
    for part in ("encoder", "decoder"):
        for weight in getattr(trained_vae, part).get_weights():
            weights.update(f"{part} {weight.dtype} {weight.shape}\n".encode())
            weights.update(np.ascontiguousarray(weight).tobytes())
    assert about["weights_sha256"] == weights.hexdigest()


def test_all_files_say_the_same_of_the_model(exported):
    found = [load(exported / path).metadata for path in sorted(PATHS)]
    own = ("precision", "endpoints", "content_sha256", "allow_flex", "signatures")
    shared = [{k: v for k, v in about.items() if k not in own} for about in found]
    assert shared[1:] == shared[:-1]


def test_every_file_passes_the_check(exported):
    for result in results_of(exported).values():
        assert result.failures == () and result.worst_error < 0.3


def test_a_check_imports_no_tensorflow(copy, run_python):
    shutil.rmtree(copy / "saved_model")
    printed = run_python(
        "import sys\n"
        "from export import check\n"
        "for one in check.check(sys.argv[1]):\n"
        "    print(one.path.name, one.failures)\n"
        "print([name for name in ('tensorflow', 'keras', 'keras_vae') if name in sys.modules])\n",
        copy,
    )
    lines = printed.splitlines()
    assert lines[-1] == "[]"
    assert "1 ('the file is missing',)" in lines and "model_int8.tflite ()" in lines


def test_a_changed_file_fails_the_check(copy):
    path = copy / "tflite/model_float32.tflite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    results = results_of(copy)
    assert "its hash differs" in results["tflite/model_float32.tflite"].failures[0]
    assert results["tflite/model_int8.tflite"].failures == ()
    with pytest.raises(ValueError, match="its content has changed since it was written"):
        load(path)


@pytest.mark.slow
def test_another_model_fails_the_check(copy, make_vae, tmp_path):
    export(make_vae(network_seed=9), tmp_path / "other", "tflite")
    other = tmp_path / "other/tflite/model_float32.tflite"
    path = copy / "tflite/model_float32.tflite"
    shutil.copy(other, path)
    report = json.loads((copy / "report.json").read_text())
    for entry in report["files"]:
        if entry["path"] == "tflite/model_float32.tflite":
            entry["sha256"] = trees.tree_sha256(path)
    (copy / "report.json").write_text(json.dumps(report))
    failures = results_of(copy)["tflite/model_float32.tflite"].failures
    assert failures[0].startswith("`image` of `decode` differs from the Keras model by")


@pytest.mark.parametrize("damage", ["missing", "empty", "no json", "other version"])
def test_a_folder_without_a_readable_report_is_refused(copy, damage):
    path = copy / "report.json"
    if damage == "missing":
        path.unlink()
    elif damage == "other version":
        report = json.loads(path.read_text())
        path.write_text(json.dumps({**report, "format_version": 9}))
    else:
        path.write_text("" if damage == "empty" else "[1, 2]")
    with pytest.raises(ValueError, match=r"copy must be a folder that keras-vae exported"):
        check.check(copy)


def test_damaged_golden_vectors_are_said(copy):
    (golden,) = (copy / "golden").iterdir()
    golden.write_bytes(golden.read_bytes()[:100])
    for result in results_of(copy).values():
        assert "must hold the golden vectors of an export" in result.failures[0]


@pytest.mark.slow
def test_a_later_export_of_another_model_stands_beside_the_earlier_ones(copy, make_vae):
    export(make_vae(network_seed=4), copy, ("saved_model", "tflite"))
    report = json.loads((copy / "report.json").read_text())
    paths = {entry["path"]: entry["golden"] for entry in report["files"]}
    assert set(paths) == PATHS | {"saved_model/2"}
    assert paths["saved_model/1"] != paths["saved_model/2"]
    assert paths["saved_model/1"] == paths["tflite/model_int8.tflite"]
    assert all(result.failures == () for result in results_of(copy).values())
    assert {path.name for path in (copy / "golden").iterdir()} == set(paths.values())


@pytest.mark.slow
def test_an_export_can_go_unchecked(trained_vae, tmp_path):
    (result,) = export(trained_vae, tmp_path, "tflite", check=False)
    assert result.worst_error is None
    assert "not compared" in (tmp_path / "README.md").read_text()
    # What was not compared then can be compared now.
    (checked,) = check.check(tmp_path)
    assert checked.failures == () and checked.worst_error < 1e-5


def test_unknown_keys_about_a_model_are_refused(trained_vae, tmp_path):
    with pytest.raises(ValueError, match="Received: colour"):
        export(trained_vae, tmp_path / "x", "tflite", about={"colour": "red"})
