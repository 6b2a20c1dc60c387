"""Classes learnt from few labels on the command line."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from keras_vae import data, latent, runs, strategies, uses
from keras_vae.data.examples import PartExamples
from keras_vae_cli import trainer
from keras_vae_cli.train import train

NAMES = ["cat", "dog", "emu"]
QUICK = ("--quiet", "--network", "mlp", "--latent-dim", 4)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Images of three digits without labels, and a folder with a few of each class."""
    path = tmp_path_factory.mktemp("sources")
    loaded = data.load("digits", labels=True)
    part = PartExamples([loaded.parts["train"]], has_labels=True)
    x, _, y = part.read(0, len(part))
    x, y = np.rint(x[y < 3] * 255).astype("uint8"), y[y < 3]
    np.save(path / "all.npy", x[60:])
    np.savez(path / "test.npz", x=x[60:], y=y[60:])
    for index in range(60):
        folder = path / "few" / NAMES[y[index]]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x[index, ..., 0]).save(folder / f"{index:03}.png")
    return path


@pytest.fixture(scope="module")
def run(command_line, sources, tmp_path_factory):
    path = tmp_path_factory.mktemp("few") / "run"
    words = ("train", sources / "all.npy", "--labelled", sources / "few", "--out", path)
    outcome = command_line(*words, "--epochs", 30, "--batch-size", 64, *QUICK)
    assert outcome.status == 0, outcome.err
    return path


@pytest.mark.slow
def test_labels_of_another_source_name_the_classes_of_images_without(
    run, command_line, sources, tmp_path
):
    opened = runs.load(run)
    assert opened.config["model"]["classes"] == NAMES
    assert opened.config["model"]["labelled"] == str(sources / "few")
    assert opened.config["training"]["initial_beta"] == 4.0
    assert "accuracy" not in opened.metrics
    out = tmp_path / "classes.csv"
    outcome = command_line("classify", run, sources / "test.npz", "--out", out, "--quiet")
    assert outcome.status == 0, outcome.err
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    right = np.mean([row["class"] == NAMES[int(row["label"])] for row in rows])
    assert right > 0.9
    for row in rows[:20]:
        chances = [float(row[f"probability_{place}"]) for place in range(3)]
        assert sum(chances) == pytest.approx(1.0, abs=1e-5)
        assert row["class"] == NAMES[int(np.argmax(chances))]
    # The numbers of the labels are not names of these classes: nothing is compared.
    assert "that have one" not in outcome.out


@pytest.mark.slow
def test_what_needs_no_label_runs_without_one_though_the_run_s_data_have_none(
    run, command_line, tmp_path
):
    for words in (
        ("evaluate", run, "--num-samples", 2),
        ("diagnose", run),
        ("embed", run, "test", "--out", tmp_path / "z.npz"),
        ("score", run, "test", "--out", tmp_path / "s.csv", "--num-samples", 2),
        ("detect", run, "test", "--out", tmp_path / "d.csv", "--false-alarm-rate", 0.1),
        ("denoise", run, "test", tmp_path / "clean"),
        ("generate", run, "--label", "dog", "--out", tmp_path / "g.png"),
    ):
        outcome = command_line(*words)
        assert outcome.status == 0, (words, outcome.err)
    for verb in ("traverse", "manifold", "interpolate"):
        outcome = command_line(verb, run, "--out", tmp_path / "t.png")
        assert outcome.status == 2 and "A label is needed" in outcome.err


@pytest.mark.slow
def test_what_looks_around_in_z_decodes_with_the_label_that_is_given(run, command_line, tmp_path):
    for verb, *more in (
        ("manifold", "--size", 3, "--axes", 0, 1),
        ("interpolate", "--steps", 3),
        ("traverse", "--axes", 2, "--steps", 3),
    ):
        made = {}
        for label in ("cat", "dog"):
            out = tmp_path / f"{verb}-{label}.npy"
            outcome = command_line(verb, run, *more, "--label", label, "--out", out)
            assert outcome.status == 0, outcome.err
            assert f"generate {run} --label {label}" in outcome.out.splitlines()[-1]
            made[label] = np.load(out)
        assert np.abs(made["cat"] - made["dog"]).max() > 0.1
    expected = latent.manifold(runs.load(run).vae.at(1), 3, (0, 1))
    np.testing.assert_allclose(np.load(tmp_path / "manifold-dog.npy"), expected, atol=1e-5)
    outcome = command_line("traverse", run, "--label", "cow", "--out", tmp_path / "x.npy")
    assert outcome.status == 2 and "'cow'" in outcome.err
    assert not (tmp_path / "x.npy").exists()


