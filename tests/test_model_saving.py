"""What a `.keras` file keeps: predictions, parts, optimiser and step, also in a new process."""

import json

import keras
import numpy as np
import pytest

import keras_vae as kv
from keras_vae.layers import Sampling
from keras_vae.likelihoods import Gaussian
from keras_vae.objectives import ELBO
from keras_vae.schedules import LinearWarmup

# Nothing but Keras and the package, and no custom objects.
RELOAD = """
import sys
import keras, keras_vae
import numpy as np
model_path, data_path, result_path, epochs = sys.argv[1:]
images = np.load(data_path)
vae = keras.models.load_model(model_path)
results = {"predictions": vae.predict(images, verbose=0), "elbo": vae.elbo(images, seed=1)}
history = vae.fit(images, batch_size=20, epochs=int(epochs), shuffle=False, verbose=0).history
results |= {f"weight_{index}": value for index, value in enumerate(vae.get_weights())}
results |= {f"history_{name}": values for name, values in history.items()}
np.savez(result_path, iterations=int(vae.optimizer.iterations), **results)
"""


@keras.saving.register_keras_serializable("test_model_saving")
class RegisteredEncoder(keras.Model):
    def __init__(self, latent_dim, **kwargs):
        super().__init__(**kwargs)
        self.latent_dim = latent_dim
        self.flatten = keras.layers.Flatten()
        self.mean, self.log_var = keras.layers.Dense(latent_dim), keras.layers.Dense(latent_dim)

    def call(self, x):
        x = self.flatten(x)
        return self.mean(x), self.log_var(x)

    def get_config(self):
        return {**super().get_config(), "latent_dim": self.latent_dim}


def assert_same_weights(first, second, atol=0.0):
    for value, target in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(value, target, rtol=0, atol=atol)


def test_a_new_process_predicts_the_same_and_trains_on_as_if_never_stopped(
    make_vae, images, tmp_path, run_python
):
    options = {"objective": ELBO(LinearWarmup(12), 0.1), "likelihood": Gaussian("learned")}
    fit = {"batch_size": 20, "shuffle": False, "verbose": 0}
    stopped = make_vae(**options)
    stopped.fit(images, epochs=2, **fit)
    stopped.save(tmp_path / "vae.keras")
    predictions, elbo = stopped.predict(images, verbose=0), stopped.elbo(images, seed=1)
    np.save(tmp_path / "images.npy", images)
    names = [tmp_path / name for name in ("vae.keras", "images.npy", "results.npz")]
    run_python(RELOAD, *names, 3)
    results = np.load(names[2])
    np.testing.assert_allclose(results["predictions"], predictions, atol=1e-7)
    np.testing.assert_allclose(results["elbo"], elbo, rtol=1e-6)

    options = {"objective": ELBO(LinearWarmup(12), 0.1), "likelihood": Gaussian("learned")}
    whole = make_vae(**options)
    history = whole.fit(images, epochs=5, **fit).history
    assert results["iterations"] == int(whole.optimizer.iterations) == 10
    for name, values in history.items():
        np.testing.assert_allclose(results[f"history_{name}"], values[2:], rtol=1e-5)
    for index, weight in enumerate(whole.get_weights()):
        np.testing.assert_allclose(results[f"weight_{index}"], weight, atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_reloaded_model_is_the_same_in_every_part(policy, make_vae, images, tmp_path):
    keras.config.set_dtype_policy(policy)
    vae = make_vae(
        likelihood=Gaussian("per_element"),
        params_per_channel=2,
        objective=ELBO(0.5, free_bits=0.2),
        seed=-(2**40),
        name="my_vae",
        optimizer=keras.optimizers.AdamW(0.003, weight_decay=0.01),
    )
    vae.fit(images, verbose=0)
    vae.save(tmp_path / "vae.keras")
    # A file knows its own policy.
    keras.config.set_dtype_policy("float32")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    assert (loaded.seed, loaded.name) == (-(2**40), "my_vae")
    assert loaded.optimizer.get_config() == vae.optimizer.get_config()
    assert type(loaded.optimizer) is type(vae.optimizer)
    assert (loaded.event_shape, loaded.latent_dim) == (vae.event_shape, vae.latent_dim)
    assert json.dumps(loaded.get_config()) == json.dumps(vae.get_config())
    np.testing.assert_array_equal(loaded(images), vae(images))
    np.testing.assert_array_equal(loaded.generate(4, seed=3), vae.generate(4, seed=3))
    for model in (vae, loaded):
        model.fit(images, epochs=2, shuffle=False, verbose=0)
    assert_same_weights(loaded, vae, atol=1e-6)
    assert loaded.evaluate(images, verbose=0) == pytest.approx(
        vae.evaluate(images, verbose=0), rel=1e-5
    )


def test_a_clone_from_the_config_has_the_parts_and_fresh_weights(make_vae, images):
    vae = make_vae(objective=ELBO(2.0), likelihood=Gaussian(0.3))
    clone = kv.VAE.from_config(vae.get_config())
    assert (clone.objective.beta, clone.likelihood.scale, clone.seed) == (2.0, 0.3, 2)
    clone.set_weights(vae.get_weights())
    np.testing.assert_array_equal(clone(images), vae(images))


def test_weights_alone_are_saved_and_loaded(make_vae, images, tmp_path):
    vae, other = make_vae(), make_vae(network_seed=9)
    vae.save_weights(tmp_path / "vae.weights.h5")
    assert np.abs(np.subtract(vae(images), other(images))).max() > 1e-3
    other.load_weights(tmp_path / "vae.weights.h5")
    np.testing.assert_array_equal(other(images), vae(images))


def test_a_registered_subclass_of_a_network_is_saved_and_trains_on(images, tmp_path):
    decoder = keras.Sequential([keras.layers.Dense(16), keras.layers.Reshape((4, 4, 1))])
    vae = kv.VAE(RegisteredEncoder(3), decoder, seed=1)
    vae(images)
    vae.compile(keras.optimizers.Adam(0.01))
    vae.fit(images, verbose=0)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    assert isinstance(loaded.encoder, RegisteredEncoder)
    np.testing.assert_array_equal(loaded(images), vae(images))
    for model in (vae, loaded):
        model.fit(images, epochs=2, shuffle=False, verbose=0)
    assert_same_weights(loaded, vae, atol=1e-6)


def test_an_unseeded_model_keeps_no_seed_and_trains_with_fresh_noise(make_vae, images, tmp_path):
    vae = make_vae(seed=None)
    vae.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    assert loaded.seed is None
    losses = [model.evaluate(images, verbose=0)[0] for model in (vae, loaded)]
    assert losses[0] != losses[1]


def test_sampling_is_the_reparameterisation_and_survives_its_config():
    layer = Sampling.from_config(Sampling(seed=5).get_config())
    mean, log_var = np.full((4000, 2), 3.0, "float32"), np.full((4000, 2), -1.0, "float32")
    noise = np.random.default_rng(0).normal(size=(3, 4000, 2)).astype("float32")
    expected = 3.0 + np.exp(-0.5) * noise
    np.testing.assert_allclose(layer([mean, log_var], noise=noise), expected, rtol=1e-5)
    np.testing.assert_array_equal(layer([mean, log_var]), mean)
    drawn = np.asarray(layer([mean, log_var], training=True))
    np.testing.assert_array_equal(drawn, Sampling(seed=5)([mean, log_var], training=True))
    assert drawn.mean() == pytest.approx(3, abs=4 * np.exp(-0.5) / np.sqrt(8000))
    assert drawn.std() == pytest.approx(np.exp(-0.5), rel=0.04)
