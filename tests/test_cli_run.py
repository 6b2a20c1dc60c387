"""The commands that train a run and act on it, on real data and real files."""

import csv
import json

import keras
import numpy as np
import pytest
from PIL import Image

import keras_vae as kv
from keras_vae import runs
from keras_vae_cli import parts

FILES = {
    "config.json",
    "model.keras",
    "history.csv",
    "metrics.json",
    "samples.png",
    "reconstructions.png",
    "history.png",
    "README.md",
}

QUICK = ("--epochs", 1, "--recipe", "textbook", "--network", "mlp", "--quiet")


def levels(image):
    """Return a grey image as the levels that a picture shows, before rounding."""
    return np.clip(np.asarray(image)[..., 0], 0, 1) * 255


def test_train_writes_all_files_of_a_run_and_no_others(trained_run):
    assert {path.name for path in trained_run.iterdir()} >= FILES
    assert not list(trained_run.parent.glob(".partial*"))


def test_last_lines_of_train_give_path_size_elbo_and_the_next_command(command_line, tmp_path):
    path = tmp_path / "run"
    outcome = command_line("train", "digits", "--out", path, *QUICK)
    wrote, following = outcome.out.strip().splitlines()[-2:]
    elbo = json.loads((path / "metrics.json").read_text())["elbo"]
    assert wrote.startswith(f"Wrote {path}") and "B, " in wrote
    assert f"test ELBO {elbo:.2f} nats" in wrote
    assert following == f"Next: keras-vae evaluate {path}"


def test_history_has_a_row_for_each_epoch(trained_run):
    with open(trained_run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["loss"]) < float(rows[0]["loss"])
    parts = [float(rows[1][name]) for name in ("reconstruction_loss", "kl_loss")]
    assert sum(parts) == pytest.approx(float(rows[1]["loss"]), rel=1e-5)


@pytest.mark.slow
def test_same_seed_gives_the_same_history_and_another_seed_another(command_line, tmp_path):
    def history(name, seed):
        path = tmp_path / name
        options = (*QUICK, "--seed", seed)
        assert command_line("train", "digits", "--out", path, *options).status == 0
        return runs.load(path).history

    first = history("a", 3)
    assert history("b", 3) == first
    assert history("c", 4)["loss"] != first["loss"]


def test_evaluate_writes_what_the_package_computes(command_line, trained_run):
    outcome = command_line("evaluate", trained_run, "--num-samples", 7, "--seed", 5, "--quiet")
    assert outcome.status == 0, outcome.err
    metrics = json.loads((trained_run / "metrics.json").read_text())
    vae = keras.models.load_model(trained_run / "model.keras")
    test = np.concatenate(list(kv.data.load("digits").test))
    assert (metrics["n"], metrics["num_samples"], metrics["seed"]) == (len(test), 7, 5)
    nll = -vae.log_prob(test, num_samples=7, seed=5)
    assert metrics["nll"] == pytest.approx(nll.mean(), rel=1e-6)
    error = nll.std(ddof=1) / np.sqrt(len(nll))
    assert metrics["nll_standard_error"] == pytest.approx(error, rel=1e-6)
    assert "differential nats" in metrics["note"] and "bits_per_dim" not in metrics
    assert f"{metrics['nll']:.2f}" in (trained_run / "README.md").read_text()


def test_grey_pixels_under_a_bernoulli_are_said_to_be_no_likelihood(command_line, tmp_path):
    run = tmp_path / "run"
    options = (*QUICK, "--likelihood", "bernoulli")
    assert command_line("train", "digits", "--out", run, *options).status == 0
    outcome = command_line("evaluate", run, "--num-samples", 2, "--quiet")
    assert "Note: The pixels are grey" in outcome.out
    assert "The pixels are grey" in (run / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "name", "scale"),
    [
        (("--binarize", "threshold"), "Bernoulli", None),
        (("--likelihood", "gaussian", "--scale", "per_element"), "Gaussian", "per_element"),
    ],
)
def test_the_likelihood_follows_the_pixels_or_the_option(
    command_line, tmp_path, options, name, scale
):
    run = tmp_path / "run"
    fixed = (*QUICK, "--latent-dim", 2)
    outcome = command_line("train", "digits", "--out", run, *fixed, *options)
    assert outcome.status == 0, outcome.err
    likelihood = runs.load(run).vae.likelihood
    assert type(likelihood).__name__ == name and getattr(likelihood, "scale", None) == scale
    assert runs.load(run).config["model"]["likelihood"] == name.lower()


