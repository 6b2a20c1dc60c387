"""`export`: what it writes, what it refuses, and that a failure leaves no trace."""

import pathlib
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from export import VerificationError, export, load

SHAPE = (4, 4, 1)


@keras.saving.register_keras_serializable("test_export")
class Drifting(keras.layers.Layer):
    """Adds 0.01 in a traced graph, and only there."""

    def call(self, inputs):
        return inputs if tf.executing_eagerly() else inputs + 0.01


@keras.saving.register_keras_serializable("test_export")
class Interrupting(keras.layers.Layer):
    """Presses Ctrl-C when it is traced for a batch of one row."""

    def call(self, inputs):
        if inputs.shape[0] == 1 and not tf.executing_eagerly():
            signal.raise_signal(signal.SIGINT)
        return inputs


@keras.saving.register_keras_serializable("test_export")
class Igamma(keras.layers.Layer):
    """Needs an operator that TFLite does not have."""

    def call(self, inputs):
        return inputs + tf.math.igamma(tf.ones_like(inputs), tf.abs(inputs))


@keras.saving.register_keras_serializable("test_export")
class Forgetful(keras.layers.Layer):
    """Its config leaves out what it was made with."""

    def __init__(self, shift=0.0, **kwargs):
        super().__init__(**kwargs)
        self.shift = shift

    def call(self, inputs):
        return inputs + self.shift

    def get_config(self):
        return {key: value for key, value in super().get_config().items() if key != "shift"}


def unregistered():
    class Unregistered(keras.layers.Layer):
        def call(self, inputs):
            return inputs * 1.0

    return Unregistered()


@keras.saving.register_keras_serializable("test_export")
class Stubborn(keras.layers.Layer):
    """Computes in half precision whatever its policy."""

    def call(self, inputs):
        return tf.cast(tf.cast(inputs, "bfloat16") * 2, "float32")


def vae_with(*layers):
    """A VAE whose decoder ends with the given layers."""
    encoder = kv.networks.mlp_encoder(SHAPE, 2, units=(4,), seed=0)
    z = keras.Input((2,))
    x = keras.layers.Reshape(SHAPE)(keras.layers.Dense(16)(z))
    for layer in layers:
        x = layer(x)
    return kv.VAE(encoder, keras.Model(z, x), seed=0)


def contents(folder):
    """The files below a folder, hidden ones too, with their bytes."""
    folder = pathlib.Path(folder)
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.fixture
def earlier(tmp_path):
    """A folder with the exports of an earlier day, and what is in it."""
    folder = tmp_path / "exported"
    (folder / "saved_model/1/variables").mkdir(parents=True)
    (folder / "saved_model/1/saved_model.pb").write_bytes(b"an earlier graph")
    (folder / "tflite").mkdir()
    (folder / "tflite/model_float32.tflite").write_bytes(b"an earlier file")
    return folder, contents(folder)


def test_a_new_version_stands_beside_the_earlier_ones(trained_vae, earlier):
    folder, before = earlier
    (folder / "saved_model/9").mkdir()
    (result,) = export(trained_vae, str(folder), formats="saved_model")
    assert result.path == folder / "saved_model/10"
    after = contents(folder)
    assert {name: after[name] for name in before} == before
    written = ["README.md", "golden", "report.json", "samples.png"]
    written += ["saved_model", "serving", "tflite"]
    assert sorted(path.name for path in folder.iterdir()) == written
    variables = tf.train.list_variables(str(result.path / "variables/variables"))
    shapes = [tuple(shape) for name, shape in variables if name.endswith("VARIABLE_VALUE")]
    networks = (trained_vae.encoder, trained_vae.decoder)
    expected = [tuple(weight.shape) for network in networks for weight in network.weights]
    assert sorted(shapes) == sorted(expected)


