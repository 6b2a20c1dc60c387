"""The endpoints of exported files: score, PNG, integers, batch sizes, and what is left out."""

import io
import json

import numpy as np
import pytest
from PIL import Image

import keras_vae as kv
from export import export, formats, load, plan

EVERY = tuple(formats.ENDPOINTS)
TFLITE = "tflite/model_float32.tflite"


@pytest.fixture(scope="module")
def exported(trained_vae, tmp_path_factory, images):
    """Every endpoint of a trained VAE in every format, in floats."""
    folder = tmp_path_factory.mktemp("exported")
    export(trained_vae, folder, tuple(formats.FORMATS), endpoints=EVERY, data=images)
    return folder


@pytest.fixture(scope="module", params=["saved_model", TFLITE, "onnx/float32"])
def runtime(request, exported):
    return load(exported / request.param)


def test_a_score_is_the_elbo_of_each_row_alone(runtime, trained_vae, images):
    found = runtime.score(images[:5])
    for row, score in enumerate(found.negative_elbo):
        expected = trained_vae.elbo(images[row][None], num_samples=16, seed=0)[0]
        assert score == pytest.approx(-expected, rel=1e-5)
    np.testing.assert_allclose(
        found.negative_elbo, found.reconstruction_loss + found.kl_loss, rtol=1e-5
    )
    np.testing.assert_allclose(
        found.kl_loss, trained_vae.prior.kl(*trained_vae.encode(images[:5])), rtol=1e-4, atol=1e-5
    )


def test_noise_scores_as_less_likely_than_the_training_images(runtime, images):
    noise = np.random.default_rng(0).random(images[:8].shape).astype("float32").round()
    assert (
        runtime.score(noise).negative_elbo.mean() > runtime.score(images[:8]).negative_elbo.mean()
    )


def test_the_draws_behind_a_score_can_be_chosen(trained_vae, tmp_path, images):
    export(trained_vae, tmp_path, "tflite", endpoints="score", data=images, num_samples=3)
    file = load(tmp_path / TFLITE)
    expected = trained_vae.elbo(images[:1], num_samples=3, seed=0)[0]
    assert file.score(images[:1]).negative_elbo[0] == pytest.approx(-expected, rel=1e-5)
    assert file.metadata["score"] == {"num_samples": 3, "seed": 0}


def test_a_saved_model_writes_png(exported, trained_vae):
    z = np.random.default_rng(0).normal(size=(3, 2)).astype("float32")
    files = load(exported / "saved_model").decode_png(z)
    expected = np.floor(np.asarray(trained_vae.decode(z)) * 255 + 0.5)
    for file, image in zip(files, expected, strict=True):
        found = np.asarray(Image.open(io.BytesIO(file)))
        assert found.dtype == np.uint8 and Image.open(io.BytesIO(file)).format == "PNG"
        assert np.abs(found - image[..., 0]).max() <= 1


@pytest.mark.parametrize("form", list(formats.FORMATS))
def test_images_come_as_integers_where_asked(form, trained_vae, tmp_path):
    (result,) = export(trained_vae, tmp_path, form, uint8=True)
    file = load(result.path)
    z = np.random.default_rng(0).normal(size=(6, 2)).astype("float32")
    found, expected = file.decode(z), np.asarray(trained_vae.decode(z))
    assert found.dtype == np.uint8
    assert np.abs(found - expected * 255).max() <= 0.5 + 1e-3
    draws = file.generate(4, seed=3)
    assert draws.image.dtype == np.uint8 and draws.z.dtype == np.float32
    assert file.metadata["image_range"] == [0, 1]
    assert file.metadata["output_range"] == [0, 255]
    # What goes in stays floats: the bytes that came out are no input.
    with pytest.raises(ValueError, match=r"floats, pixels from 0 to 1.*Divide by 255"):
        file.reconstruct(found)


@pytest.mark.slow
def test_further_batch_sizes_share_the_weights(exported, trained_vae, tmp_path):
    (more,) = export(trained_vae, tmp_path, "tflite", batch_sizes=(4, 16))
    file = load(more.path)
    z = np.random.default_rng(0).normal(size=(23, 2)).astype("float32")
    np.testing.assert_allclose(file.decode(z), trained_vae.decode(z), rtol=0, atol=1e-5)
    draws, expected = file.generate(23, seed=5), load(exported / TFLITE).generate(23, seed=5)
    np.testing.assert_allclose(draws.z, expected.z, rtol=0, atol=1e-6)
    report = json.loads((tmp_path / "report.json").read_text())
    signatures = report["files"][0]["signatures"]
    assert {"decode", "decode_batch4", "generate_batch16"} <= signatures.keys()