def test_grey_pixels_get_a_gaussian_and_a_scale_may_be_a_number(trained_run):
    assert runs.load(trained_run).vae.likelihood.scale == "learned"
    options = {"likelihood": "auto", "scale": "0.5", "num_components": 1}
    assert parts.likelihood(options).scale == 0.5


def test_generate_writes_arrays_that_equal_the_models(command_line, trained_run, tmp_path):
    path = tmp_path / "samples.npy"
    outcome = command_line("generate", trained_run, "-n", 5, "--seed", 9, "--out", path)
    assert outcome.status == 0, outcome.err
    expected = runs.load(trained_run).vae.generate(5, seed=9)
    np.testing.assert_array_equal(np.load(path), np.asarray(expected))


def test_generate_writes_a_grid_of_the_images(command_line, trained_run, tmp_path):
    path = tmp_path / "grid.png"
    assert command_line("generate", trained_run, "-n", 4, "--seed", 9, "--out", path).status == 0
    grid = np.asarray(Image.open(path))
    images = np.asarray(runs.load(trained_run).vae.generate(4, seed=9))
    zoom = (grid.shape[0] - 6) // 2 // 8
    first = grid[2 : 2 + 8 * zoom : zoom, 2 : 2 + 8 * zoom : zoom]
    np.testing.assert_allclose(first, levels(images[0]), atol=0.51)


def test_reconstruct_puts_each_image_above_its_reconstruction(command_line, trained_run, tmp_path):
    pixels = (np.random.default_rng(0).random((8, 8)) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    out = tmp_path / "pairs.png"
    outcome = command_line("reconstruct", trained_run, tmp_path / "image.png", "--out", out)
    assert outcome.status == 0, outcome.err
    grid = np.asarray(Image.open(out))
    cell = (grid.shape[0] - 6) // 2
    zoom = cell // 8
    above = grid[2 : 2 + cell : zoom, 2 : 2 + cell : zoom]
    below = grid[4 + cell : 4 + 2 * cell : zoom, 2 : 2 + cell : zoom]
    np.testing.assert_array_equal(above, pixels)
    expected = runs.load(trained_run).vae.reconstruct(pixels[None, ..., None] / np.float32(255))
    np.testing.assert_allclose(below, levels(expected[0]), atol=0.51)


def test_interpolation_begins_and_ends_at_the_reconstructions(command_line, trained_run, tmp_path):
    run = runs.load(trained_run)
    images = run.test_images((3, 5))
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for image, file in zip(images, files, strict=True):
        Image.fromarray(np.rint(levels(image)).astype(np.uint8)).save(file)
    ends = [levels(image) for image in run.vae.reconstruct(images)]
    for source, tolerance in ((("--test-images", 3, 5), 0.51), (files, 2.0)):
        out = tmp_path / "morph.png"
        outcome = command_line("interpolate", trained_run, *source, "--steps", 4, "--out", out)
        assert outcome.status == 0, outcome.err
        grid = np.asarray(Image.open(out))
        cell = grid.shape[0] - 4
        for place, end in ((0, ends[0]), (3, ends[1])):
            left = 2 + place * (cell + 2)
            shown = grid[2 : 2 + cell : cell // 8, left : left + cell : cell // 8]
            np.testing.assert_allclose(shown, end, atol=tolerance)


def test_info_shows_settings_numbers_and_files(command_line, trained_run):
    outcome = command_line("info", trained_run)
    assert outcome.status == 0
    for word in ("digits", "latent_dim", "4", "elbo", "model.keras", "tensorflow"):
        assert word in outcome.out


def test_config_reproduces_data_and_model(trained_run):
    run = runs.load(trained_run)
    assert run.config["model"]["network"] == "mlp"
    assert run.config["training"]["epochs"] == 2
    assert run.config["versions"]["keras"] == keras.__version__
    assert run.load_data().num_test == run.metrics["n"]


@pytest.mark.slow
def test_a_folder_source_is_found_again_from_another_place(command_line, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    (tmp_path / "faces").mkdir()
    for index in range(40):
        pixels = (rng.random((8, 8)) * 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "faces" / f"{index}.png")
    monkeypatch.chdir(tmp_path)
    outcome = command_line("train", "faces", "--out", "run", *QUICK)
    assert outcome.status == 0, outcome.err
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    outcome = command_line("evaluate", "../run", "--num-samples", 2, "--quiet")
    assert outcome.status == 0, outcome.err