def test_the_results_say_what_was_written(trained_vae, tmp_path):
    folder = tmp_path / "deep" / "exported"
    saved_model, tflite = export(trained_vae, folder, formats=("saved_model", "tflite"))
    assert (saved_model.format, tflite.format) == ("saved_model", "tflite")
    assert saved_model.path == folder / "saved_model/1"
    assert tflite.path == folder / "tflite/model_float32.tflite"
    assert tflite.size == tflite.path.stat().st_size
    assert saved_model.size == sum(len(data or b"") for data in contents(saved_model.path).values())
    for result in (saved_model, tflite):
        assert 0 <= result.worst_error < 1e-5
        assert 0 < result.seconds < 600
        assert load(result.path).generate(2, seed=1).image.shape == (2, *SHAPE)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_a_mixed_precision_vae_is_exported_in_float32(policy, tmp_path, make_vae, images):
    keras.config.set_dtype_policy(policy)
    vae = make_vae()
    vae.fit(images, epochs=2, verbose=0)
    before = [weight.copy() for weight in vae.get_weights()]
    export(vae, tmp_path)
    assert keras.config.dtype_policy().name == policy
    assert vae.decoder.layers[1].compute_dtype != "float32"
    for old, new in zip(before, vae.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    keras.config.set_dtype_policy("float32")
    expected = make_vae()
    expected.set_weights(before)
    for path in ("saved_model", "tflite/model_float32.tflite"):
        exported = load(tmp_path / path)
        draws = exported.generate(4, seed=7)
        np.testing.assert_allclose(draws.image, expected.generate(4, seed=7), rtol=0, atol=1e-5)
        z_mean, z_log_var = exported.encode(images[:4])
        posterior = expected.encode(images[:4])
        np.testing.assert_allclose(z_mean, posterior.z_mean, rtol=0, atol=1e-5)
        np.testing.assert_allclose(z_log_var, posterior.z_log_var, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "error", "words"),
    [
        (lambda: Forgetful(shift=3.0), VerificationError, "get_config must leave something out"),
        (unregistered, ValueError, "cannot be rebuilt.*Unregistered.*register_keras_serializable"),
        (Stubborn, ValueError, "half precision in .*stubborn"),
    ],
)
def test_a_mixed_precision_vae_that_cannot_be_rebuilt_is_refused(tmp_path, layer, error, words):
    keras.config.set_dtype_policy("mixed_bfloat16")
    with pytest.raises(error, match=words):
        export(vae_with(layer()), tmp_path / "exported", formats="saved_model")
    assert contents(tmp_path) == {}
    assert keras.config.dtype_policy().name == "mixed_bfloat16"


@pytest.mark.parametrize("form", ["saved_model", "tflite"])
def test_a_file_that_differs_from_keras_is_set_aside(form, earlier):
    folder, before = earlier
    with pytest.raises(VerificationError) as caught:
        export(vae_with(Drifting()), folder, formats=form)
    name = {"saved_model": "saved_model/2", "tflite": "tflite/model_float32.tflite"}[form]
    # The slope of the sigmoid is at most a quarter.
    words = (
        rf"{folder / 'failed' / name}: `image` of `decode` differs from the Keras model by 0\.002"
    )
    assert caught.match(words)
    after = contents(folder)
    assert {key: value for key, value in after.items() if not key.startswith("failed")} == before
    assert f"failed/{name}" in after and "report.json" not in after


def test_an_interrupted_export_leaves_the_earlier_ones(earlier):
    folder, before = earlier
    with pytest.raises(KeyboardInterrupt):
        export(vae_with(Interrupting()), folder, formats=("saved_model", "tflite"))
    assert contents(folder) == before


