"""The model card of a run and of its export says what their files say, as Markdown that renders."""

import json
import pathlib
import re
import shutil

import keras
import numpy as np
import pytest
from PIL import Image

import keras_vae as kv
from keras_vae.model_card import cell, model_card

QUICK = ("--epochs", 2, "--recipe", "textbook", "--network", "mlp", "--latent-dim", 3, "--quiet")
NAMES = ["a|b", "*c* _d_"]
MEASURES = {
    "elbo": "test ELBO",
    "nll": "importance-weighted test NLL",
    "rate": "rate, the KL",
    "distortion": "distortion, -E[log p(x given z)]",
    "mutual_information": "information of z about x",
    "marginal_kl": "KL of the aggregate posterior q(z) and the prior",
    "active_units": "active latent units",
    "effective_samples": "draws that the importance weights are worth",
}


def tables(text):
    """Return the tables of a card, lists of rows of cells, by the heading above.

    A second table below a heading has the name of its first column.
    """
    found, title, name = {}, None, None
    for line in text.splitlines():
        if line.startswith("#"):
            title = line.lstrip("# ")
        if not line.startswith("|"):
            name = None
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if name is None:
            name = cells[0] if title in found else title
        found.setdefault(name, []).append(cells)
    for title, (head, rule, *rows) in found.items():
        assert set(rule) == {"---"}, title
        assert {len(row) for row in rows} == {len(head)} == {len(rule)}, title
        found[title] = rows
    return found


def settings(text, title):
    return dict(tables(text)[title])


def blocks(text, language="python"):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.M | re.S)


def links(text):
    return re.findall(r"\]\((?!http)([^)]+)\)", text)


@pytest.fixture(scope="module")
def labelled(command_line, tmp_path_factory):
    """A run of images of two classes whose names mean something in Markdown."""
    folder, rng = tmp_path_factory.mktemp("card"), np.random.default_rng(0)
    for place, name in enumerate(NAMES):
        (folder / "images" / name).mkdir(parents=True)
        for index in range(30):
            pixels = rng.integers(128, size=(8, 8), dtype=np.uint8) + 120 * place
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / name / f"{index}.png")
    outcome = command_line(
        "train", folder / "images", "--out", folder / "run", "--conditional", *QUICK
    )
    assert outcome.status == 0, outcome.err
    return folder / "run"


