"""TFLite files of every precision: their errors, their operators, and a sampler left alone."""

import json
import sys

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import keras_vae as kv
from export import calibration, export, formats, load, operators

pytestmark = pytest.mark.slow

SHAPE = (16, 12, 1)
PRECISIONS = tuple(formats.PRECISIONS)
ENDPOINTS = ("decode", "encode", "reconstruct", "generate", "score")


@pytest.fixture(scope="module")
def images():
    """Four hundred images of bright bars at one of many places."""
    rng = np.random.default_rng(0)
    x = np.zeros((400, *SHAPE), "float32")
    for image in x:
        row, column = rng.integers(1, 12), rng.integers(1, 8)
        image[row : row + 4, column : column + 3] = rng.uniform(0.6, 0.95)
    return x + rng.uniform(0, 0.05, x.shape).astype("float32")


@pytest.fixture(scope="module")
def vae(images):
    """A convolutional VAE that has learnt the bars."""
    vae = kv.VAE(
        kv.networks.conv_encoder(SHAPE, 6, filters=(8, 16), units=64, seed=0),
        kv.networks.conv_decoder(SHAPE, 6, filters=(16, 8), seed=1),
        seed=2,
    )
    vae.compile(keras.optimizers.Adam(3e-3))
    vae.fit(images, batch_size=50, epochs=80, verbose=0)
    return vae


@pytest.fixture(scope="module")
def examples(images):
    """What files are calibrated with: fewer draws of the prior too, for the time they take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "_EXAMPLES", 60)
        yield images[-120:]


@pytest.fixture(scope="module")
def exported(vae, examples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    export(vae, folder, "tflite", PRECISIONS, ENDPOINTS, data=examples)
    return folder


@pytest.fixture(scope="module")
def report(exported):
    files = json.loads((exported / "report.json").read_text())["files"]
    return {entry["precision"]: entry for entry in files}


def file_of(folder, precision):
    return folder / f"tflite/model_{precision}.tflite"


def test_every_precision_carries_what_it_can(report):
    for precision, entry in report.items():
        missing = {"generate", "score"} if precision == "full_int8" else set()
        assert set(entry["endpoints"]) == set(ENDPOINTS) - missing
        assert entry["left_out"].keys() == missing


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_sampler_is_left_in_floats(precision, exported, vae):
    file = load(file_of(exported, precision))
    image, z = file.generate(32, seed=7, temperature=0.9)
    np.testing.assert_allclose(z, vae.prior.sample(32, 7, 0.9), rtol=0, atol=1e-6)
    # The image is the file's own decoder's for exactly that z.
    np.testing.assert_allclose(image, file.decode(z), rtol=0, atol=1e-6)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_images_are_near_the_keras_model(precision, exported, vae, images):
    """Independently of the package's own comparison."""
    file = load(file_of(exported, precision))
    x = images[-40:]
    least = {"float32": 100, "float16": 75, "dynamic": 45, "int16x8": 45}.get(precision, 38)
    z = np.asarray(vae.prior.sample(40, 3))
    for found, expected in (
        (file.decode(z), vae.decode(z)),
        (file.reconstruct(x), vae.reconstruct(x)),
    ):
        mse = np.mean((found - np.asarray(expected)) ** 2, axis=(1, 2, 3))
        assert np.mean(-10 * np.log10(np.maximum(mse, 1e-12))) > least
    mean, log_var = file.encode(x)
    spread = np.std(np.asarray(vae.encode(x).z_mean))
    assert np.abs(mean - np.asarray(vae.encode(x).z_mean)).max() < 0.25 * spread
    assert mean.dtype == log_var.dtype == np.float32


