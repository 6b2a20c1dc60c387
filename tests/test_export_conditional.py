"""Exported files of models with labels: the label as an input, in every format and runtime."""

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from export import VerificationError, benchmark, calibration, check, export, load, tflite
from export.benchmark_worker import _Worker
from export.labels import Labels

pytestmark = pytest.mark.slow

SHAPE, CLASSES = (8, 8, 1), 10
ENDPOINTS = ("decode", "encode", "reconstruct", "generate", "score", "decode_png")
# No label, and each class.
KINDS = np.arange(-1, CLASSES, dtype=np.int32)
FILES = {
    "saved_model": "saved_model",
    "onnx": "onnx",
    "float32": "tflite/model_float32.tflite",
    "int8": "tflite/model_int8.tflite",
    "full_int8": "tflite/model_full_int8.tflite",
}
# Of images: that of the formats, or what 8 bits may cost.
TOLERANCES = {"saved_model": 1e-5, "onnx": 1e-5, "float32": 1e-5, "int8": 0.1, "full_int8": 0.1}

ALONE = """
import sys
import numpy as np
from export import load

path, outputs = sys.argv[1:]
file = load(path)
z, image = np.full((11, 3), 0.5, "float32"), np.full((11, 8, 8, 1), 0.25, "float32")
label = np.arange(-1, 10)
found = {
    "decode": file.decode(z, label),
    "mean": file.encode(image, label).z_mean,
    "reconstruct": file.reconstruct(image, label),
    "generate": file.generate(11, seed=7, label=label).image,
    "score": file.score(image, label).negative_elbo,
}
np.savez(outputs, **found)
print([name for name in ("tensorflow", "keras", "keras_vae", "PIL") if name in sys.modules])
"""


def networks(size, units=(32,), **options):
    sizes = {"latent_dim": 3, "condition_dim": size, "units": units, **options}
    return (
        kv.networks.conditional_encoder(kv.networks.mlp_encoder, SHAPE, seed=0, **sizes),
        kv.networks.conditional_decoder(kv.networks.mlp_decoder, SHAPE, seed=1, **sizes),
    )