@pytest.fixture(scope="module")
def table(command_line, tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("card"), np.random.default_rng(0)
    rows = [f"{rng.normal():.3f},{'uv'[i % 2]}|,{i % 2}" for i in range(80)]
    (folder / "t.csv").write_text("\n".join(["wi|dth,kind,class", *rows]))
    options = ("--label-column", "class", "--epochs", 2, "--quiet")
    outcome = command_line("train", folder / "t.csv", "--out", folder / "run", *options)
    assert outcome.status == 0, outcome.err
    return folder / "run"


def test_each_number_of_the_card_is_that_of_the_metrics(trained_run):
    text = (trained_run / "README.md").read_text()
    metrics = json.loads((trained_run / "metrics.json").read_text())
    shown = {words: (value, unit) for words, value, unit in tables(text)["Numbers"]}
    # Further ones may have been measured since.
    assert set(MEASURES.values()) <= set(shown)
    for key, words in MEASURES.items():
        value, _ = shown[words]
        number, *error = value.split(" ± ")
        assert float(number) == pytest.approx(metrics[key], abs=0.00501), key
        known = [metrics[name] for name in (f"{key}_standard_error",) if name in metrics]
        assert [float(one) for one in error] == pytest.approx(known, abs=0.00501)
    assert shown["active latent units"][1] == f"of {metrics['latent_dim']}"
    assert f"Over {metrics['n']} test images with {metrics['num_samples']} draws" in text
    assert metrics["note"] in text


def test_the_card_says_the_data_the_networks_and_the_training(trained_run):
    text = (trained_run / "README.md").read_text()
    config = json.loads((trained_run / "config.json").read_text())
    data, vae = kv.data.load("digits"), keras.models.load_model(trained_run / "model.keras")
    known = settings(text, "Data")
    assert known["source"] == "digits" and known["examples"] == "images of 8x8x1"
    parts = [int(known[f"{part} images"]) for part in ("train", "validation", "test")]
    assert parts == [data.num_train, data.num_validation, data.num_test]
    (crc,) = (value for key, value in known.items() if key.startswith("CRC-32"))
    assert int(crc, 16) == data.checksum
    counts = {row[0]: int(row[-1].replace(",", "")) for row in tables(text)["Architecture"]}
    for part in ("encoder", "decoder"):
        assert counts[part] == getattr(vae, part).count_params()
    # The scale of the likelihood is learnt.
    assert counts["likelihood"] == 1
    total = 1 + vae.encoder.count_params() + vae.decoder.count_params()
    assert f"All parts have {total:,} parameters" in text
    (encoder,) = (row for row in tables(text)["Architecture"] if row[0] == "encoder")
    dense = [layer for layer in vae.encoder.layers if isinstance(layer, keras.layers.Dense)]
    assert encoder[2] == f"{len(dense)} Dense"
    training = settings(text, "Training")
    assert float(training["seconds, with validation"]) == config["training"]["seconds"] > 0
    assert int(training["epochs_done"]) == 2 and training["seed"] == str(config["seed"])
    assert f"- keras {keras.__version__}" in text


def test_the_code_and_the_command_of_the_card_run_where_it_stands(
    trained_run, command_line, monkeypatch, tmp_path
):
    text = (trained_run / "README.md").read_text()
    monkeypatch.chdir(trained_run)
    found = {}
    (code,) = blocks(text)
    exec(code, found)
    vae = keras.models.load_model("model.keras")
    np.testing.assert_array_equal(found["images"], vae.generate(16, seed=7))
    (command,) = re.findall(r"`keras-vae (generate .*?) --out", text)
    outcome = command_line(*command.split(), "--out", tmp_path / "more.png")
    assert outcome.status == 0 and (tmp_path / "more.png").exists()
    assert set(links(text)) == {"samples.png", "reconstructions.png", "history.png"}
    assert all((trained_run / link).exists() for link in links(text))


def test_the_head_is_what_model_hubs_read(trained_run, labelled):
    tags = "tags:\n- keras\n- tensorflow\n- variational-autoencoder\n"
    head = f"---\nlibrary_name: keras_vae\n{{}}{tags}---\n\n# "
    kind = "pipeline_tag: unconditional-image-generation\n"
    assert (trained_run / "README.md").read_text().startswith(head.format(kind))
    assert (labelled / "README.md").read_text().startswith(head.format(""))


def test_names_of_classes_stand_for_themselves(labelled, monkeypatch):
    text = (labelled / "README.md").read_text()
    assert settings(text, "Data")["classes"] == ", ".join(map(cell, sorted(NAMES)))
    assert r"a\|b" in text and r"\*c\* \_d\_" in text
    assert "log p(x|label)" in text and "a row for each class" in text
    monkeypatch.chdir(labelled)
    found = {}
    exec(blocks(text)[0], found)
    vae = keras.models.load_model("model.keras")
    np.testing.assert_array_equal(found["images"], vae.generate(16, seed=7, label=0))


def test_the_card_of_a_table_speaks_of_its_rows(table, monkeypatch):
    text = (table / "README.md").read_text()
    known = settings(text, "Data")
    assert known["columns"] == r"wi\|dth, kind" and known["examples"] == "rows of 2 columns"
    assert known["train rows"] and "Pixels" not in text and "images" not in text
    assert links(text) == ["history.png"]
    monkeypatch.chdir(table)
    found = {}
    exec(blocks(text)[0], found)
    assert np.asarray(found["rows"]).shape == (16, 2)
    assert "more.csv" in text


@pytest.mark.slow
def test_a_model_of_few_labels_says_how_well_it_tells_them(command_line, tmp_path):
    options = ("--labelled", 40, "--epochs", 2, "--network", "mlp", "--latent-dim", 3, "--quiet")
    outcome = command_line("train", "digits", "--out", tmp_path / "run", *options)
    assert outcome.status == 0, outcome.err
    text = (tmp_path / "run/README.md").read_text()
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    shown = {words: value for words, value, _ in tables(text)["Numbers"]}
    assert float(shown["accuracy of the classifier q(y given x)"]) == pytest.approx(
        metrics["accuracy"], abs=0.00501
    )
    vae = keras.models.load_model(tmp_path / "run/model.keras")
    counts = {row[0]: int(row[-1].replace(",", "")) for row in tables(text)["Architecture"]}
    assert counts["classifier"] == vae.classifier.count_params()
    assert "to tell their class" in text


def test_a_run_that_was_interrupted_or_is_older_has_a_card_of_what_is_known(trained_run):
    config = json.loads((trained_run / "config.json").read_text())
    config["training"] |= {"interrupted": True, "seconds": None}
    text = model_card("run", config, {}, ["history.png"])
    assert "Training was interrupted" in text and "None: the model was not evaluated" in text
    assert links(text) == ["history.png"] and "seconds, with" not in text
    tables(text)
    old = {key: config[key] for key in ("data", "model", "training")}
    text = model_card("run", old, json.loads((trained_run / "metrics.json").read_text()))
    assert "The settings tell of it" in text and "pipeline_tag" not in text
    assert settings(text, "Data") == {"source": "digits"}


def check_export(run, files):
    """Check the card of an export against its report, and run all its code."""
    text = (run / "export/README.md").read_text()
    report = json.loads((run / "export/report.json").read_text())["files"]
    shown = tables(text)
    shown = shown.get("file") or shown["Exported files"]
    rows = {row[0].partition("]")[0][1:]: row for row in shown}
    assert set(rows) == set(files) == {entry["path"] for entry in report}
    for entry in report:
        _, _, size, endpoints, worst, *_ = rows[entry["path"]]
        number, unit = size.split()
        scale = {"B": 1, "kB": 1e3, "MB": 1e6}[unit]
        assert float(number) * scale == pytest.approx(entry["size"], rel=0.05)
        assert endpoints.split(", ") == entry["endpoints"]
        assert float(worst) == pytest.approx(entry["worst_error"], rel=0.06)
    assert all((run / "export" / link).exists() for link in links(text))
    assert text.count("\n# ") == 1 and "model.keras" not in text
    for form in {entry["format"] for entry in report}:
        assert f"\n- {form}\n" in text.partition("\n---\n")[0]
    found = []
    for code in blocks(text):
        names = {}
        exec(code, names)
        found.append(np.asarray(names["image"]) if "image" in names else None)
    return text, found


@pytest.mark.slow
def test_the_card_of_an_export_names_its_files_and_how_each_is_run(
    trained_run, command_line, monkeypatch, tmp_path
):
    run = pathlib.Path(shutil.copytree(trained_run, tmp_path / "run"))
    outcome = command_line("export", run, "--formats", "saved_model,tflite,onnx")
    assert outcome.status == 0, outcome.err
    monkeypatch.chdir(run / "export")
    paths = ["saved_model/1", "tflite/model_float32.tflite", "onnx/float32"]
    text, images = check_export(run, paths)
    assert settings(text, "Data") == settings((trained_run / "README.md").read_text(), "Data")
    expected = keras.models.load_model(trained_run / "model.keras").decode(np.zeros((1, 4)))
    assert len(images) == 4
    for image in images[:3]:
        np.testing.assert_allclose(image, expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["labelled", "table"])
def test_the_cards_of_exports_with_labels_and_of_tables_run_too(
    kind, request, command_line, monkeypatch
):
    run = request.getfixturevalue(kind)
    outcome = command_line("export", run, "--formats", "saved_model,tflite,onnx")
    assert outcome.status == 0, outcome.err
    monkeypatch.chdir(run / "export")
    paths = ["saved_model/1", "tflite/model_float32.tflite", "onnx/float32"]
    text, _ = check_export(run, paths)
    assert (r"a\|b" if kind == "labelled" else r"wi\|dth") in text
