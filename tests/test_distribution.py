"""Training on several devices equals training on one at the same global batch."""

import keras
import numpy as np
import pytest

import keras_vae as kv

STEPS = """
import sys
import keras, keras_vae
import numpy as np
import tensorflow as tf
model_path, data_path, result_path = sys.argv[1:]
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
images = np.load(data_path)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    vae = keras.models.load_model(model_path)
assert strategy.num_replicas_in_sync == 2
data = tf.data.Dataset.from_tensor_slices(images).batch(20)
history = vae.fit(data, verbose=0).history
history["loss"] += [vae.evaluate(data, verbose=0, return_dict=True)["loss"]]
weights = {f"weight_{index}": value for index, value in enumerate(vae.get_weights())}
np.savez(result_path, loss=history["loss"], **weights)
"""


@pytest.mark.parametrize(
    ("count", "beta"),
    [
        pytest.param(40, kv.schedules.LinearWarmup(3), marks=pytest.mark.slow),
        (31, 0.5),
    ],
)
def test_two_mirrored_devices_take_the_steps_of_one(
    count, beta, make_vae, images, tmp_path, run_python
):
    """Also where the last batch is too small to be divided evenly."""
    images = images[:count]
    vae = make_vae(
        optimizer=keras.optimizers.SGD(0.1),
        likelihood=kv.likelihoods.Gaussian("learned"),
        objective=kv.objectives.ELBO(beta),
    )
    # Regularisation is no mean over the rows, and must not count once for each device.
    layer = vae.decoder.layers[-2]
    layer.kernel_regularizer = layer.kernel.regularizer = keras.regularizers.L2(0.1)
    paths = [tmp_path / name for name in ("vae.keras", "images.npy", "results.npz")]
    vae.save(paths[0])
    np.save(paths[1], images)
    run_python(STEPS, *paths)
    results = np.load(paths[2])
    history = vae.fit(images, batch_size=20, shuffle=False, verbose=0).history
    for index, weight in enumerate(vae.get_weights()):
        np.testing.assert_allclose(results[f"weight_{index}"], weight, atol=1e-6)
    evaluated = vae.evaluate(images, batch_size=20, verbose=0, return_dict=True)["loss"]
    np.testing.assert_allclose(results["loss"], [*history["loss"], evaluated], rtol=1e-5)