@pytest.fixture(scope="module", autouse=True)
def few_examples():
    """What files are calibrated with: fewer draws, for the time they take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "_EXAMPLES", 60)
        yield


@pytest.fixture(scope="module")
def digits():
    return kv.data.load("digits", batch_size=64, labels=True)


@pytest.fixture(scope="module")
def vae(digits):
    vae = kv.ConditionalVAE(*networks(CLASSES), num_classes=CLASSES, seed=2)
    vae.compile(keras.optimizers.Adam(5e-3))
    vae.fit(digits.train, epochs=8, verbose=0)
    return vae


@pytest.fixture(scope="module")
def folder(vae, digits, tmp_path_factory):
    """The export of a model with classes, in every format."""
    folder = tmp_path_factory.mktemp("exported")
    about = {"labels": [f"digit {label}" for label in range(CLASSES)]}
    export(vae, folder, ("saved_model", "onnx"), "float32", ENDPOINTS, about=about)
    precisions = ("float32", "int8", "full_int8")
    export(vae, folder, "tflite", precisions, ENDPOINTS, data=digits, about=about)
    return folder


@pytest.fixture(scope="module", params=list(FILES))
def file(request, folder):
    return request.param, load(folder / FILES[request.param])


@pytest.fixture(scope="module")
def light(folder):
    return load(folder / FILES["float32"])


@pytest.fixture(scope="module")
def semi(digits):
    """A model whose classifier has learnt: what is most likely is not always one class."""
    vae = kv.SemiSupervisedVAE(
        *networks(CLASSES), classifier=kv.networks.mlp_classifier(SHAPE, CLASSES, seed=3), seed=2
    )
    vae.compile(keras.optimizers.Adam(5e-3))
    vae.fit(digits.train, epochs=3, verbose=0)
    return vae


@pytest.fixture(scope="module")
def semi_file(semi, tmp_path_factory):
    folder = tmp_path_factory.mktemp("semi")
    export(semi, folder, ("tflite", "onnx"), "float32", ENDPOINTS[:5])
    return folder


@pytest.fixture(scope="module")
def graded():
    """A model of how grey an image is, and at which side: the label is a vector."""
    grey = np.random.default_rng(0).random((300, 2), "float32")
    x = np.repeat(grey[:, None, :, None], 8, axis=1).repeat(4, axis=2)
    vae = kv.ConditionalVAE(*networks(2), seed=2)
    vae.compile(keras.optimizers.Adam(1e-2))
    # Standardised, as what stands beside z in one tensor of 8 bits should be.
    label = 3.5 * grey - 1.75
    vae.fit(x, label, epochs=20, verbose=0)
    return vae, x, label


def test_each_label_gives_what_it_gives_in_keras(file, vae, digits):
    name, runtime = file
    tolerance = TOLERANCES[name]
    x = np.asarray(next(iter(digits.test))[0])[: len(KINDS)]
    z = np.random.default_rng(0).normal(size=(1, 3)).repeat(len(KINDS), axis=0)
    images = runtime.decode(z, KINDS)
    np.testing.assert_allclose(images, vae.decode(z, KINDS), rtol=0, atol=tolerance)
    # The same z throughout: what differs is the label's doing.
    between = np.abs(images[:, None] - images[None]).max(axis=(2, 3, 4))
    assert between[~np.eye(len(KINDS), dtype=bool)].min() > 0.1
    found = runtime.encode(x, KINDS)
    assert np.abs(found.z_mean - runtime.encode(x).z_mean).max() > 0.1
    expected = vae.encode(x, label=KINDS)
    for ours, theirs in zip(found, expected, strict=True):
        scale = max(1, np.abs(theirs).max())
        np.testing.assert_allclose(ours / scale, theirs / scale, rtol=0, atol=tolerance)
    expected = vae.reconstruct(x, KINDS)
    np.testing.assert_allclose(runtime.reconstruct(x, KINDS), expected, rtol=0, atol=2 * tolerance)


def test_one_label_stands_for_all_rows_and_none_for_no_label(file, vae):
    name, runtime = file
    z = np.random.default_rng(0).normal(size=(3, 3))
    each = runtime.decode(z, [3, 3, 3])
    np.testing.assert_array_equal(runtime.decode(z, label=3), each)
    np.testing.assert_array_equal(runtime.run("decode", z=z, label=3)["image"], each)
    np.testing.assert_array_equal(runtime.decode(z), runtime.decode(z, [-1] * 3))
    np.testing.assert_array_equal(runtime.run("decode", z=z)["image"], runtime.decode(z, -1))
    # One of `decode` in floats has no sampler of its own, and draws here.
    drawn = runtime.generate(4, seed=7, temperature=0.5, label=[2, -1, 0, 9])
    expected = vae.generate(4, 0.5, 7, label=[2, -1, 0, 9])
    np.testing.assert_allclose(drawn.image, expected, rtol=0, atol=TOLERANCES[name])


def test_a_score_is_that_of_the_image_and_its_label(folder, vae, digits):
    x, y = (np.asarray(part)[:20] for part in next(iter(digits.test)))
    for name in ("saved_model", "onnx", "float32"):
        runtime = load(folder / FILES[name])
        own, other = runtime.score(x, y), runtime.score(x, (y + 1) % CLASSES)
        assert other.negative_elbo.mean() > own.negative_elbo.mean() + 1
        total = own.reconstruction_loss + own.kl_loss
        np.testing.assert_allclose(own.negative_elbo, total, rtol=1e-5)
        # An estimate from other draws.
        assert own.negative_elbo.mean() == pytest.approx(
            -vae.elbo(x, num_samples=64, seed=0, label=y).mean(), abs=1.0
        )


def test_a_saved_model_has_the_label_among_the_inputs_of_every_signature(folder, vae):
    model = tf.saved_model.load(str(folder / "saved_model" / "1"))
    for name in ENDPOINTS:
        spec = model.signatures[name].structured_input_signature[1]["label"]
        assert (spec.dtype, spec.shape.as_list()) == (tf.int32, [None])
    z = np.zeros((2, 3), "float32")
    given = {"z": tf.constant(z), "label": tf.constant([5, -1])}
    image = model.signatures["decode"](**given)["image"]
    np.testing.assert_allclose(image, vae.decode(z, [5, -1]), rtol=0, atol=1e-5)
    pngs = load(folder / "saved_model").decode_png(z, label=[5, 6])
    assert pngs[0][:4] == b"\x89PNG" and pngs[0] != pngs[1]


def test_a_label_of_classes_is_an_integer_even_where_all_else_is_quantised(folder):
    runtime = load(folder / FILES["full_int8"])
    inputs = runtime.metadata["signatures"]["decode"]["inputs"]
    assert inputs["label"] == {"shape": [1], "dtype": "int32"}
    assert inputs["z"]["dtype"] == "int8"


def test_a_fresh_process_needs_no_keras(folder, vae, run_python, tmp_path):
    printed = run_python(ALONE, folder / FILES["float32"], tmp_path / "o.npz")
    assert printed.strip() == "[]"
    found = np.load(tmp_path / "o.npz")
    z, x = np.full((11, 3), 0.5, "float32"), np.full((11, *SHAPE), 0.25, "float32")
    expected = {
        "decode": vae.decode(z, KINDS),
        "mean": vae.encode(x, label=KINDS).z_mean,
        "reconstruct": vae.reconstruct(x, KINDS),
        "generate": vae.generate(11, seed=7, label=KINDS),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=2e-5, err_msg=name)
    assert len(np.unique(found["score"])) == len(KINDS)


def test_the_comparison_feeds_every_label(folder):
    report = json.loads((folder / "report.json").read_text())
    for entry in report["files"]:
        golden = np.load(folder / "golden" / entry["golden"])
        for name in entry["endpoints"]:
            assert set(golden[f"{name}/inputs/label"]) == set(KINDS)
        assert entry["worst_error"] < 0.1
    request = json.loads((folder / "serving/requests/decode.request.json").read_text())
    assert request["inputs"]["label"] == [0, -1]


def test_the_folder_checks_and_a_file_that_mixes_up_labels_does_not(folder, light, monkeypatch):
    assert [result.failures for result in check.check(folder)] == [()] * len(FILES)
    right = Labels.check

    def shifted(self, label, *arguments):
        return np.roll(right(self, label, *arguments), 1)

    monkeypatch.setattr(Labels, "check", shifted)
    assert all(result.failures for result in check.check(folder))


def test_the_metadata_and_the_readme_say_what_labels_there_are(folder, light):
    assert light.metadata["num_classes"] == CLASSES
    assert light.metadata["condition_dim"] is None
    assert light.metadata["labels"][3] == "digit 3"
    text = (folder / "README.md").read_text()
    assert "`label`, int32 of shape (B): one of the classes 0 to 9, or -1 for none" in text
    assert "3: digit 3" in text
    assert light.labels.may_be_left_out("decode")


def test_other_names_than_there_are_classes_are_refused(vae, tmp_path):
    with pytest.raises(ValueError, match=r"must name 10 labels.*Received: 2 names"):
        export(vae, tmp_path, "tflite", about={"labels": ["a", "b"]})


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (10, "classes 0 to 9, or -1 for none.*Received: 10. Such as label=0"),
        ([0, -2], "classes 0 to 9.*Received: -2"),
        (1.0, "Received: 1.0 of type float64"),
        (True, "Received: True of type bool"),
        ("3", "Received: '3'"),
        ([], "Received: .* of type float64"),
        ([[0, 1], [2]], r"Received: \[\[0, 1\], \[2\]\]"),
        ([1, 2, 3], r"of shape \(\), for all, or \(2,\). Received: shape \(3,\)"),
        ([[1], [2]], r"Received: shape \(2, 1\)"),
    ],
)
def test_what_is_no_label_is_refused(light, label, words):
    for use in (
        lambda: light.decode(np.zeros((2, 3)), label=label),
        lambda: light.generate(2, label=label),
        lambda: light.run("encode", image=np.zeros((2, *SHAPE)), label=label),
    ):
        with pytest.raises(ValueError, match=words):
            use()


def test_a_file_of_a_model_without_labels_has_no_label_and_refuses_one(trained_vae, tmp_path):
    export(trained_vae, tmp_path, ("saved_model", "tflite"))
    model = tf.saved_model.load(str(tmp_path / "saved_model" / "1"))
    for signature in model.signatures.values():
        assert "label" not in signature.structured_input_signature[1]
    for name in ("saved_model", "float32"):
        runtime = load(tmp_path / FILES[name])
        assert runtime.labels is None and runtime.metadata["num_classes"] is None
        for use in (
            lambda runtime=runtime: runtime.decode(np.zeros((1, 2)), label=3),
            lambda runtime=runtime: runtime.generate(2, label=[0, -1]),
        ):
            with pytest.raises(ValueError, match=r"takes no `label`.*Leave the label out"):
                use()
    assert "`label`" not in (tmp_path / "README.md").read_text()


def test_a_vector_can_be_the_label(graded, tmp_path):
    vae, x, labels = graded
    batches = [(x[:200], labels[:200]), (x[200:], labels[200:])]
    export(vae, tmp_path, ("tflite", "onnx"), ("float32", "int8"), ENDPOINTS, data=batches)
    for name in ("onnx", "float32", "int8"):
        runtime = load(tmp_path / FILES[name])
        assert runtime.metadata["condition_dim"] == 2 and runtime.metadata["num_classes"] is None
        tolerance = TOLERANCES[name]
        drawn = runtime.generate(2, seed=7, label=[[-1, 1], [1, -1]])
        expected = vae.generate(2, seed=7, label=[[-1, 1], [1, -1]])
        np.testing.assert_allclose(drawn.image, expected, rtol=0, atol=tolerance)
        assert drawn.image[0, :, 6].mean() > drawn.image[0, :, 1].mean() + 0.3
        image = runtime.reconstruct(x[:3], [-1, 0.7])
        expected = vae.reconstruct(x[:3], [-1, 0.7])
        np.testing.assert_allclose(image, expected, rtol=0, atol=2 * tolerance)
    for label, words in (
        (None, "a vector of 2 finite numbers. Received: no label. Give it"),
        ([np.nan, 0.0], "Received: nan"),
        ("ab", "Received: 'ab'"),
        (0.5, r"of shape \(2,\), for all, or \(3, 2\). Received: shape \(1,\)"),
        ([0.1, 0.2, 0.3], r"Received: shape \(3,\)"),
    ):
        with pytest.raises(ValueError, match=words):
            runtime.generate(3, label=label)
    assert "no vector stands for none" in (tmp_path / "README.md").read_text()


def test_integers_for_a_vector_want_labels_among_the_data(graded, tmp_path):
    vae, x, _ = graded
    with pytest.raises(ValueError, match=r"training labels.*Give batches of training images and"):
        export(vae, tmp_path, "tflite", "int8", data=x)
    with pytest.raises(ValueError, match="`label` must be of shape"):
        export(vae, tmp_path, "tflite", "int8", data=[(x, x[:, 0, 0])])


@pytest.mark.parametrize("name", ["onnx", "float32"])
def test_without_a_label_a_semi_supervised_model_finds_or_draws_one(name, semi, semi_file, digits):
    runtime = load(semi_file / FILES[name])
    x = np.asarray(next(iter(digits.test))[0])[:30]
    likely = semi.classify(x).argmax(axis=1)
    assert len(np.unique(likely)) > 3
    for label in (None, likely):
        expected = semi.reconstruct(x, likely)
        np.testing.assert_allclose(runtime.reconstruct(x, label), expected, rtol=0, atol=2e-5)
    # All classes at once: less likely than by the best of them, by what it costs to tell.
    every = np.stack([runtime.score(x, np.full(30, k)).negative_elbo for k in range(CLASSES)])
    none = runtime.score(x).negative_elbo
    weights = semi.classify(x).T
    told = (weights * (every + np.log(np.maximum(weights, 1e-30) * CLASSES))).sum(axis=0)
    np.testing.assert_allclose(none, told, rtol=1e-4)
    # The drawn class is a function of the seed, and the same as in Keras.
    drawn = runtime.generate(20, seed=7).image
    np.testing.assert_allclose(drawn, semi.generate(20, seed=7), rtol=0, atol=2e-5)
    by_class = np.stack([runtime.generate(20, seed=7, label=k).image for k in range(CLASSES)])
    nearest = np.abs(by_class - drawn).max(axis=(2, 3, 4)).argmin(axis=0)
    assert len(np.unique(nearest)) > 3


def test_a_semi_supervised_decoder_needs_a_class(semi, semi_file):
    runtime = load(semi_file / FILES["float32"])
    z = np.zeros((2, 3), "float32")
    np.testing.assert_allclose(runtime.decode(z, 4), semi.decode(z, 4), rtol=0, atol=1e-5)
    for label in (None, -1, [3, -1]):
        with pytest.raises(ValueError, match=r"classes 0 to 9. Received: (no label|-1).*label=0"):
            runtime.decode(z, label)
    text = (semi_file / "README.md").read_text()
    assert "-1 stands for the most likely class" in text and "`decode_png` need a class" in text


def test_a_mixed_precision_model_is_rebuilt_in_float32(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    vae = kv.ConditionalVAE(*networks(CLASSES), num_classes=CLASSES, seed=2)
    keras.config.set_dtype_policy("float32")
    export(vae, tmp_path, ("tflite", "onnx"), endpoints=("decode", "reconstruct"))
    z = np.zeros((len(KINDS), 3), "float32")
    image = load(tmp_path / FILES["float32"]).decode(z, KINDS)
    assert np.abs(np.diff(image, axis=0)).max(axis=(1, 2, 3)).min() > 1e-3
    np.testing.assert_allclose(image, load(tmp_path / FILES["onnx"]).decode(z, KINDS), atol=1e-5)
    np.testing.assert_allclose(image, vae.decode(z, KINDS), atol=0.02)


def test_a_file_that_leaves_the_label_out_is_found_out(vae, tmp_path, monkeypatch):
    write = tflite.write

    def forgetful(vae, path, functions, *arguments):
        own = functions["decode"]
        write(vae, path, {"decode": lambda z, label: own(z, 0 * label)}, *arguments)

    monkeypatch.setattr(tflite, "write", forgetful)
    with pytest.raises(VerificationError, match="`image` of `decode` differs"):
        export(vae, tmp_path, "tflite", endpoints=("decode",))


def test_further_batch_sizes_have_labels_too(vae, tmp_path):
    export(vae, tmp_path, "tflite", endpoints=("decode",), batch_sizes=(4,))
    runtime = load(tmp_path / FILES["float32"])
    z = np.zeros((11, 3), "float32")
    expected = vae.decode(z, KINDS)
    np.testing.assert_allclose(runtime.decode(z, KINDS), expected, rtol=0, atol=1e-5)


def test_a_detector_of_a_model_with_labels_is_refused(vae, digits, tmp_path):
    x = np.concatenate([np.asarray(x) for x, _ in digits.validation])
    detector = kv.anomaly.AnomalyDetector(vae, criterion="negative_elbo").fit(x)
    with pytest.raises(ValueError, match=r"takes no labels.*vae.at"):
        export(vae, tmp_path, "tflite", endpoints=("score",), detector=detector)


def test_the_command_line_takes_labels(command_line, folder, graded, tmp_path, vae):
    path = folder / FILES["float32"]
    words = ("export", "generate", path, "-n", 3, "--seed", 7, "--out", tmp_path / "x.npy")
    for text, label in (("3", 3), ("3,-1,4", [3, -1, 4])):
        outcome = command_line(*words, "--label", text)
        assert outcome.status == 0, outcome.err
        expected = vae.generate(3, seed=7, label=label)
        np.testing.assert_allclose(np.load(tmp_path / "x.npy"), expected, rtol=0, atol=1e-5)
    for text, said in (("12", "classes 0 to 9"), ("three", "must be numbers"), ("1,2", "shape")):
        outcome = command_line(*words, "--label", text)
        assert outcome.status == 2 and said in outcome.err
    assert "label" in command_line("export", "formats").out


def test_a_run_of_a_model_with_labels_is_exported_with_the_command_that_runs_it(
    command_line, trained_run, graded, vae, tmp_path
):
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    vae.save(run / "model.keras")
    outcome = command_line("export", run, "--formats", "onnx", "--endpoints", "decode,generate")
    assert outcome.status == 0, outcome.err
    (command,) = (line for line in outcome.out.splitlines() if "Run it:" in line)
    assert "--seed 7 --label 0 --out" in command
    graded[0].save(run / "model.keras")
    outcome = command_line("export", run, "--formats", "onnx", "--endpoints", "generate")
    assert "--label 0.5,0.5 --out" in outcome.out


def test_labels_that_are_no_numbers_do_not_matter_to_a_model_without(trained_vae, images):
    ragged = [["a"], ["b", "c"]]
    found, labels = calibration.examples_of([(images, ragged)], trained_vae)
    np.testing.assert_array_equal(found, images)
    assert labels is None


def test_files_with_labels_are_measured(folder, vae, semi_file, tmp_path, digits):
    vae.save(tmp_path / "vae.keras")
    np.save(tmp_path / "x.npy", np.asarray(next(iter(digits.test))[0])[:20])
    found = {}
    for name, path in {"keras": tmp_path / "vae.keras", "file": folder / FILES["float32"]}.items():
        worker = _Worker(str(path), 3)
        assert "decode" in worker.first() and len(worker.time(32, 0.01)) >= 3
        found[name] = worker.quality(tmp_path / "x.npy")
    assert found["keras"] == pytest.approx(found["file"], rel=1e-4)
    assert {"elbo", "reconstruction_psnr"} == found["file"].keys()
    assert len(_Worker(str(semi_file / FILES["float32"]), 3).time(32, 0.01)) >= 3


def test_the_benchmark_runs_on_files_with_labels(folder):
    rows = benchmark.benchmark(folder, rounds=1)
    assert [row["file"] for row in rows if "error" not in row]


@pytest.mark.parametrize("kind", ["classes", "semi", "convolutions"])
def test_every_precision_holds(kind, vae, semi, digits, tmp_path):
    if kind == "convolutions":
        sizes = {"latent_dim": 4, "condition_dim": CLASSES}
        model = kv.ConditionalVAE(
            kv.networks.conditional_encoder(
                kv.networks.conv_encoder, SHAPE, filters=(8, 16), seed=0, **sizes
            ),
            kv.networks.conditional_decoder(
                kv.networks.conv_decoder, SHAPE, filters=(16, 8), seed=1, **sizes
            ),
            num_classes=CLASSES,
        )
        model.compile(keras.optimizers.Adam(3e-3))
        model.fit(digits.train, epochs=3, verbose=0)
    else:
        model = {"classes": vae, "semi": semi}[kind]
    precisions = ("float16", "dynamic", "int8", "full_int8", "int16x8")
    results = export(model, tmp_path, "tflite", precisions, ENDPOINTS, data=digits)
    assert [result.failures for result in results] == [()] * len(precisions)


@pytest.mark.parametrize("count", [4, 8, 40])
def test_the_labels_to_try_are_of_every_kind(count):
    labels = Labels(7, None, ("decode",))
    assert set(labels.examples(count)) <= set(range(-1, 7))
    assert -1 not in labels.examples(count, "decode")
    assert (set(labels.examples(count)) == set(range(-1, 7))) == (count >= 8)
    assert {0, 6} <= set(labels.examples(count, "decode"))
