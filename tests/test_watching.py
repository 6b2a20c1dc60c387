"""What a training shows: the log, the lines, TensorBoard, and that it waits for its data."""

import io
import re
import subprocess
import sys
import time
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_vae as kv
from keras_vae.callbacks import Progress, TensorBoard

ROWS = {"batch_size": 20, "verbose": 0}


def test_the_log_has_the_learning_rate_at_the_end_of_each_epoch(make_vae, images):
    rate = keras.optimizers.schedules.CosineDecay(0.01, 6)
    history = make_vae(optimizer=keras.optimizers.Adam(rate)).fit(images, epochs=3, **ROWS).history
    expected = 0.005 * (1 + np.cos(np.pi * np.array([2, 4, 6]) / 6))
    np.testing.assert_allclose(history["learning_rate"], expected, atol=1e-9)


def test_a_line_an_epoch_says_nats_pace_and_time_left(make_vae, images):
    class Slow(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            time.sleep(0.1)

    shown = io.StringIO()
    callbacks = [Slow(), Progress(40, 20, shown)]
    fit = {"validation_data": images, "epochs": 3, "callbacks": callbacks}
    history = make_vae().fit(images, **fit, **ROWS).history
    lines = shown.getvalue().splitlines()
    assert len(lines) == 3
    for epoch, line in enumerate(lines):
        loss, validation, pace = re.fullmatch(
            rf"Epoch {epoch + 1}/3: loss (\S+) nats, validation (\S+), ([\d,]+) images/s"
            r"(, .* left)?",
            line,
        ).groups()[:3]
        assert float(loss) == pytest.approx(history["loss"][epoch], abs=0.006)
        assert float(validation) == pytest.approx(history["val_loss"][epoch], abs=0.006)
    # Forty images in a fifth of a second, and what the steps take.
    assert 20 < float(pace.replace(",", "")) < 200
    assert lines[0].endswith("left") and not lines[2].endswith("left")


@pytest.fixture(scope="module")
def events(make_vae, images, tmp_path_factory):
    """The history of a training, and what TensorBoard reads of it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = tmp_path_factory.mktemp("events")
    callback = TensorBoard(folder, images, every_epochs=2)
    vae = make_vae()
    history = vae.fit(images, epochs=4, callbacks=[callback], **ROWS).history
    found = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    found.Reload()
    return vae, history, found


def test_tensorboard_reads_the_history(events):
    _, history, found = events
    for name, values in history.items():
        read = [tf.make_ndarray(event.tensor_proto).item() for event in found.Tensors(name)]
        np.testing.assert_allclose(read, values, rtol=1e-6)


def test_tensorboard_shows_pictures_every_other_epoch(events):
    vae, _, found = events
    for name in ("samples", "reconstructions", "z"):
        assert [event.step for event in found.Tensors(name)] == [1, 3]
    encoded = found.Tensors("samples")[-1].tensor_proto.string_val[2]
    picture = np.asarray(Image.open(io.BytesIO(encoded)))
    expected = kv.plotting.image_grid(vae.generate(64, seed=0))
    np.testing.assert_array_equal(picture, expected[..., 0])


def test_tensorboard_shows_the_kl_of_each_unit(events, images):
    vae, _, found = events
    buckets = tf.make_ndarray(found.Tensors("kl_of_units")[-1].tensor_proto)
    assert buckets[:, 2].sum() == vae.latent_dim
    mean, log_var = vae.encode(images)
    expected = vae.prior.kl(mean, log_var)
    middle = (buckets[:, :2].mean(axis=1) * buckets[:, 2]).sum()
    width = (buckets[:, 1] - buckets[:, 0]).max() * vae.latent_dim
    assert middle == pytest.approx(float(np.mean(expected)), abs=max(width, 1e-3))


@pytest.mark.slow
def test_without_the_extra_its_name_is_said():
    code = """
import sys
sys.modules["tensorboard"] = None
import keras_vae as kv
try:
    kv.callbacks.TensorBoard("logs", [[0.0]])
except ImportError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'keras-vae[tensorboard]'" in found.stdout


def batches(images, seconds):
    """Batches each of which takes a while to make."""

    def slow(x):
        time.sleep(seconds)
        return x

    data = tf.data.Dataset.from_tensor_slices(np.tile(images, (25, 1, 1, 1))).batch(20)
    data = data.map(lambda x: tf.ensure_shape(tf.numpy_function(slow, [x], tf.float32), x.shape))
    return data.prefetch(4)


@pytest.mark.slow
def test_a_training_that_waits_for_its_data_is_told_once(make_vae, images):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make_vae().fit(batches(images, 0.06), epochs=2, verbose=0)
    told = [str(each.message) for each in caught if "waited for its data" in str(each.message)]
    assert len(told) == 1
    assert int(re.search(r"for (\d+)%", told[0]).group(1)) > 70


@pytest.mark.slow
def test_a_training_that_is_waited_for_is_not(make_vae, images):
    class Slow(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            time.sleep(0.06)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make_vae().fit(batches(images, 0.001), epochs=1, verbose=0, callbacks=[Slow()])
    assert not [each for each in caught if "waited for its data" in str(each.message)]
