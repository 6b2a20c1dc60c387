"""ONNX files: names, opset, open batch, metadata, and the same numbers in ONNX Runtime."""

import json

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

import keras_vae as kv
from export import export, formats, load

ENDPOINTS = ("decode", "encode", "reconstruct", "generate", "score")


@pytest.fixture(scope="module")
def folder(trained_vae, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    export(trained_vae, folder, "onnx", endpoints=ENDPOINTS, about={"data_set": "patterns"})
    return folder / "onnx/float32"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_file_has_the_names_of_its_endpoint_and_an_open_batch(folder, endpoint):
    model = onnx.load(folder / f"{endpoint}.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [entry.version for entry in model.opset_import if not entry.domain] == [18]
    inputs = [value.name for value in model.graph.input]
    assert inputs == list(formats.ENDPOINTS[endpoint].inputs)
    outputs = {value.name for value in model.graph.output}
    # A graph cannot have an input and an output of one name.
    expected = (
        {"image_out"} if endpoint == "reconstruct" else set(formats.ENDPOINTS[endpoint].outputs)
    )
    assert outputs == expected
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"


def test_the_metadata_is_in_every_file(folder):
    for path in folder.iterdir():
        properties = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
        about = json.loads(properties["keras_vae"])
        assert about["data_set"] == "patterns" and about["latent_dim"] == 2
        assert about["endpoints"] == list(ENDPOINTS)


def test_onnx_runtime_alone_gives_the_same_draws(folder, trained_vae):
    """Without this package's own runtime in between."""
    session = onnxruntime.InferenceSession(str(folder / "generate.onnx"))
    seeds = kv.random.row_seeds(7, 6)
    temperature = np.linspace(0, 1, 6).astype("float32")
    image, z = session.run(["image", "z"], {"seed": seeds, "temperature": temperature})
    np.testing.assert_allclose(z, trained_vae.prior.sample(6, 7, temperature), rtol=0, atol=1e-6)
    np.testing.assert_allclose(
        image, trained_vae.generate(6, temperature, seed=7), rtol=0, atol=1e-5
    )


def test_the_integers_behind_a_draw_are_equal_in_onnx_runtime(tmp_path):
    import tensorflow as tf
    import tf2onnx

    seeds = np.array([0, 7, 8, -1, 2**31 - 1, -(2**31)], np.int32)
    spec = [tf.TensorSpec((None,), "int32", name="seed")]

    @tf.function(input_signature=spec)
    def bits(seed):
        first, second = kv.random.bits(seed, 7, stream=kv.random.PRIOR)
        return {"first": first, "second": second}

    model, _ = tf2onnx.convert.from_function(bits, input_signature=spec, opset=18)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found = session.run(["first", "second"], {"seed": seeds})
    for result, expected in zip(
        found, kv.random.bits(seeds, 7, stream=kv.random.PRIOR), strict=True
    ):
        assert result.dtype == np.uint32
        np.testing.assert_array_equal(result, expected)


def test_one_file_can_be_loaded_alone(folder, trained_vae):
    file = load(folder / "decode.onnx")
    assert file.endpoints == ("decode",)
    z = np.ones((3, 2), "float32")
    np.testing.assert_allclose(file.decode(z), trained_vae.decode(z), rtol=0, atol=1e-5)


def test_a_new_export_takes_the_place_of_the_whole_folder(trained_vae, tmp_path):
    export(trained_vae, tmp_path, "onnx", endpoints=("decode", "encode"))
    (result,) = export(trained_vae, tmp_path, "onnx", endpoints="decode")
    assert [path.name for path in result.path.iterdir()] == ["decode.onnx"]
    assert [path.name for path in (tmp_path / "onnx").iterdir()] == ["float32"]


@pytest.mark.parametrize("content", [b"", b"noise" * 100])
def test_a_foreign_file_is_refused(tmp_path, content):
    (tmp_path / "decode.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=r"decode\.onnx must be a file that this package exported"):
        load(tmp_path / "decode.onnx")


def test_a_truncated_file_is_refused(folder, tmp_path):
    content = (folder / "decode.onnx").read_bytes()
    (tmp_path / "decode.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="ONNX Runtime refuses"):
        load(tmp_path / "decode.onnx")


@keras.saving.register_keras_serializable("test_export_onnx")
class Strange(keras.layers.Layer):
    """Needs an operator that ONNX does not have."""

    def call(self, inputs):
        import tensorflow as tf

        return inputs + tf.math.igamma(tf.ones_like(inputs), tf.abs(inputs))


def test_an_operator_that_onnx_lacks_is_named(tmp_path):
    z = keras.Input((2,))
    x = keras.layers.Reshape((4, 4, 1))(keras.layers.Dense(16)(z))
    decoder = keras.Model(z, Strange(name="strange")(x))
    vae = kv.VAE(kv.networks.mlp_encoder((4, 4, 1), 2, units=(4,)), decoder)
    with pytest.raises(ValueError, match=r"Igamma \(at .*strange.*leave 'onnx' out"):
        export(vae, tmp_path / "exported", "onnx")
    assert not (tmp_path / "exported").exists()


MISSING = """
import sys
for name in ("tf2onnx", "onnxruntime"):
    sys.modules[name] = None
import keras, keras_vae
from export import export, load
for step in (lambda: export(keras.models.load_model(sys.argv[1]), sys.argv[2], "onnx"),
             lambda: load(sys.argv[3])):
    try:
        step()
    except ImportError as error:
        print(error)
"""


@pytest.mark.slow
def test_what_is_missing_is_said_with_what_installs_it(folder, trained_vae, run_python, tmp_path):
    trained_vae.save(tmp_path / "vae.keras")
    printed = run_python(MISSING, tmp_path / "vae.keras", tmp_path / "exported", folder)
    assert "pip install 'keras-vae[onnx]'" in printed.splitlines()[0]
    assert "pip install onnxruntime" in printed.splitlines()[1]
    assert not (tmp_path / "exported").exists()
