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


@pytest.mark.slow
@pytest.mark.parametrize(("count", "beta"), [(40, kv.schedules.LinearWarmup(3)), (31, 0.5)])
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


REFUSED = """
import keras, keras_vae as kv
import numpy as np
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
x = np.zeros((8, 4), "float32")

def refusal(objective=None, policy="float32", batch_size=4, **options):
    with strategy.scope():
        keras.config.set_dtype_policy(policy)
        networks = kv.networks.mlp_encoder((4,), 2), kv.networks.mlp_decoder((4,), 2)
        vae = kv.VAE(*networks, objective=objective or kv.objectives.ELBO())
        vae.compile("adam", **options)
    try:
        vae.fit(x, batch_size=batch_size, verbose=0)
    except ValueError as error:
        return str(error)

assert "optimiser that scales the loss" in refusal(policy="mixed_float16")
assert refusal(policy="mixed_bfloat16") is None
assert "steps_per_execution=4" in refusal(steps_per_execution=4)
assert "jit_compile=True" in refusal(jit_compile=True)
assert "at least the number of replicas, 2" in refusal(batch_size=1)
outside = kv.objectives.ELBO(beta=kv.schedules.LinearWarmup(3))
assert "with strategy.scope()" in refusal(objective=outside)
"""


@pytest.mark.slow
def test_what_several_replicas_cannot_do_is_refused(run_python):
    run_python(REFUSED)


PARTS = """
import contextlib, json
import keras, keras_vae as kv
import numpy as np
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1", "CPU:2"])
x = (np.random.default_rng(0).random((37, 4, 4, 1)) < 0.5).astype("float32")
cases = {
    "muon": dict(),
    "warm_up": dict(objective=lambda: kv.objectives.ELBO(kv.schedules.LinearWarmup(share=0.5))),
    "iwae": dict(objective=lambda: kv.objectives.IWAE(3)),
    "mixture": dict(prior=lambda: kv.priors.GaussianMixture(4, seed=3)),
    "real_nvp": dict(prior=lambda: kv.priors.RealNVP(2, seed=3)),
    "vamp": dict(prior=lambda: kv.priors.VampPrior(4, seed=3)),
    "learned": dict(likelihood=lambda: kv.likelihoods.Gaussian("learned")),
    # Of a batch statistic no equality is asked.
    "optimal": dict(likelihood=lambda: kv.likelihoods.Gaussian("optimal")),
    "beta_tc": dict(objective=lambda: kv.objectives.BetaTC(30)),
    "info_vae": dict(objective=lambda: kv.objectives.get("info_vae")),
    "dip": dict(objective=lambda: kv.objectives.get("dip")),
}

def train(scope, parts):
    with scope:
        # Fourteen, fourteen and two rows: at last one replica has none.
        data = kv.data.load(x, 14, validation_fraction=0.2, test_fraction=0)
        networks = [
            getattr(kv.networks, f"mlp_{side}")((4, 4, 1), 2, units=(8,), seed=0)
            for side in ("encoder", "decoder")
        ]
        vae = kv.VAE(*networks, seed=2, **{name: make() for name, make in parts.items()})
        vae.compile(kv.optimizers.muon(vae, 1e-2) if not parts else keras.optimizers.Adam(1e-2))
    history = vae.fit(data.train, validation_data=data.validation, epochs=2, verbose=0).history
    return vae.get_weights(), history

for name, parts in cases.items():
    weights, history = train(strategy.scope(), parts)
    assert all(np.isfinite(value).all() for value in [*weights, *history.values()]), name
    if name in ("optimal", "beta_tc", "info_vae", "dip"):
        continue
    others, other_history = train(contextlib.nullcontext(), parts)
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6, err_msg=name)
    for key, values in history.items():
        np.testing.assert_allclose(values, other_history[key], rtol=1e-5, err_msg=name)
"""


@pytest.mark.slow
def test_every_part_trains_on_three_devices_as_on_one(run_python):
    run_python(PARTS)
