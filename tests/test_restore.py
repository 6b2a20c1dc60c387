"""Restoring: noise and its removal, what is missing, and what is too small."""

import subprocess
import sys

import click.testing
import keras
import numpy as np
import pytest
from linear_gaussian import LinearGaussian
from PIL import Image

import keras_vae as kv
from keras_vae import restore
from keras_vae.uses import restoring

SHAPE = (8, 8, 1)
WEIGHTS = np.array([[1.0, 0.8, -0.6, 0.3, 0.5], [0.4, -0.5, 0.2, 0.9, -0.3]])


@pytest.fixture(scope="module")
def digits():
    """A VAE of grey digits that learnt to take noise away, and test images."""
    data = kv.data.load("digits", batch_size=64)
    likelihood = kv.likelihoods.Gaussian("optimal")
    encoder = kv.networks.mlp_encoder(data.image_shape, 8, units=(128,), seed=0)
    vae = kv.VAE(
        restore.noisy_encoder(encoder, "gaussian", 0.4, seed=3),
        kv.networks.mlp_decoder(
            data.image_shape, 8, units=(128,), output_bias=likelihood.bias(data.mean), seed=1
        ),
        likelihood=likelihood,
        seed=2,
    )
    vae.compile(keras.optimizers.Adam(3e-3))
    vae.fit(data.train, epochs=60, verbose=0)
    examples = kv.data.examples.PartExamples([data.parts["test"]])
    return vae, examples.read(0, len(examples)).x


@pytest.mark.parametrize(
    ("kind", "moments"),
    [
        ("gaussian", (0.5, 0.3)),
        ("uniform", (0.5, 0.3 / np.sqrt(3))),
        ("speckle", (0.5, 0.15)),
        # A share of 0.3 is 0 or 1 in place of 0.5, or 0.
        ("salt_and_pepper", (0.5, 0.5 * np.sqrt(0.3))),
        ("masking", (0.35, 0.5 * np.sqrt(0.3 * 0.7))),
    ],
)
def test_each_kind_of_noise_has_its_moments(kind, moments):
    x = np.full((400, *SHAPE), 0.5, "float32")
    layer = restore.Noise(kind, 0.3, seed=0)
    for noisy in (restore.corrupt(x, kind, 0.3, seed=1), np.asarray(layer(x, training=True))):
        assert (noisy.mean(), noisy.std()) == pytest.approx(moments, abs=0.01)
    np.testing.assert_array_equal(layer(x), x)
    np.testing.assert_array_equal(restore.corrupt(x, kind, 0.0, seed=1), x)


@pytest.mark.parametrize("kind", restore.KINDS)
def test_noise_is_a_function_of_seed_and_row_and_channels_share_a_pixels_fate(kind):
    x = np.random.default_rng(0).random((6, 4, 4, 3)).astype("float32") * 0.8 + 0.1
    noisy = restore.corrupt(x, kind, 0.5, seed=7)
    np.testing.assert_array_equal(noisy[:2], restore.corrupt(x[:2], kind, 0.5, seed=7))
    assert not np.array_equal(noisy, restore.corrupt(x, kind, 0.5, seed=8))
    if kind in ("salt_and_pepper", "masking"):
        changed = noisy != x
        assert (changed.all(axis=-1) | ~changed.any(axis=-1)).all()
        assert 0.2 < changed.mean() < 0.8


def test_the_likelihood_sees_the_clean_example():
    vae = kv.VAE(
        restore.noisy_encoder(kv.networks.mlp_encoder(SHAPE, 2, seed=0), "masking", 1.0),
        kv.networks.mlp_decoder(SHAPE, 2, seed=1),
        seed=0,
    )
    x = np.ones((3, *SHAPE), "float32")
    noise = np.zeros((1, 3, 2), "float32")
    # All that the encoder sees is 0, whereas what is explained is 1.
    blind = vae.terms(x, noise, training=True)
    empty = vae.encode(np.zeros_like(x))
    np.testing.assert_allclose(blind.z_mean, empty.z_mean, rtol=1e-6)
    params = vae.decoder(empty.z_mean)
    np.testing.assert_allclose(blind.log_px[0], vae.likelihood.log_prob(x, params), rtol=1e-5)


