"""Compression: what comes back, at which rate, and what is refused."""

import bz2
import json
import re
import subprocess
import sys

import click.testing
import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

import keras_vae as kv
from keras_vae.compression import archive
from keras_vae.compression.networks import model_hash
from keras_vae.data.examples import PartExamples

SHAPE = (8, 8, 1)


def vae_of(likelihood, shape=SHAPE, prior="standard_normal", posterior="diagonal_gaussian"):
    """An untrained VAE, whose ELBO is far from the best code, as it must not need to be."""
    return kv.VAE(
        kv.networks.mlp_encoder(shape, 3, units=(16,), seed=0),
        kv.networks.mlp_decoder(
            shape, 3, units=(16,), seed=1, params_per_channel=likelihood.params_per_channel
        ),
        likelihood=likelihood,
        prior=prior,
        posterior=posterior,
        seed=2,
    )


@pytest.fixture(scope="module")
def binary():
    """A VAE of binary digits, a few epochs old, and test images."""
    data = kv.data.load("digits", batch_size=64, binarize="threshold")
    likelihood = kv.likelihoods.Bernoulli()
    vae = kv.VAE(
        kv.networks.mlp_encoder(data.image_shape, 6, units=(64,), seed=0),
        kv.networks.mlp_decoder(
            data.image_shape, 6, units=(64,), output_bias=likelihood.bias(data.mean), seed=1
        ),
        likelihood=likelihood,
        seed=2,
    )
    vae.compile("adam")
    vae.fit(data.train, epochs=40, verbose=0)
    examples = PartExamples([data.parts["train"], data.parts["test"]], binarize=True)
    return vae, examples.read(0, len(examples)).x


LIKELIHOODS = {
    "bernoulli": lambda: kv.likelihoods.Bernoulli(),
    "logistic": lambda: kv.likelihoods.DiscretizedLogistic(),
    "mixture": lambda: kv.likelihoods.DiscretizedLogistic(3),
    "few levels": lambda: kv.likelihoods.DiscretizedLogistic(2, levels=4),
    "ordinal": lambda: kv.likelihoods.Categorical(5, ordinal=True),
    "nominal": lambda: kv.likelihoods.Categorical(5),
}


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_probabilities_of_all_levels_are_those_of_the_likelihood(name):
    likelihood = LIKELIHOODS[name]()
    shape = likelihood.params_shape((2, 3, 2))
    params = np.random.default_rng(0).normal(size=(4, *shape)).astype("float32")
    probs = np.asarray(likelihood.level_probs(params))
    assert probs.shape == (4, 2, 3, 2, likelihood.levels)
    np.testing.assert_allclose(probs.sum(axis=-1), 1.0, atol=1e-5)
    for place, value in enumerate(likelihood.level_values()):
        x = np.full((4, 2, 3, 2), value, "float32")
        log_prob = np.asarray(likelihood.element_log_prob(x, params))
        np.testing.assert_allclose(probs[..., place], np.exp(log_prob), rtol=2e-3, atol=2e-6)


@pytest.mark.parametrize("name", LIKELIHOODS)
@hypothesis.settings(max_examples=5, deadline=None)
@hypothesis.given(count=st.integers(1, 150), seed=st.integers(0, 99), channels=st.integers(1, 3))
def test_every_bit_comes_back(tmp_path_factory, name, count, seed, channels):
    likelihood = LIKELIHOODS[name]()
    vae = vae_of(likelihood, (4, 4, channels))
    places = np.random.default_rng(seed).integers(0, likelihood.levels, (count, 4, 4, channels))
    x = likelihood.level_values()[places]
    path = tmp_path_factory.mktemp("kvz") / "x.kvz"
    written = kv.compression.compress(vae, x, path)
    assert written.size == path.stat().st_size
    np.testing.assert_array_equal(kv.compression.decompress(vae, path), x)


def test_levels_of_no_probability_come_back(tmp_path):
    # Narrow and dark predictions, where rounding would leave less than nothing for white.
    likelihood = kv.likelihoods.DiscretizedLogistic(3)
    vae = vae_of(likelihood)
    rng = np.random.default_rng(0)
    bias = np.tile(
        np.concatenate([rng.uniform(-0.1, 0.1, 3), rng.uniform(-8, -4, 3), rng.normal(size=3)]), 64
    )
    vae.decoder.layers[-2].bias.assign(bias.astype("float32"))
    params = np.asarray(vae.params(np.zeros((1, 3), "float32")))
    assert np.asarray(likelihood.level_probs(params)).min() >= 0
    x = np.where(rng.random((60, *SHAPE)) < 0.1, 1.0, 0.0).astype("float32")
    kv.compression.compress(vae, x, tmp_path / "x.kvz")
    np.testing.assert_array_equal(kv.compression.decompress(vae, tmp_path / "x.kvz"), x)


