"""Exported files, loaded and run, against the Keras model they were exported from."""

import json
import os
import shutil

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

import keras_vae as kv
from export import export, load

SIGNATURES = {
    "decode": (["z"], ["image"]),
    "encode": (["image"], ["z_log_var", "z_mean"]),
    "reconstruct": (["image"], ["image"]),
    "generate": (["seed", "temperature"], ["image", "z"]),
}

SAVED_MODEL_ALONE = """
import json, sys

class Blocker:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("keras_vae", "export"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocker())
import numpy as np
import tensorflow as tf

path, inputs, outputs = sys.argv[1:]
inputs = dict(np.load(inputs))
names = {"decode": ["z"], "encode": ["image"], "reconstruct": ["image"],
         "generate": ["seed", "temperature"]}
found = {}
model = tf.saved_model.load(path)
for name, keys in names.items():
    tensors = {key: tf.constant(inputs[key]) for key in keys}
    for key, value in model.signatures[name](**tensors).items():
        found[f"eager/{name}/{key}"] = value.numpy()
with tf.compat.v1.Session(graph=tf.Graph()) as session:
    meta_graph = tf.compat.v1.saved_model.loader.load(session, ["serve"], path)
    for name, keys in names.items():
        signature = meta_graph.signature_def[name]
        feed = {signature.inputs[key].name: inputs[key] for key in keys}
        fetch = {key: info.name for key, info in signature.outputs.items()}
        for key, value in session.run(fetch, feed).items():
            found[f"session/{name}/{key}"] = value
np.savez(outputs, **found)
print(json.dumps({
    name: [
        {key: [spec.dtype.name, list(spec.shape)]
         for key, spec in function.structured_input_signature[1].items()},
        sorted(function.structured_outputs),
    ]
    for name, function in model.signatures.items()
}))
"""

TFLITE_ALONE = """
import sys
import numpy as np
from export import load

path, inputs, outputs = sys.argv[1:]
inputs = dict(np.load(inputs))
model = load(path)
image, z = model.generate(temperature=inputs["temperature"], seed=inputs["seed"])
z_mean, z_log_var = model.encode(inputs["image"])
np.savez(outputs, **{
    "decode/image": model.decode(inputs["z"]),
    "encode/z_mean": z_mean,
    "encode/z_log_var": z_log_var,
    "reconstruct/image": model.reconstruct(inputs["image"]),
    "generate/image": image,
    "generate/z": z,
})
print([name for name in ("tensorflow", "keras", "keras_vae", "PIL") if name in sys.modules])
"""


@pytest.fixture(scope="module")
def exported(trained_vae, tmp_path_factory):
    """The folder of a trained VAE, exported in every format."""
    folder = tmp_path_factory.mktemp("exported")
    export(trained_vae, folder)
    return folder


@pytest.fixture(scope="module")
def saved_model(exported):
    return load(exported / "saved_model")


@pytest.fixture(scope="module")
def tflite(exported):
    return load(exported / "tflite" / "model_float32.tflite")


@pytest.fixture(params=["saved_model", "tflite"])
def runtime(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, images):
    """A file of inputs for every endpoint, and the same as a dict."""
    path = tmp_path_factory.mktemp("inputs") / "inputs.npz"
    values = {
        "z": np.random.default_rng(1).normal(size=(3, 2)).astype("float32"),
        "image": images[:3],
        "seed": np.array([7, -8, 2**31 - 1], np.int32),
        "temperature": np.array([1.0, 0.5, 0.0], np.float32),
    }
    np.savez(path, **values)
    return path, values