@pytest.mark.slow
def test_a_number_takes_so_many_of_the_source_s_own_labels(command_line, tmp_path):
    path = tmp_path / "run"
    words = ("train", "digits", "--labelled", 50, "--out", path, "--epochs", 40, *QUICK)
    outcome = command_line(*words)
    assert outcome.status == 0, outcome.err
    metrics = json.loads((path / "metrics.json").read_text())
    assert metrics["accuracy"] > 0.75
    assert f"{metrics['accuracy']:.2%} of the test labels told" in outcome.out
    outcome = command_line("evaluate", path, "--num-samples", 2, "--quiet")
    assert f"{metrics['accuracy']:.2%} of the labels told" in outcome.out
    out = tmp_path / "classes.npz"
    outcome = command_line("classify", path, "test", "--out", out, "--quiet")
    assert f"The class is the label of {metrics['accuracy']:.2%}" in outcome.out
    found = np.load(out)
    opened = runs.load(path)
    images = PartExamples([opened.load_data().parts["test"]])
    expected = opened.vae.classify(images.read(0, len(images)).x)
    np.testing.assert_allclose(found["probability"], expected, atol=1e-5)
    assert np.mean(found["class"].astype(int) == found["label"]) == metrics["accuracy"]
    # Of labels that are no classes nothing is right or wrong.
    x, label = images.read(0, len(images)).x, np.where(found["label"] % 2, found["label"], 10)
    np.savez(tmp_path / "some.npz", x=np.float32(x), y=label)
    outcome = command_line("classify", path, tmp_path / "some.npz", "--out", tmp_path / "some.csv")
    odd = found["label"] % 2 == 1
    right = np.mean(found["class"].astype(int)[odd] == found["label"][odd])
    assert f"The class is the label of {right:.2%}" in outcome.out
    words = ("attribute", path, "--from", 3, "--to", 8, "--out", tmp_path / "attribute.npy")
    outcome = command_line(*words)
    assert outcome.status == 2 and "A label is needed" in outcome.err
    assert command_line(*words, "--label", 8).status == 0


def prepared(*words):
    """Return the session of a training that has not begun."""
    options = train.make_context("train", [str(word) for word in words]).params
    source, out = options.pop("source"), options.pop("out")
    for name in ("checkpoint_minutes", "checkpoint_steps", "strategy", "tensorboard", "quiet"):
        del options[name]
    overwrite, resume = options.pop("overwrite"), options.pop("resume")
    team = trainer.Team(strategies.get("one"), quiet=True)
    training = trainer.find(team, source, out, options, set(), overwrite, resume)
    return trainer.prepare(team, training)


def test_options_reach_the_batches_and_the_objective(sources, tmp_path):
    words = ("digits", "--out", tmp_path / "run", "--batch-size", 100, "--seed", 5)
    session = prepared(*words, "--labelled", 20, "--initial-beta", 3)
    digits = data.load("digits", labels=True)
    np.testing.assert_array_equal(
        session._train.labelled[0], data.few_labels(digits, 20, seed=5).labelled[0]
    )
    assert [int((y >= 0).numpy().sum()) for _, y in session._train.take(2)] == [25, 25]
    assert session.vae.objective.scheduled["beta"].initial == 3.0
    session = prepared(*words, "--labelled", sources / "few", "--image-size", 4)
    assert session._train.labelled[0].shape == (60, 4, 4, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("digits", "--labelled", "25"), "multiple of the number of classes, 10"),
        (("digits", "--labelled", "0"), "`labelled` must be an integer >= 2"),
        (("digits", "--labelled", "5"), "`labelled` must be an integer >= 10"),
        (("digits", "--labelled", "5000"), "Ask for fewer labels"),
        (("digits", "--labelled", ""), "`labelled` must be an integer >= 2, or a source"),
        (("digits", "--labelled", "-5"), "`labelled` must be an integer >= 2, or a source"),
        (("digits", "--labelled", "nowhere"), "--labelled nowhere: `source` must be"),
        (("all.npy", "--labelled", "30"), "needs a source with labels"),
        (("digits", "--labelled", "all.npy"), "needs a source with labels"),
        (("digits", "--labelled", "from_one.npz"), "Received: none of 0. Number the classes"),
        (("digits", "--labelled", "wide.npz"), "of the shape of the other examples, (8, 8, 1)"),
        (("digits", "--labelled", "one.npz"), "at least 2 classes"),
        (("digits", "--labelled", "100", "--conditional"), "`conditional` must be False"),
        (("digits", "--labelled", "100", "--objective", "iwae"), "`objective` must be elbo"),
        (("digits", "--labelled", "100", "--finish-epochs", "2"), "`finish_epochs` must be 0"),
        (("digits", "--labelled", "100", "--prior", "vamp"), "`prior` must be standard_normal"),
        (("digits", "--labelled", "100", "--scale", "optimal"), "learned by gradients"),
        (("t.csv", "--labelled", "100"), "--labelled is for images"),
        (("digits", "--initial-beta", "1", "--objective", "iwae"), "`initial_beta` is an option"),
    ],
)
def test_what_cannot_be_learnt_is_refused_and_nothing_is_written(
    words, said, command_line, sources, tmp_path
):
    y = np.arange(20) % 2
    np.savez(tmp_path / "wide.npz", x=np.zeros((20, 9, 9), "uint8"), y=y)
    np.savez(tmp_path / "one.npz", x=np.full((20, 8, 8), y[:, None, None] * 9), y=y * 0)
    np.savez(tmp_path / "from_one.npz", x=np.zeros((20, 8, 8), "uint8"), y=1 + y)
    (tmp_path / "all.npy").write_bytes((sources / "all.npy").read_bytes())
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 30)
    words = [tmp_path / word if (tmp_path / word).is_file() else word for word in words]
    outcome = command_line("train", *words, "--out", tmp_path / "run", "--quiet")
    assert outcome.status == 2 and said in outcome.err, outcome.err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_without_a_classifier_is_told_how_to_get_one(command_line, trained_run, tmp_path):
    outcome = command_line("classify", trained_run, "test", "--out", tmp_path / "c.csv")
    assert outcome.status == 2 and "--labelled 100" in outcome.err
    with pytest.raises(ValueError, match="tells classes apart"):
        uses.classify(runs.load(trained_run), "test", tmp_path / "c.csv")
    assert not list(tmp_path.iterdir())