@pytest.mark.slow
def test_noise_is_taken_away_and_the_model_is_saved_with_its_noise(digits, tmp_path):
    vae, x = digits
    noisy = restore.corrupt(x, "gaussian", 0.4, seed=0)
    restored = np.asarray(vae.reconstruct(noisy))
    gain = 10 * np.log10(np.mean((noisy - x) ** 2) / np.mean((restored - x) ** 2))
    mean = 10 * np.log10(np.mean((noisy - x) ** 2) / np.mean((x.mean(axis=0) - x) ** 2))
    assert gain > mean + 2.0
    vae.save(tmp_path / "vae.keras")
    code = (
        "import keras, numpy as np, keras_vae, sys\n"
        "vae = keras.models.load_model(sys.argv[1] + '/vae.keras')\n"
        "layer = vae.encoder.layers[1]\n"
        "print(layer.kind, layer.strength)\n"
        "np.save(sys.argv[1] + '/y.npy', vae.reconstruct(np.load(sys.argv[1] + '/x.npy')))\n"
    )
    np.save(tmp_path / "x.npy", noisy)
    words = [sys.executable, "-c", code, str(tmp_path)]
    printed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    assert printed.split() == ["gaussian", "0.4"]
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), restored, atol=1e-5)


def conditional(model, x, missing):
    """Return mean and covariance of what the decoder gives for z ~ p(z | known x)."""
    known = ~missing
    weights = model.weights[:, known]
    precision = np.eye(2) + weights @ weights.T / model.scale**2
    covariance = np.linalg.inv(precision)
    z = covariance @ weights @ (x[known] - model.bias[known]) / model.scale**2
    mean = z @ model.weights[:, missing] + model.bias[missing]
    return mean, model.weights[:, missing].T @ covariance @ model.weights[:, missing]


@pytest.mark.parametrize("stretch", [1.0, 1.5])
def test_gibbs_draws_from_the_conditional_distribution_even_with_another_posterior(stretch):
    model = LinearGaussian(WEIGHTS)
    vae = model.vae(stretch=stretch)
    x = model.draw(1)
    missing = np.array([False, True, False, True, True])
    filled = restore.inpaint(vae, x, missing, num_samples=4000, steps=40, seed=0)[0]
    np.testing.assert_array_equal(filled[:, ~missing], np.tile(x[0, ~missing], (4000, 1)))
    mean, covariance = conditional(model, x[0], missing)
    spread = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(filled[:, missing].mean(axis=0), mean, atol=0.08 * spread.max())
    np.testing.assert_allclose(np.cov(filled[:, missing].T), covariance, atol=0.1 * spread.max())


def test_the_gradient_finds_the_highest_density():
    model = LinearGaussian(WEIGHTS)
    x = model.draw(3)
    missing = np.array([True, False, False, True, False])
    filled = restore.inpaint(model.vae(), x, missing, method="gradient", steps=400, seed=0)
    for row, image in zip(x, filled[:, 0], strict=True):
        np.testing.assert_allclose(image[missing], conditional(model, row, missing)[0], atol=2e-3)


def test_what_is_in_missing_places_says_nothing_and_rows_do_not_matter(digits):
    vae, x = digits
    mask = np.zeros(SHAPE, bool)
    mask[:, 4:] = True
    options = {"mask": mask, "num_samples": 2, "steps": 20}
    filled = restore.inpaint(vae, x[:6], seed=3, **options)
    other = np.where(mask, np.float32(np.nan), x[:6])
    np.testing.assert_array_equal(filled, restore.inpaint(vae, other, seed=3, **options))
    np.testing.assert_allclose(
        filled[:2], restore.inpaint(vae, x[:2], seed=3, **options), atol=1e-4
    )
    np.testing.assert_array_equal(filled[:, 0][:, :, :4], x[:6][:, :, :4])
    assert np.abs(filled[:, 0] - filled[:, 1]).max() > 0.1


def test_what_is_filled_in_is_nearer_than_the_mean_image(digits):
    vae, x = digits
    mask = np.zeros((8, 8), bool)
    mask[:, 5:] = True
    for method in ("gibbs", "gradient"):
        filled = restore.inpaint(vae, x, mask, num_samples=5, method=method, seed=0).mean(axis=1)
        error = np.mean((filled - x)[:, mask] ** 2)
        assert error < 0.75 * np.mean((x.mean(axis=0) - x)[:, mask] ** 2), method


