"""A run that was trained with labels: what the label does in each command, and what is refused."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression

from keras_vae import data, runs, uses
from keras_vae.data.examples import PartExamples

pytestmark = pytest.mark.slow

NAMES = ["cat", "dog", "emu"]


@pytest.fixture(scope="module")
def digits_of_three():
    """Images of the digits 0, 1 and 2, and labels."""
    loaded = data.load("digits", labels=True)
    part = PartExamples([loaded.parts["train"]], has_labels=True)
    x, _, y = part.read(0, len(part))
    return x[y < 3], y[y < 3]


@pytest.fixture(scope="module")
def folder(digits_of_three, tmp_path_factory):
    """A folder of images with a subfolder for each class."""
    path = tmp_path_factory.mktemp("images")
    for index, (image, label) in enumerate(zip(*digits_of_three, strict=True)):
        (path / NAMES[label]).mkdir(exist_ok=True)
        pixels = np.rint(image[..., 0] * 255).astype("uint8")
        Image.fromarray(pixels).save(path / NAMES[label] / f"{index:04}.png")
    return path


@pytest.fixture(scope="module")
def run(command_line, folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("conditional") / "run"
    options = ("--conditional", "--network", "mlp", "--latent-dim", 4, "--recipe", "textbook")
    options += ("--epochs", 30, "--learning-rate", 3e-3, "--scale", "optimal", "--quiet")
    outcome = command_line("train", folder, "--out", path, *options)
    assert outcome.status == 0, outcome.err
    return path


@pytest.fixture(scope="module")
def reader(digits_of_three):
    x, y = digits_of_three
    return LogisticRegression(max_iter=2000).fit(x.reshape(len(x), -1), y)


def read(reader, x):
    return reader.predict(np.asarray(x, "float32").reshape(len(x), -1) / np.max(x))


def test_the_run_knows_its_classes_and_says_that_its_numbers_are_given_the_label(run):
    opened = runs.load(run)
    assert opened.config["model"]["classes"] == NAMES
    assert opened.config["model"]["label_drop"] == 0.1
    assert "log p(x|label)" in opened.metrics["note"]
    assert "log p(x|label)" in (run / "README.md").read_text()
    with Image.open(run / "samples.png") as picture:
        # A row for each class.
        assert picture.width > 3 * picture.height


def test_the_label_is_generated_that_was_asked_for_by_name_or_number(
    command_line, run, tmp_path, reader
):
    for label, place in (("dog", 1), ("2", 2)):
        out = tmp_path / f"{label}.npy"
        assert command_line("generate", run, "--label", label, "-n", 60, "--out", out).status == 0
        assert np.mean(read(reader, np.load(out)) == place) > 0.9
    outcome = command_line("generate", run, "--label", "all", "-n", 7, "--out", tmp_path / "a.npy")
    assert outcome.status == 0, outcome.err
    vae, images = runs.load(run).vae, np.load(tmp_path / "a.npy")
    for place in range(3):
        expected = vae.generate(7, seed=0, label=place)
        np.testing.assert_allclose(images[7 * place : 7 * place + 7], expected, atol=1e-6)


def test_shards_of_several_labels_are_completed(command_line, run, tmp_path):
    words = ("generate", run, "--label", "cat", "--label", "emu", "-n", 5, "--out", tmp_path / "s")
    assert command_line(*words).status == 0
    outcome = command_line(*words)
    assert outcome.status == 0 and "were there" in outcome.out
    (shard,) = (tmp_path / "s").glob("*.npz")
    found = np.load(shard)
    assert found["labels"].tolist() == [0] * 5 + [2] * 5
    np.testing.assert_array_equal(found["seeds"][:5], found["seeds"][5:])
    other = command_line(*words[:2], "--label", "cat", "-n", 10, "--out", tmp_path / "s")
    assert other.status == 2


def test_images_get_another_label_and_keep_their_names(command_line, run, folder, tmp_path, reader):
    out = tmp_path / "emus"
    outcome = command_line("restyle", run, folder, out, "--to", "emu")
    assert outcome.status == 0, outcome.err
    names = sorted(path.relative_to(folder) for path in folder.rglob("*.png"))
    assert sorted(path.relative_to(out) for path in out.rglob("*.png")) == names
    x = np.stack([np.asarray(Image.open(out / name)) for name in names])
    assert np.mean(read(reader, x) == 2) > 0.9
    # Images without a label may be given one.
    dogs = sorted((folder / "dog").glob("*.png"))
    x = np.stack([np.asarray(Image.open(path)) for path in dogs])[..., None]
    np.save(tmp_path / "dogs.npy", x)
    arguments = (run, tmp_path / "dogs.npy", tmp_path / "out.npy", "--to", "0", "--label", "dog")
    assert command_line("restyle", *arguments).status == 0
    vae = runs.load(run).vae
    expected = np.rint(255 * np.clip(vae.restyle(x / np.float32(255), 1, 0), 0, 1))
    assert np.abs(np.load(tmp_path / "out.npy") - expected).max() <= 1


def test_other_verbs_take_a_label_and_run_without_one(command_line, run, folder, tmp_path):
    def scored(*options):
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}.csv"
        words = ("score", run, folder / "dog", "--num-samples", 20, "--out", out, "--quiet")
        outcome = command_line(*words, *options)
        assert outcome.status == 0, outcome.err
        return np.genfromtxt(out, delimiter=",", names=True)["log_prob"]

    dog, emu, none = scored("--label", "dog"), scored("--label", "emu"), scored()
    assert dog.mean() > none.mean() > emu.mean()
    opened = runs.load(run)
    x = opened.read_images(sorted(map(str, (folder / "dog").glob("*.png"))))
    np.testing.assert_allclose(dog, opened.vae.log_prob(x, 20, seed=0, label=1), atol=0.01)
    np.testing.assert_allclose(none, opened.vae.log_prob(x, 20, seed=0), atol=0.01)
    for verb, out, *more in (("embed", "z.npz"), ("detect", "d.csv", "--false-alarm-rate", 0.1)):
        words = (run, "test", "--out", tmp_path / out, "--label", "cat", *more)
        outcome = command_line(verb, *words)
        assert outcome.status == 0, outcome.err
    assert uses.at(opened, "cat").checksum != uses.at(opened).checksum == opened.checksum
    assert command_line("inpaint", run, "test", tmp_path / "i", "--mask", "top").status == 0
    assert command_line("traverse", run, "--out", tmp_path / "t.png").status == 0
    assert command_line("diagnose", run).status == 0
    assert command_line("evaluate", run, "--num-samples", 5, "--quiet").status == 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert "log p(x|label)" in metrics["note"]


def test_noise_and_labels_go_together(command_line, folder, tmp_path):
    words = ("--conditional", "--noise", "gaussian", "--epochs", 1, "--network", "conv", "--quiet")
    path = tmp_path / "run"
    outcome = command_line("train", folder, "--out", path, *words, "--latent-dim", 3)
    assert outcome.status == 0, outcome.err
    assert command_line("denoise", path, "test", tmp_path / "x", "--label", "dog").status == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("generate", "RUN", "--label", "cow", "--out", "x.png"),
            "('cat', 'dog', 'emu'). Received: 'cow'",
        ),
        (("generate", "RUN", "--label", "3", "--out", "x.png"), "Received: '3'"),
        (("restyle", "RUN", "test", "x.npy", "--to", "cow"), "Received: 'cow'"),
        (("restyle", "RUN", "test", "x.npy", "--to", "cat", "--label", "a"), "Received: 'a'"),
        (("restyle", "RUN", "test", "x.npy"), "--to"),
        (("generate", "RUN", "--label", "all", "--label", "3", "--out", "x.png"), "'all'"),
        (("score", "RUN", "test", "--out", "x.csv", "--label", "cow"), "Received: 'cow'"),
        (("evaluate", "RUN", "--annealed", 2), "for models without labels"),
    ],
)
def test_a_label_that_was_not_trained_is_refused(command_line, run, tmp_path, words, message):
    places = {"RUN": run}
    words = [tmp_path / word if "x." in str(word) else places.get(word, word) for word in words]
    outcome = command_line(*words)
    assert outcome.status == 2
    assert message in outcome.err, outcome.err
    assert not list(tmp_path.iterdir())


def test_a_label_where_none_were_trained_is_refused(command_line, trained_run, tmp_path):
    for words in (
        ("generate", trained_run, "--label", "3", "--out", tmp_path / "x.png"),
        ("restyle", trained_run, "test", tmp_path / "x.npy", "--to", "3"),
        ("score", trained_run, "test", "--out", tmp_path / "x.csv", "--label", "3"),
    ):
        outcome = command_line(*words)
        assert outcome.status == 2
        assert "trained with labels" in outcome.err and "--conditional" in outcome.err
    assert not list(tmp_path.iterdir())


def test_training_with_labels_needs_them(command_line, tmp_path, digits_of_three):
    np.save(tmp_path / "x.npy", digits_of_three[0])
    (tmp_path / "t.csv").write_text("a,b\n" + "1.5,2.5\n" * 50)
    before = sorted(tmp_path.iterdir())
    for source, options, message in (
        (tmp_path / "x.npy", ("--conditional",), "needs a source with labels"),
        (tmp_path / "t.csv", ("--conditional",), "--conditional is for images"),
        ("digits", ("--conditional", "--label-drop", "1.5"), "`label_drop` must be"),
        ("digits", ("--label-drop", "0.5"), "Leave it out, or choose --conditional."),
    ):
        outcome = command_line("train", source, "--out", tmp_path / "run", *options)
        assert outcome.status == 2
        assert message in outcome.err, outcome.err
    assert sorted(tmp_path.iterdir()) == before


def test_an_exported_file_knows_the_names_of_its_classes(command_line, run, tmp_path):
    outcome = command_line("export", run, "--formats", "tflite", "--out", tmp_path / "exported")
    assert outcome.status == 0, outcome.err
    file = tmp_path / "exported" / "tflite" / "model_float32.tflite"
    for label, places in (("emu", [2, 2]), ("2", [2, 2]), ("cat,emu", [0, 2])):
        out = tmp_path / "x.npy"
        words = ("export", "generate", file, "-n", 2, "--seed", 3, "--label", label, "--out", out)
        assert command_line(*words).status == 0
        expected = runs.load(run).vae.generate(2, seed=3, label=places)
        np.testing.assert_allclose(np.load(out), expected, atol=1e-5)
    outcome = command_line(*words[:-4], "--label", "cow", "--out", tmp_path / "y.npy")
    assert outcome.status == 2 and "(cat, dog, emu). Received: 'cow'" in outcome.err


def test_numbers_that_are_names_mean_the_class_of_that_name(
    command_line, digits_of_three, tmp_path, reader
):
    # In the order of texts "10" is the first one.
    for image, label in zip(*digits_of_three, strict=True):
        folder = tmp_path / "images" / ["2", "30", "10"][label]
        folder.mkdir(exist_ok=True, parents=True)
        pixels = np.rint(image[..., 0] * 255).astype("uint8")
        Image.fromarray(pixels).save(folder / f"{len(list(folder.iterdir()))}.png")
    options = ("--conditional", "--network", "mlp", "--latent-dim", 4, "--recipe", "textbook")
    options += ("--epochs", 30, "--learning-rate", 3e-3, "--scale", "optimal", "--quiet")
    run = tmp_path / "run"
    assert command_line("train", tmp_path / "images", "--out", run, *options).status == 0
    assert command_line("export", run, "--formats", "tflite", "--out", tmp_path / "e").status == 0
    file = tmp_path / "e" / "tflite" / "model_float32.tflite"
    for verb, source in (("generate",), run), (("export", "generate"), file):
        out = tmp_path / "x.npy"
        assert command_line(*verb, source, "--label", "2", "-n", 40, "--out", out).status == 0
        assert np.mean(read(reader, np.load(out)) == 0) > 0.9
    # Labels of an array are places, whatever the names.
    x, y = digits_of_three
    np.savez(tmp_path / "some.npz", x=x[:60], y=[[1, 2, 0][label] for label in y[:60]])
    out = tmp_path / "y.npy"
    assert command_line("restyle", run, tmp_path / "some.npz", out, "--to", "30").status == 0
    vae = runs.load(run).vae
    expected = vae.restyle(x[:60], np.array([1, 2, 0])[y[:60]], 2)
    assert np.abs(np.load(out) - 255 * np.clip(expected, 0, 1)).max() <= 1


def test_one_class_is_none_to_choose_from(command_line, digits_of_three, tmp_path):
    x, y = digits_of_three
    np.savez(tmp_path / "one.npz", x=x[y == 0], y=y[y == 0])
    words = ("train", tmp_path / "one.npz", "--conditional", "--out", tmp_path / "run")
    outcome = command_line(*words)
    assert outcome.status == 2 and "at least 2 classes" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["one.npz"]


def test_a_run_that_always_saw_labels_needs_one(command_line, tmp_path):
    run = tmp_path / "run"
    words = ("--label-drop", 0, "--epochs", 1, "--network", "mlp", "--latent-dim", 3, "--quiet")
    words += ("--binarize", "threshold", "--prior", "standard_normal")
    outcome = command_line("train", "digits", "--conditional", "--out", run, *words)
    assert outcome.status == 0, outcome.err
    for verb, *more in (("generate",), ("embed", "test"), ("compress", "test")):
        out = [tmp_path / "x.kvz"] if verb == "compress" else ["--out", tmp_path / "x.npz"]
        out = ["--out", tmp_path / "x.png"] if verb == "generate" else out
        outcome = command_line(verb, run, *more, *out)
        assert outcome.status == 2 and "A label is needed" in outcome.err
    assert command_line("evaluate", run, "--num-samples", 3, "--quiet").status == 0
    for words in (("interpolate",), ("traverse", "--steps", 2), ("manifold", "--size", 2)):
        outcome = command_line(*words, run, "--label", 3, "--out", tmp_path / "around.png")
        assert outcome.status == 0, outcome.err
    file = tmp_path / "x.kvz"
    outcome = command_line("compress", run, "test", file, "--binarize", "--label", 3)
    assert "--label 3" in outcome.out.splitlines()[-1], outcome.err
    outcome = command_line("decompress", run, file, tmp_path / "y.npy", "--label", 4)
    assert outcome.status == 2 and "(--label)" in outcome.err
    assert command_line("decompress", run, file, tmp_path / "y.npy", "--label", 3).status == 0
    exported = tmp_path / "exported"
    outcome = command_line("export", run, "--formats", "tflite,onnx", "--out", exported)
    assert outcome.status == 0, outcome.err
    words = ("export", "generate", exported / "tflite" / "model_float32.tflite")
    outcome = command_line(*words, "--out", tmp_path / "z.png")
    assert outcome.status == 2 and "no label" in outcome.err
    assert command_line(*words, "--label", 3, "-n", 2, "--out", tmp_path / "z.png").status == 0