@pytest.mark.slow
def test_an_operator_that_tflite_lacks_is_named_with_its_layer(tmp_path, capfd):
    vae = vae_with(Igamma(name="strange_layer"))
    vae.generate(seed=0)
    capfd.readouterr()  # TensorFlow notes on its start that there is no GPU.
    with pytest.raises(ValueError, match=r"Igamma \(at .*strange_layer.*formats") as caught:
        export(vae, tmp_path / "exported", formats=("saved_model", "tflite"))
    assert len(str(caught.value)) < 400
    assert contents(tmp_path) == {}
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_tensorflows_operators_go_in_where_they_are_allowed(tmp_path):
    vae = vae_with(keras.layers.Lambda(lambda x: tf.math.tan(0.1 * x)))
    with pytest.raises(ValueError, match=r"Tan \(at .*allow_flex=True"):
        export(vae, tmp_path, "tflite", endpoints="decode")
    options = {"endpoints": "decode", "allow_flex": True}
    try:
        (result,) = export(vae, tmp_path, "tflite", **options)
    except ValueError as error:
        # The interpreter of current TensorFlows comes without them.
        assert "needs TensorFlow's own operators" in str(error) and "--no-check" in str(error)
        (result,) = export(vae, tmp_path, "tflite", check=False, **options)
        with pytest.raises(ValueError, match="needs TensorFlow's own operators"):
            load(result.path)
    else:
        z = np.array([[0.5, -1.0], [2.0, 0.3]], "float32")
        np.testing.assert_allclose(load(result.path).decode(z), vae.decode(z), rtol=0, atol=1e-5)
    assert b"FlexTan" in result.path.read_bytes()


def test_a_model_whose_weights_are_nan_is_refused(tmp_path, make_vae):
    vae = make_vae()
    vae.set_weights([np.full_like(weight, np.nan) for weight in vae.get_weights()])
    with pytest.raises(VerificationError, match="`image` of `decode` of the Keras model has NaN"):
        export(vae, tmp_path / "exported")
    assert contents(tmp_path) == {}


def test_wrong_arguments_are_refused(tmp_path, trained_vae):
    with pytest.raises(ValueError, match=r"`vae` must be a keras_vae.VAE.*load_model"):
        export(trained_vae.decoder, tmp_path / "exported")
    with pytest.raises(ValueError, match=r"`vae` must be a keras_vae.VAE"):
        export("model.keras", tmp_path / "exported")
    unbuilt = kv.VAE(
        keras.Sequential([keras.layers.Flatten()]), keras.Sequential([keras.layers.Dense(16)])
    )
    with pytest.raises(ValueError, match=r"`vae` must be built.*call it on a batch"):
        export(unbuilt, tmp_path / "exported")
    with pytest.raises(ValueError, match="Did you mean 'tflite'"):
        export(trained_vae, tmp_path / "exported", formats=("tflit",))
    assert contents(tmp_path) == {}
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="`directory` must be a folder"):
        export(trained_vae, tmp_path / "file")
    assert contents(tmp_path) == {"file": b"mine"}


FULL_DISK = """
import pathlib, resource, sys
import keras_vae as kv
from export import export

folder = pathlib.Path(sys.argv[1])
shape = (28, 28, 1)
vae = kv.VAE(kv.networks.mlp_encoder(shape, 2, units=(64,)),
             kv.networks.mlp_decoder(shape, 2, units=(64,)))
(folder / "tflite").mkdir(parents=True)
(folder / "tflite/model_float32.tflite").write_bytes(b"earlier")
# Enough for the weights, but not for the TFLite file; then for neither.
for limit, form in ((425_000, "tflite"), (100_000, "saved_model")):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        export(vae, folder, formats=form)
    except OSError as error:
        print(form, type(error).__name__, error.errno, error)
print((folder / "tflite/model_float32.tflite").read_bytes())
print(sorted(str(path.relative_to(folder)) for path in folder.rglob("*")))
"""


@pytest.mark.slow
def test_a_full_disk_leaves_nothing_half_written(run_python, tmp_path):
    folder = tmp_path / "exported"
    printed = run_python(FULL_DISK, folder).splitlines()
    for form, line in zip(("tflite", "saved_model"), printed, strict=False):
        assert line.startswith(f"{form} OSError")
        assert "Nothing was exported: File too large" in line and str(folder) in line
    assert printed[2:] == ["b'earlier'", "['tflite', 'tflite/model_float32.tflite']"]