def test_a_small_image_is_made_large(digits):
    vae, x = digits
    small = np.asarray(restore.shrink(x, 2))
    large = restore.upscale(vae, small, seed=0)
    np.testing.assert_allclose(small, x.reshape(-1, 4, 2, 4, 2, 1).mean(axis=(2, 4)), atol=1e-6)
    assert large.min() >= 0 and large.max() <= 1
    np.testing.assert_allclose(restore.shrink(large, 2), small, atol=0.01)
    repeated = small.repeat(2, axis=1).repeat(2, axis=2)
    assert np.mean((large - x) ** 2) < 0.6 * np.mean((repeated - x) ** 2)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: restore.Noise("gaussian", -0.1), "`strength` must be >= 0"),
        (lambda: restore.Noise("masking", 1.1), "<= 1"),
        (lambda: restore.Noise("rain", 0.1), "`kind` must be one of"),
        (lambda: restore.corrupt(np.zeros((1, 2)), "gaussian", -1), "`strength` must be >= 0"),
    ],
    ids=["negative", "share", "kind", "corrupt"],
)
def test_noise_that_is_none_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mask": np.zeros((7, 8), bool)}, "`mask` must be of shape"),
        ({"mask": np.ones((8, 8), bool)}, "leave an element of each example known"),
        ({"mask": np.zeros((8, 8))}, "must be of bool"),
        ({"method": "guess"}, "`method` must be one of"),
        ({"num_samples": 0}, "`num_samples` must be an integer >= 1"),
        ({"steps": 0}, "`steps` must be an integer >= 1"),
        ({"x": np.zeros((2, 7, 7, 1), "float32"), "mask": np.zeros((7, 7), bool)}, "shape"),
        ({"x": np.full((2, *SHAPE), np.nan, "float32")}, "finite"),
    ],
    ids=["shape", "all", "type", "method", "samples", "steps", "size", "nan"],
)
def test_inpainting_of_what_does_not_fit_is_refused(digits, change, words):
    vae, x = digits
    given = {"x": x[:2], "mask": np.eye(8, dtype=bool), **change}
    with pytest.raises(ValueError, match=words):
        restore.inpaint(vae, **given)


@pytest.mark.parametrize("shape", [(8, 8, 1), (3, 4, 1), (4, 4, 3), (4, 8, 1), (4, 4)])
def test_sizes_that_are_no_part_of_the_models_are_refused(digits, shape):
    with pytest.raises(ValueError, match="whole part of the model's size"):
        restore.upscale(digits[0], np.zeros((1, *shape), "float32"))