def test_what_differs_in_the_last_bit_comes_back_as_the_level_it_is(tmp_path):
    levels = np.random.default_rng(0).integers(0, 256, (70, *SHAPE)).astype("uint8")
    x = levels * np.float32(1 / 255)
    vae = vae_of(kv.likelihoods.DiscretizedLogistic())
    kv.compression.compress(vae, x, tmp_path / "x.kvz")
    back = kv.compression.decompress(vae, tmp_path / "x.kvz")
    np.testing.assert_array_equal(kv.plotting.pixels.to_uint8(back), levels)


def test_the_hash_is_of_the_model_and_not_of_its_names(binary):
    make = lambda activation, seed: kv.VAE(  # noqa: E731
        kv.networks.mlp_encoder(SHAPE, 2, units=(8,), activation=activation, seed=seed),
        kv.networks.mlp_decoder(SHAPE, 2, units=(8,), seed=1),
    )
    first = model_hash(make("relu", 0))
    assert first == model_hash(make("relu", 0))
    assert len({first, model_hash(make("tanh", 0)), model_hash(make("relu", 2))}) == 3


def test_a_model_whose_weights_are_no_numbers_is_refused(tmp_path):
    vae = vae_of(kv.likelihoods.Bernoulli())
    vae.encoder.layers[-1].set_weights([w * np.nan for w in vae.encoder.layers[-1].get_weights()])
    with pytest.raises(ValueError, match="must give numbers"):
        kv.compression.compress(vae, np.zeros((2, *SHAPE), "float32"), tmp_path / "x.kvz")
    assert not list(tmp_path.iterdir())


def test_the_rate_is_that_of_the_elbo_and_better_than_bz2(binary, tmp_path):
    vae, x = binary
    written = kv.compression.compress(vae, x, tmp_path / "x.kvz")
    bits = -vae.elbo(x, num_samples=4, seed=0).sum() / np.log(2.0)
    # What the file says of itself, the sizes of chunks, and what the first z are read off.
    fixed = 8 * 400
    assert bits <= 8 * written.size <= 1.02 * bits + fixed
    packed = bz2.compress(np.packbits(x.astype("uint8")).tobytes(), 9)
    assert written.size < 0.98 * len(packed)
    assert written.bits_per_pixel == pytest.approx(8 * written.size / x.size)


def test_blocks_come_back_in_their_order(binary, tmp_path, monkeypatch):
    vae, x = binary
    monkeypatch.setattr(archive, "_BLOCK_IMAGES", 100)
    kv.compression.compress(vae, x[:250], tmp_path / "x.kvz")
    blocks = [len(part) for part, _ in kv.compression.stream(vae, tmp_path / "x.kvz")]
    assert blocks == [100, 100, 50]
    np.testing.assert_array_equal(kv.compression.decompress(vae, tmp_path / "x.kvz"), x[:250])