def assert_equals_keras(vae, found, values):
    """Compare outputs by "endpoint/name" with what the VAE itself gives."""
    posterior = vae.encode(values["image"])
    z = vae.prior.sample(3, values["seed"], values["temperature"])
    expected = {
        "decode/image": vae.decode(values["z"]),
        "encode/z_mean": posterior.z_mean,
        "encode/z_log_var": posterior.z_log_var,
        "reconstruct/image": vae.reconstruct(values["image"]),
        "generate/image": vae.decode(z),
        "generate/z": z,
    }
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        tolerance = 1e-6 if name == "generate/z" else 1e-5
        np.testing.assert_allclose(found[name], value, rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.slow
def test_a_saved_model_runs_where_keras_vae_cannot_be_imported(
    exported, inputs, run_python, tmp_path, trained_vae
):
    path, values = inputs
    printed = run_python(SAVED_MODEL_ALONE, exported / "saved_model/1", path, tmp_path / "o.npz")
    found = dict(np.load(tmp_path / "o.npz"))
    for way in ("eager/", "session/"):
        part = {name[len(way) :]: found[name] for name in found if name.startswith(way)}
        assert_equals_keras(trained_vae, part, values)
    types = {
        "z": ["float32", [None, 2]],
        "image": ["float32", [None, 4, 4, 1]],
        "seed": ["int32", [None]],
        "temperature": ["float32", [None]],
    }
    signatures = json.loads(printed)
    assert signatures.pop("serving_default") == signatures["decode"]
    assert signatures == {
        name: [{key: types[key] for key in taken}, given]
        for name, (taken, given) in SIGNATURES.items()
    }


def test_a_tflite_file_runs_without_tensorflow(exported, inputs, run_python, tmp_path, trained_vae):
    path, values = inputs
    file = exported / "tflite/model_float32.tflite"
    assert run_python(TFLITE_ALONE, file, path, tmp_path / "o.npz").strip() == "[]"
    assert_equals_keras(trained_vae, dict(np.load(tmp_path / "o.npz")), values)


def test_a_tflite_file_has_built_in_operators_and_a_static_batch(exported):
    content = (exported / "tflite/model_float32.tflite").read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    custom = [code for code in model.operatorCodes if code.customCode is not None]
    assert custom == []
    assert schema.BuiltinOperator.CUSTOM not in {code.builtinCode for code in model.operatorCodes}
    interpreter = Interpreter(model_content=content)
    signatures = interpreter.get_signature_list()
    assert {
        name: (sorted(value["inputs"]), sorted(value["outputs"]))
        for name, value in signatures.items()
    } == SIGNATURES
    for name in signatures:
        runner = interpreter.get_signature_runner(name)
        for details in (
            *runner.get_input_details().values(),
            *runner.get_output_details().values(),
        ):
            assert details["shape_signature"][0] == 1


def test_one_seed_gives_the_same_images_everywhere(saved_model, tflite, trained_vae):
    expected = np.asarray(trained_vae.generate(20, temperature=0.8, seed=7))
    draws = [runtime.generate(20, temperature=0.8, seed=7) for runtime in (saved_model, tflite)]
    for image, z in draws:
        np.testing.assert_allclose(image, expected, rtol=0, atol=1e-5)
        np.testing.assert_allclose(z, trained_vae.prior.sample(20, 7, 0.8), rtol=0, atol=1e-6)
    assert len(np.unique(draws[0].z, axis=0)) == 20


def test_a_row_seed_gives_its_row_whatever_stands_beside_it(runtime):
    seeds = kv.random.row_seeds(7, 5)
    batch = runtime.generate(5, seed=7)
    alone = runtime.generate(seed=[seeds[3]])
    np.testing.assert_allclose(alone.z, batch.z[3:4], rtol=0, atol=1e-7)
    np.testing.assert_allclose(alone.image, batch.image[3:4], rtol=0, atol=1e-6)


def test_without_a_seed_each_draw_is_new(runtime):
    assert runtime.generate().image.shape == (1, 4, 4, 1)
    assert np.any(runtime.generate(2).z != runtime.generate(2).z)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda it: it.decode(np.zeros(2)), r"`z` of shape \(B, 2\).*shape \(2,\).*\[None\]"),
        (lambda it: it.decode(np.zeros((1, 3))), r"`z` of shape \(B, 2\).*shape \(1, 3\)"),
        (lambda it: it.decode(np.zeros((0, 2))), r"`z` of shape \(B, 2\).*shape \(0, 2\)"),
        (lambda it: it.decode([[np.nan, 0]]), "`z` of finite numbers.*1 of NaN"),
        (lambda it: it.decode([["a", "b"]]), "`z` must be an array of numbers"),
        (lambda it: it.encode(np.zeros((1, 4, 4))), r"`image` of shape \(B, 4, 4, 1\)"),
        (lambda it: it.reconstruct(np.full((1, 4, 4, 1), np.inf)), "`image` of finite numbers"),
        (lambda it: it.generate(2, temperature=-1), "`temperature` must be a number >= 0"),
        (lambda it: it.generate(2, temperature=[1, 1, 1]), "or 2 of them"),
        (lambda it: it.generate(2, temperature=np.nan), "`temperature` must be"),
        (lambda it: it.generate(2, temperature="hot"), "`temperature` must be an array of numbers"),
        (lambda it: it.generate(2, seed=[1]), "2 int32"),
        (lambda it: it.generate(0), "`n` must be an integer >= 1"),
        (lambda it: it.run("score"), "has the endpoints decode, encode, reconstruct, generate"),
    ],
)
def test_wrong_input_is_refused(runtime, call, words):
    with pytest.raises(ValueError, match=words):
        call(runtime)


def test_the_highest_version_is_loaded_by_number(exported, tmp_path):
    for version in ("2", "10", "9"):
        shutil.copytree(exported / "saved_model/1", tmp_path / version)
    (tmp_path / "11").mkdir()
    (tmp_path / "notes").mkdir()
    assert load(tmp_path).path == tmp_path / "10"
    assert load(tmp_path / "2").path == tmp_path / "2"


@pytest.mark.parametrize("keep", [0, 5, 8, 400, 0.5, 0.99])
def test_a_truncated_tflite_file_is_refused(exported, tmp_path, keep):
    content = (exported / "tflite/model_float32.tflite").read_bytes()
    path = tmp_path / "cut.tflite"
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(ValueError, match=r"cut.tflite must be a file that this package exported"):
        load(path)


@pytest.mark.parametrize("damage", ["graph cut", "graph empty", "weights cut", "weights missing"])
def test_a_damaged_saved_model_is_refused(exported, tmp_path, damage):
    folder = tmp_path / "1"
    shutil.copytree(exported / "saved_model/1", folder)
    if damage == "weights missing":
        shutil.rmtree(folder / "variables")
    else:
        (weights,) = folder.glob("variables/variables.data*")
        file = weights if damage == "weights cut" else folder / "saved_model.pb"
        os.truncate(file, 0 if damage == "graph empty" else 100)
    with pytest.raises(ValueError, match=r"1 must be a file.*TensorFlow refuses"):
        load(folder)