@pytest.mark.parametrize("precision", ["int8", "full_int8", "int16x8"])
def test_ranges_reach_beyond_the_examples(precision, exported, vae, examples):
    """A z a fifth farther out than every example is not taken for the farthest of them."""
    seen = calibration.collect(vae, calibration.split(examples)[0]).z
    farthest = np.concatenate([np.eye(6) * seen.max(), np.eye(6) * seen.min()]).astype("float32")
    found = load(file_of(exported, precision)).decode(1.2 * farthest)
    exact, cut_off = (np.asarray(vae.decode(z)) for z in (1.2 * farthest, farthest))
    assert np.abs(found - exact).mean() < 0.5 * np.abs(cut_off - exact).mean()


def test_smaller_numbers_make_smaller_files(report):
    size = {precision: entry["size"] for precision, entry in report.items()}
    assert size["float16"] < 0.75 * size["float32"]
    assert size["int8"] < size["float16"] and size["dynamic"] < size["float16"]


def test_the_decoder_is_one_partition_but_for_int16x8(report):
    for precision, entry in report.items():
        decode = entry["signatures"]["decode"]
        if precision != "int16x8":
            assert (decode["xnnpack_partitions"], decode["outside_xnnpack"]) == (1, {}), precision
            assert decode["gpu_objections"] == []
    generate = report["float32"]["signatures"]["generate"]
    assert "BITWISE_XOR" in generate["outside_xnnpack"]
    assert "BITWISE_XOR: no such operator" in generate["gpu_objections"]


def types_of(path, signature):
    """The types of the outputs of each kind of operator in a signature."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    (definition,) = (d for d in model.signatureDefs if d.signatureKey.decode() == signature)
    graph = model.subgraphs[definition.subgraphIndex]
    names = {value: key for key, value in vars(schema.TensorType).items()}
    found = {}
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        kind = max(code.builtinCode, code.deprecatedBuiltinCode)
        for index in operator.outputs:
            found.setdefault(kind, set()).add(names[graph.tensors[index].type])
    return found


def test_only_the_networks_are_quantised(exported):
    kind = schema.BuiltinOperator
    for precision, type_ in (("int8", "INT8"), ("int16x8", "INT16")):
        found = types_of(file_of(exported, precision), "generate")
        assert found[kind.TRANSPOSE_CONV] == found[kind.FULLY_CONNECTED] == {type_}
        for sampler in (kind.COS, kind.SIN, kind.LOG, kind.SQRT, kind.PACK):
            assert found[sampler] == {"FLOAT32"}


def test_full_int8_takes_and_gives_integers(exported):
    file = load(file_of(exported, "full_int8"))
    runner = file._interpreter.get_signature_runner("decode")
    details = (*runner.get_input_details().values(), *runner.get_output_details().values())
    assert {detail["dtype"] for detail in details} == {np.int8}
    found = types_of(file_of(exported, "full_int8"), "decode")
    assert set().union(*found.values()) == {"INT8"}


def test_without_images_the_decoder_alone_is_quantised(vae, tmp_path):
    (result,) = export(vae, tmp_path, "tflite", "int8")
    assert result.endpoints == ("decode", "generate")
    assert result.left_out.keys() == {"encode", "reconstruct"}
    assert all("training images" in reason for reason in result.left_out.values())


def test_equal_exports_are_equal_files(vae, images, tmp_path):
    contents = []
    for name in ("one", "two"):
        (result,) = export(vae, tmp_path / name, "tflite", "int8", "decode", images)
        contents.append(result.path.read_bytes())
    assert contents[0] == contents[1]


def test_a_missing_quantiser_is_said_with_what_installs_it(vae, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "litert_quantizer", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-vae\[quantize\]'"):
        export(vae, tmp_path / "exported", "tflite", "int8")
    assert not (tmp_path / "exported").exists()


def test_what_a_file_is_made_of_is_counted_by_another_reader(exported):
    path = file_of(exported, "float32")
    found = operators.inspect(path.read_bytes())
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    for definition in model.signatureDefs:
        count = len(model.subgraphs[definition.subgraphIndex].operators)
        assert sum(found[definition.signatureKey.decode()]["operators"].values()) == count