@pytest.mark.slow
def test_another_process_gets_the_same_images(binary, tmp_path):
    vae, x = binary
    vae.save(tmp_path / "vae.keras")
    kv.compression.compress(vae, x[:300], tmp_path / "x.kvz")
    code = (
        "import keras, numpy as np, keras_vae as kv, sys\n"
        "vae = keras.models.load_model(sys.argv[1] + '/vae.keras')\n"
        "np.save(sys.argv[1] + '/y.npy', kv.compression.decompress(vae, sys.argv[1] + '/x.kvz'))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), x[:300])


@pytest.mark.parametrize("rate", [0.1, 0.3])
def test_a_loss_is_of_the_rate_asked_for_and_finer_steps_lose_less(binary, tmp_path, rate):
    vae, x = binary
    written = kv.compression.compress(vae, x, tmp_path / "x.kvz", bits_per_pixel=rate)
    overhead = 8 * 400 / x.size
    assert rate * 0.9 <= written.bits_per_pixel <= rate * 1.1 + overhead
    back = kv.compression.decompress(vae, tmp_path / "x.kvz")
    loss = np.mean((back - x) ** 2)
    whole = np.mean((np.asarray(vae.reconstruct(x)) - x) ** 2)
    assert whole * 0.999 <= loss < (0.9 if rate > 0.2 else 1.0) * x.var()


def test_a_damaged_file_is_refused_wherever_it_is_damaged(binary, tmp_path):
    vae, x = binary
    path = tmp_path / "x.kvz"
    kv.compression.compress(vae, x[:80], path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in [0, 9, 15, len(whole) - 1, *rng.integers(0, len(whole), 30).tolist()]:
        altered = bytearray(whole)
        altered[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(altered)
        with pytest.raises(ValueError, match="must be"):
            kv.compression.decompress(vae, path)
    path.write_bytes(whole + whole)
    with pytest.raises(ValueError, match="more bytes"):
        kv.compression.decompress(vae, path)
    for length in [0, 5, 20, 200, len(whole) - 20, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="must be"):
            kv.compression.decompress(vae, path)


def test_another_model_is_refused(binary, tmp_path):
    vae, x = binary
    kv.compression.compress(vae, x[:5], tmp_path / "x.kvz")
    other = keras.models.clone_model(vae)
    weights = vae.get_weights()
    weights[0] = np.nextafter(weights[0], np.float32(9))
    other.set_weights(weights)
    with pytest.raises(ValueError, match="needs the model that it was written with"):
        kv.compression.decompress(other, tmp_path / "x.kvz")


@pytest.mark.parametrize(
    ("vae", "words"),
    [
        (lambda: vae_of(kv.likelihoods.Gaussian()), "65,536 levels"),
        (
            lambda: vae_of(kv.likelihoods.Bernoulli(), prior="real_nvp"),
            "--prior standard_normal",
        ),
        (
            lambda: vae_of(kv.likelihoods.Bernoulli(), posterior="coupling"),
            "must be a normal distribution",
        ),
    ],
    ids=["density", "prior", "posterior"],
)
def test_a_model_that_cannot_code_says_why(tmp_path, vae, words):
    with pytest.raises(ValueError, match=words):
        kv.compression.compress(vae(), np.zeros((2, *SHAPE), "float32"), tmp_path / "x.kvz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.full((2, *SHAPE), 0.5, "float32"), "one of the 2 values"),
        (np.full((2, *SHAPE), np.nan, "float32"), "finite numbers"),
        (np.full((2, *SHAPE), 255, "float32"), r"values in \[0, 1\]"),
        (np.zeros((2, 7, 8, 1), "float32"), r"shape \(8, 8, 1\)"),
        (np.zeros((0, *SHAPE), "float32"), "at least one image"),
    ],
    ids=["grey", "nan", "range", "size", "none"],
)
def test_images_that_do_not_fit_are_refused_and_nothing_is_left(tmp_path, x, words):
    vae = vae_of(kv.likelihoods.Bernoulli())
    with pytest.raises(ValueError, match=words):
        kv.compression.compress(vae, x, tmp_path / "x.kvz")
    assert not list(tmp_path.iterdir())


def test_a_rate_that_z_cannot_have_is_refused(binary, tmp_path):
    vae, x = binary
    for rate in (0.0, 100.0):
        with pytest.raises(ValueError, match="bits_per_pixel"):
            kv.compression.compress(vae, x, tmp_path / "x.kvz", bits_per_pixel=rate)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of binary digits with a standard normal prior."""
    out = tmp_path_factory.mktemp("runs") / "run"
    words = ["train", "digits", "--out", out, "--epochs", 2, "--binarize", "threshold"]
    invoke(*words, "--prior", "standard_normal", "--latent-dim", 4)
    return out


def invoke(*words, status=0):
    from keras_vae_cli import main

    result = click.testing.CliRunner().invoke(main.cli, [str(word) for word in words])
    if status == 0:
        assert result.exit_code == 0, (result.output, result.exception)
    else:
        assert result.exception is not None
        return str(result.exception)
    return result.output


def test_a_folder_of_pictures_comes_back_with_its_names(run, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    pictures = {}
    for name in ("a.png", "a.bmp", "deep/b.png"):
        pictures[name] = (rng.random((8, 8)) < 0.5).astype("uint8") * 255
        Image.fromarray(pictures[name]).save(tmp_path / "in" / name)
    invoke("compress", run, tmp_path / "in", tmp_path / "x.kvz")
    invoke("decompress", run, tmp_path / "x.kvz", tmp_path / "out")
    found = {
        str(path.relative_to(tmp_path / "out")): np.asarray(Image.open(path))
        for path in (tmp_path / "out").rglob("*.png")
    }
    # Of two names that differ in their suffix alone, both are kept.
    assert sorted(found) == ["a.bmp.png", "a.png", "deep/b.png"] or "a.png.png" in found
    kept = {picture.tobytes() for picture in found.values()}
    assert kept == {picture.tobytes() for picture in pictures.values()}


def test_an_array_comes_back_as_an_array(run, command_line, tmp_path):
    x = (np.random.default_rng(0).random((30, 8, 8, 1)) < 0.5).astype("uint8") * 255
    np.save(tmp_path / "x.npy", x)
    output = invoke("compress", run, tmp_path / "x.npy", tmp_path / "x.kvz")
    assert "bits for each pixel" in output
    outcome = command_line("decompress", run, tmp_path / "x.kvz", tmp_path / "y.npy", "--json")
    seconds = json.loads(outcome.out)["facts"]["seconds"]
    speed = float(re.search(r"([\d.]+) MB of pixels a second", outcome.err)[1])
    assert speed == pytest.approx(x.size / 1e6 / seconds, abs=0.006)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), x)


def test_greys_are_not_lost_without_being_asked_for(run, tmp_path):
    assert "--binarize" in invoke("compress", run, "test", tmp_path / "x.kvz", status=2)
    assert not list(tmp_path.iterdir())
    invoke("compress", run, "test", tmp_path / "x.kvz", "--binarize")


def test_what_is_there_is_not_written_over(run, tmp_path):
    invoke("compress", run, "test", tmp_path / "x.kvz", "--binarize")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    error = invoke("decompress", run, tmp_path / "x.kvz", tmp_path / "out", status=2)
    assert "has something in it" in error
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
