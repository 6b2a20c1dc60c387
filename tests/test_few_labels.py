"""Batches of few labels go on from any place and are divided among replicas."""

import keras
import numpy as np
import pytest

import keras_vae as kv

SHAPE = (8, 8, 1)


def make_batches(binarize="dynamic"):
    data = kv.data.load("digits", batch_size=64, labels=True, binarize=binarize)
    return data, kv.data.few_labels(data, 30, labelled_rows=50, seed=3)


def make_vae():
    sizes = {"latent_dim": 2, "condition_dim": 10, "units": (16,)}
    vae = kv.SemiSupervisedVAE(
        kv.networks.conditional_encoder(kv.networks.mlp_encoder, SHAPE, seed=0, **sizes),
        kv.networks.conditional_decoder(kv.networks.mlp_decoder, SHAPE, seed=1, **sizes),
        kv.networks.mlp_classifier(SHAPE, 10, units=(16,), seed=3),
        seed=2,
    )
    vae.compile(keras.optimizers.SGD(0.01))
    return vae


def test_each_label_comes_as_often_as_any_other():
    _, batches = make_batches()
    x = batches.labelled[0]
    shown = np.concatenate([labels.numpy()[-50:] for _, labels in batches])
    counts = np.bincount(shown, minlength=10)
    # All 30 come before one comes again.
    assert counts.max() - counts.min() <= 3 and counts.sum() == 50 * len(batches)
    first = next(iter(batches))[0][-50:-20]
    order = np.abs(first[:, None] - (x > 0.5)).mean(axis=(2, 3, 4)).argmin(axis=1)
    assert len(set(order)) > 20


def test_a_labelled_image_is_binarised_anew_each_time_that_it_comes():
    data = kv.data.load("digits", batch_size=64, binarize="dynamic")
    grey = np.full((2, 8, 8), 0.5)
    batches = kv.data.few_labels(data, (grey, [0, 1]), labelled_rows=2)
    drawn = np.concatenate([x[-2:] for _ in range(2) for x, _ in batches.take(3)])
    assert len(np.unique(drawn, axis=0)) == len(drawn) == 12


def test_an_epoch_goes_on_from_its_midst():
    data, batches = make_batches()
    epochs = [[(x.numpy(), y.numpy()) for x, y in batches] for _ in range(2)]
    batches.set_epoch(1, first_batch=5)
    rest = list(batches.variant(whole_epochs=False))
    assert len(rest) == len(data.train) - 5
    for (x, y), (whole_x, whole_y) in zip(rest, epochs[1][5:], strict=True):
        np.testing.assert_array_equal(x, whole_x)
        np.testing.assert_array_equal(y, whole_y)


class _Cut(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.step.numpy()) >= 42:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_a_training_that_was_cut_off_ends_with_the_same_weights(tmp_path):
    whole = make_vae()
    whole.fit(make_batches()[1], epochs=3, verbose=0)
    options = {"epochs": 3, "verbose": 0}
    with pytest.raises(KeyboardInterrupt):
        checkpoint = kv.callbacks.Checkpoint(tmp_path, every_steps=10)
        make_vae().fit(make_batches()[1], callbacks=[checkpoint, _Cut()], **options)
    resumed = make_vae()
    resumed.fit(make_batches()[1], callbacks=[kv.callbacks.Checkpoint(tmp_path)], **options)
    assert int(resumed.step.numpy()) == int(whole.step.numpy()) == 69
    for one, other in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


ON_TWO = """
import sys
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
sys.path.insert(0, sys.argv[1])
import numpy as np
from test_few_labels import make_batches, make_vae
_, batches = make_batches()
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    vae = make_vae()
found = vae.fit(batches, verbose=0).history
weights = {f"weight_{index}": value for index, value in enumerate(vae.get_weights())}
np.savez(sys.argv[2], loss=found["loss"], accuracy=found["accuracy"], **weights)
"""


@pytest.mark.slow
def test_two_replicas_take_the_steps_of_one(tmp_path, run_python, request):
    """One of them has few labels or none in its rows: what counts is the whole batch."""
    run_python(ON_TWO, request.path.parent, tmp_path / "found.npz")
    found = np.load(tmp_path / "found.npz")
    vae = make_vae()
    history = vae.fit(make_batches()[1], verbose=0).history
    np.testing.assert_allclose(found["loss"], history["loss"], rtol=1e-5)
    np.testing.assert_allclose(found["accuracy"], history["accuracy"], rtol=1e-5)
    for index, weight in enumerate(vae.get_weights()):
        np.testing.assert_allclose(found[f"weight_{index}"], weight, atol=1e-6)


def test_data_without_labels_validate_and_have_no_accuracy():
    vae = make_vae()
    plain = kv.data.load("digits", batch_size=64, binarize="dynamic")
    history = vae.fit(make_batches()[1], validation_data=plain.validation, verbose=0).history
    assert np.isnan(history["val_accuracy"]).all() and np.isfinite(history["val_loss"]).all()
    assert np.isfinite(history["accuracy"]).all()
    assert "accuracy" not in kv.evaluation.evaluate(vae, plain.test, 2)
    for give in (lambda: vae.fit(plain.train, verbose=0), lambda: vae.fit(np.zeros((4, *SHAPE)))):
        with pytest.raises(ValueError, match="learns from x and labels"):
            give()
