"""Files that `export` did not write: the generator alone, one endpoint, other models, noise."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import keras_vae as kv
from export import load


def test_the_integers_behind_a_draw_are_equal_in_tflite_and_tensorflow(tmp_path):
    seeds = np.array([0, 7, 8, -1, 2**31 - 1, -(2**31)], np.int32)

    def bits(seed):
        first, second = kv.random.bits(seed, 7, stream=kv.random.PRIOR)
        return {"first": first, "second": second}

    archive = keras.export.ExportArchive()
    archive.add_endpoint("bits", bits, [tf.TensorSpec((len(seeds),), "int32", name="seed")])
    archive.write_out(str(tmp_path), verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path), signature_keys=["bits"])
    runner = Interpreter(model_content=converter.convert()).get_signature_runner("bits")
    served = tf.saved_model.load(str(tmp_path)).signatures["bits"](seed=tf.constant(seeds))
    for name, expected in bits(seeds).items():
        assert runner(seed=seeds)[name].dtype == np.uint32
        np.testing.assert_array_equal(runner(seed=seeds)[name], expected)
        np.testing.assert_array_equal(served[name], expected)


def test_a_file_without_an_endpoint_says_what_it_has(tmp_path, trained_vae):
    archive = keras.export.ExportArchive()
    archive.add_endpoint(
        "decode",
        lambda z: {"image": trained_vae.decode(z)},
        [tf.TensorSpec((None, 2), "float32", name="z")],
    )
    archive.write_out(str(tmp_path), verbose=False)
    decoder = load(tmp_path)
    assert decoder.endpoints == ("decode",)
    z = np.ones((1, 2), "float32")
    np.testing.assert_allclose(decoder.decode(z), trained_vae.decode(z), rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match=r"has the endpoints decode. Received: `generate`"):
        decoder.generate()


@pytest.mark.parametrize("head", [b"", b"\x1c\0\0\0TFL3"])
def test_random_bytes_are_refused(tmp_path, head):
    path = tmp_path / "noise.tflite"
    path.write_bytes(head + np.random.default_rng(0).bytes(5000))
    with pytest.raises(ValueError, match=r"noise.tflite must be a file"):
        load(path)


def test_a_foreign_saved_model_is_refused(tmp_path):
    archive = keras.export.ExportArchive()
    archive.add_endpoint(
        "predict", lambda x: {"y": x + 1.0}, [tf.TensorSpec((None, 2), "float32", name="x")]
    )
    archive.add_endpoint(
        "decode", lambda x: {"y": x + 1.0}, [tf.TensorSpec((None, 2), "float32", name="x")]
    )
    archive.write_out(str(tmp_path), verbose=False)
    with pytest.raises(ValueError, match=r"this package exported.*`decode` with inputs \['x'\]"):
        load(tmp_path)


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"nothing\.tflite, which does not exist.*Export a model"):
        load(tmp_path / "nothing.tflite")
    with pytest.raises(ValueError, match=r"a folder without saved_model\.pb"):
        load(tmp_path)