@pytest.mark.slow
def test_several_signatures_share_their_weights(tmp_path):
    shape = (28, 28, 1)
    vae = kv.VAE(
        kv.networks.mlp_encoder(shape, 8, units=(128,), seed=0),
        kv.networks.mlp_decoder(shape, 8, units=(128,), seed=1),
    )
    sizes = {}
    for endpoints in (("decode",), ("encode",), ("decode", "encode", "reconstruct", "generate")):
        (result,) = export(vae, tmp_path, "tflite", endpoints=endpoints, batch_sizes=())
        sizes[endpoints] = result.size
    alone = sizes["decode",] + sizes["encode",]
    assert max(sizes.values()) < 1.15 * alone


def test_an_endpoint_that_a_format_cannot_carry_is_left_out_and_said(exported, trained_vae):
    report = json.loads((exported / "report.json").read_text())
    left_out = {entry["format"]: entry["left_out"] for entry in report["files"]}
    assert left_out["saved_model"] == {}
    for form in ("tflite", "onnx"):
        assert left_out[form] == {"decode_png": f"{form} has no operator that writes PNG"}
    assert "No `decode_png` in" in (exported / "README.md").read_text()


def test_a_file_without_its_last_endpoint_is_refused(trained_vae, tmp_path):
    with pytest.raises(ValueError, match=r"tflite file in float32 must carry.*decode_png: "):
        export(trained_vae, tmp_path / "x", ("saved_model", "tflite"), endpoints="decode_png")
    with pytest.raises(ValueError, match=r"int8 must carry.*ranges are calibrated.*`data`"):
        export(trained_vae, tmp_path / "x", "tflite", "int8", endpoints=("encode", "reconstruct"))
    assert not (tmp_path / "x").exists()


def test_a_decoder_alone_draws_its_z_with_numpy(trained_vae, tmp_path):
    (result,) = export(trained_vae, tmp_path, "tflite", endpoints="decode")
    file = load(result.path)
    assert file.endpoints == ("decode",)
    image, z = file.generate(9, seed=7, temperature=0.5)
    np.testing.assert_allclose(z, trained_vae.prior.sample(9, 7, 0.5), rtol=0, atol=1e-6)
    np.testing.assert_allclose(image, trained_vae.generate(9, 0.5, seed=7), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"formats_": "coreml"}, "'saved_model', 'tflite', 'onnx'"),
        ({"precisions": "int4"}, r"`precisions` must be among.*Received: 'int4'.*'int8'"),
        ({"precisions": "int8"}, r"those of the formats \(saved_model: float32\).*Add 'tflite'"),
        ({"endpoints": ("decode", "dream")}, "`endpoints` must be among.*'dream'"),
        ({"endpoints": ()}, "`endpoints` must name at least one"),
        ({"batch_sizes": (8,)}, "`batch_sizes` is an option of tflite. Received: saved_model"),
        ({"formats_": "tflite", "batch_sizes": (1,)}, "`batch_sizes` must be of integers from 2"),
        ({"allow_flex": True}, "`allow_flex` is an option of tflite"),
        ({"num_samples": 0}, "`num_samples` must be of integers from 1"),
        (
            {"formats_": "tflite", "precisions": "full_int8", "uint8": True},
            "`uint8`.*full_int8, whose images are 8-bit integers already",
        ),
        (
            {"formats_": "tflite", "precisions": "int16x8", "allow_flex": True},
            "`allow_flex` is an option of the precisions float32, float16 and dynamic",
        ),
    ],
)
def test_a_combination_that_does_not_exist_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        plan.check(**{"formats_": "saved_model", **arguments})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.zeros((5, 4, 4)), r"finite images \(N, 4, 4, 1\).*shape \(5, 4, 4\)"),
        (np.full((5, 4, 4, 1), np.nan), "NaN"),
        ([], r"shape \(0, 4, 4, 1\)"),
    ],
)
def test_images_that_do_not_fit_are_refused(trained_vae, tmp_path, data, words):
    with pytest.raises(ValueError, match=words):
        export(trained_vae, tmp_path / "x", "tflite", "int8", data=data)
    assert not (tmp_path / "x").exists()
