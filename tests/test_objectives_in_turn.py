"""Training the same networks for one objective after another."""

import keras
import numpy as np
import pytest

from keras_vae.objectives import IWAE
from keras_vae.priors import RealNVP, StandardNormal, VampPrior


@pytest.mark.slow
@pytest.mark.parametrize(
    "prior",
    [StandardNormal, lambda: VampPrior(3, seed=0), lambda: RealNVP(2, (8,), seed=0)],
    ids=["standard_normal", "vamp", "real_nvp"],
)
def test_another_objective_goes_on_with_the_same_weights(make_vae, images, tmp_path, prior):
    vae = make_vae(prior=prior(), likelihood="gaussian")
    vae.fit(images, epochs=1, verbose=0)
    tighter = vae.with_objective(IWAE(num_samples=5))
    x = images[:20]
    np.testing.assert_array_equal(tighter.elbo(x, seed=1), vae.elbo(x, seed=1))
    weights = [np.array(weight) for weight in vae.trainable_weights]
    tighter.compile(keras.optimizers.Adam(0.01))
    tighter.fit(images, epochs=1, verbose=0)
    # The objective that was given, and weights that are the earlier VAE's own.
    bound = tighter.evaluate(x, verbose=0, return_dict=True)["loss"]
    assert bound < -np.mean(tighter.elbo(x, num_samples=200, seed=1))
    assert all(np.any(a != b) for a, b in zip(weights, vae.trainable_weights, strict=True))
    tighter.save(tmp_path / "tighter.keras")
    loaded = keras.models.load_model(tmp_path / "tighter.keras")
    assert loaded.objective.num_samples == 5
    np.testing.assert_allclose(loaded.elbo(x, seed=1), vae.elbo(x, seed=1), rtol=1e-6)


def test_another_objective_keeps_the_precision(make_vae):
    keras.config.set_dtype_policy("mixed_float16")
    vae = make_vae()
    keras.config.set_dtype_policy("float32")
    tighter = vae.with_objective("iwae")
    tighter.compile("adam")
    assert tighter.dtype_policy == vae.dtype_policy
    assert isinstance(tighter.optimizer, keras.optimizers.LossScaleOptimizer)