def invoke(*words, status=0):
    from keras_vae_cli import main

    result = click.testing.CliRunner().invoke(main.cli, [str(word) for word in words])
    if status == 0:
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output
    return f"{result.output}{result.exception}"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of digits that was trained with noise."""
    out = tmp_path_factory.mktemp("runs") / "run"
    words = ("--epochs", 2, "--noise", "masking", "--noise-strength", 0.3)
    invoke("train", "digits", "--out", out, *words)
    return out


@pytest.fixture
def images(tmp_path):
    x = (np.random.default_rng(0).random((5, 8, 8, 1)) * 255).astype("uint8")
    np.save(tmp_path / "x.npy", x)
    return x


@pytest.mark.slow
def test_a_run_denoises_files_of_any_number_and_keeps_their_names(run, tmp_path):
    (tmp_path / "in").mkdir()
    for name in "ab":
        Image.fromarray(np.full((8, 8), 9, "uint8")).save(tmp_path / "in" / f"{name}.png")
    output = invoke("denoise", run, tmp_path / "in", tmp_path / "out")
    assert "2 images" in output and "without --noise" not in output
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]
    vae = kv.runs.load(run).vae
    x = np.full((1, 8, 8, 1), 9 / 255, "float32")
    expected = kv.plotting.pixels.to_uint8(vae.reconstruct(x))[0, ..., 0]
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out" / "a.png")), expected)


@pytest.mark.slow
def test_a_run_fills_in_by_a_mask_of_each_form(run, tmp_path, images):
    mask = np.zeros((8, 8), bool)
    mask[:, 4:] = True
    np.save(tmp_path / "mask.npy", mask)
    Image.fromarray(mask.astype("uint8") * 255).save(tmp_path / "mask.png")
    found = []
    for given in ("right", tmp_path / "mask.npy", tmp_path / "mask.png"):
        out = tmp_path / f"out{len(found)}.npy"
        options = ("--mask", given, "--num-samples", 2, "--steps", 5)
        invoke("inpaint", run, tmp_path / "x.npy", out, *options)
        found.append(np.load(out))
    assert found[0].shape == (5, 2, 8, 8, 1)
    np.testing.assert_array_equal(found[0][:, 1][:, :, :4], images[:, :, :4])
    assert (found[0][:, 0] != found[0][:, 1]).any()
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
    invoke("inpaint", run, tmp_path / "x.npy", tmp_path / "out", *options)
    assert len(list((tmp_path / "out").glob("*-2.png"))) == 5


@pytest.mark.slow
def test_a_run_makes_small_images_large(run, tmp_path, images):
    np.save(tmp_path / "small.npy", images[:, ::2, ::2])
    invoke("upscale", run, tmp_path / "small.npy", tmp_path / "large.npy")
    assert np.load(tmp_path / "large.npy").shape == (5, 8, 8, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("inpaint", "x.npy", "y.npy", "--mask", "wide.npy"), "`mask` must be of shape"),
        (("inpaint", "x.npy", "y.npy", "--mask", "all.npy"), "leave an element"),
        (("inpaint", "x.npy", "y.npy", "--mask", "none.png"), "none.png"),
        (("upscale", "x.npy", "y.npy"), r"must hold images of shape (4, 4, 1)"),
        (("upscale", "x.npy", "y.npy", "--factor", 3), "`factor` must divide"),
        (("denoise", "wide.npy", "y.npy"), "must hold images of shape"),
        (("denoise", "x.npy", "y.png"), "must end in .npy"),
        (("denoise", "none.npy", "y.npy"), "none.npy"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(run, tmp_path, images, words, message):
    np.save(tmp_path / "wide.npy", np.zeros((3, 8, 9, 1), "uint8"))
    np.save(tmp_path / "all.npy", np.ones((8, 8), bool))
    before = sorted(tmp_path.iterdir())
    verb, *rest = (tmp_path / word if "." in str(word) else word for word in words)
    assert message in invoke(verb, run, *rest, status=2)
    assert sorted(tmp_path.iterdir()) == before


def test_noise_that_cannot_be_is_refused_before_the_training(tmp_path):
    for words, message in (
        (("--noise", "gaussian", "--noise-strength", -1), "`strength` must be >= 0"),
        (("--noise", "masking", "--noise-strength", 2), "<= 1"),
        (("--noise-strength", 0.2), "noise"),
    ):
        error = invoke("train", "digits", "--out", tmp_path / "run", *words, status=2)
        assert message in error, error
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_greys_that_a_model_of_binary_pixels_does_not_see_stay_where_they_are(tmp_path, images):
    run = tmp_path / "run"
    invoke("train", "digits", "--out", run, "--epochs", 1, "--binarize", "threshold")
    invoke("inpaint", run, tmp_path / "x.npy", tmp_path / "y.npy", "--mask", "left", "--steps", 2)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy")[:, :, 4:], images[:, :, 4:])


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_the_opacity_of_a_mask_says_nothing(tmp_path, mode):
    mask = np.zeros((8, 8), "uint8")
    mask[:3] = 255
    Image.fromarray(mask).convert(mode).save(tmp_path / "mask.png")
    found = restoring.mask_of(str(tmp_path / "mask.png"), SHAPE)
    np.testing.assert_array_equal(found, mask > 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "mask", [np.array(["a"]), np.array([None]), np.full((8, 8), np.nan), np.zeros((8, 8), bool)]
)
def test_a_mask_of_something_else_is_refused(run, tmp_path, images, mask):
    np.save(tmp_path / "mask.npy", mask, allow_pickle=True)
    error = invoke(
        "inpaint",
        run,
        tmp_path / "x.npy",
        tmp_path / "y.npy",
        "--mask",
        tmp_path / "mask.npy",
        status=2,
    )
    assert "`mask` must" in error


@pytest.mark.slow
def test_what_is_read_is_not_written_over(run, tmp_path, images):
    before = (tmp_path / "x.npy").read_bytes()
    for verb in (("denoise",), ("inpaint", "--mask", "left")):
        error = invoke(verb[0], run, tmp_path / "x.npy", tmp_path / "x.npy", *verb[1:], status=2)
        assert "another file than INPUT" in error
    assert (tmp_path / "x.npy").read_bytes() == before


@pytest.mark.parametrize("value", [200.0, -1.0, np.nan])
def test_small_images_of_another_range_are_refused(digits, value):
    with pytest.raises(ValueError, match=r"images in \[0, 1\]"):
        restore.upscale(digits[0], np.full((1, 4, 4, 1), value, "float32"))
    with pytest.raises(ValueError, match="none"):
        restore.upscale(digits[0], np.zeros((0, 4, 4, 1), "float32"))
