"""No chunk or batch size changes a number, whatever the parts; many draws fit in the memory."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from linear_gaussian import oblique

import keras_vae as kv

PARTS = {
    "standard_normal": {},
    "gaussian_mixture": {"prior": lambda: kv.priors.GaussianMixture(5, seed=0)},
    "vamp": {"prior": lambda: kv.priors.VampPrior(5, seed=0)},
    "real_nvp": {"prior": lambda: kv.priors.RealNVP(2, units=(8,), seed=0)},
    "inverse_autoregressive": {
        "posterior": lambda: kv.posteriors.FlowPosterior(
            kv.flows.InverseAutoregressiveFlow(2, units=(8,), seed=0)
        )
    },
    "coupling_and_real_nvp": {
        "posterior": lambda: kv.posteriors.FlowPosterior(
            kv.flows.CouplingFlow(2, units=(8,), seed=0)
        ),
        "prior": lambda: kv.priors.RealNVP(2, units=(8,), seed=1),
    },
    "iwae": {"objective": lambda: kv.objectives.IWAE(4)},
    "doubly_reparameterized": {
        "objective": lambda: kv.objectives.IWAE(4, doubly_reparameterized=True),
        "prior": lambda: kv.priors.GaussianMixture(5, seed=0),
    },
}


@pytest.fixture(scope="module", params=PARTS)
def vae(request, make_vae):
    """A VAE whose every weight is off its initial value, so that no part is an identity."""
    vae = make_vae(**{name: make() for name, make in PARTS[request.param].items()})
    rng = np.random.default_rng(4)
    for weight in vae.trainable_weights:
        weight.assign(weight + 0.3 * rng.normal(size=weight.shape))
    return vae


def test_no_chunk_and_no_batch_size_changes_a_number(vae, images):
    x, count = images[:9], 7
    whole = kv.evaluation.evaluate(vae, x, num_samples=count, seed=3)
    log_prob, elbo = vae.log_prob(x, count, seed=3), vae.elbo(x, count, seed=3)
    texts = {name: whole.pop(name, None) for name in ("warning", "aggregate_note")}
    assert whole["nll"] == pytest.approx(-log_prob.mean(), rel=1e-6)
    assert whole["elbo"] == pytest.approx(elbo.mean(), rel=1e-6)
    for batch_size, chunk_size in ((2, None), (5, 4), (9, 20)):
        dataset = tf.data.Dataset.from_tensor_slices(x).batch(batch_size)
        found = kv.evaluation.evaluate(vae, dataset, count, seed=3, chunk_size=chunk_size)
        assert {name: found.pop(name, None) for name in texts} == texts
        assert found == pytest.approx(whole, rel=1e-5, abs=1e-6)
    for chunk_size in (2, 20):
        found = vae.log_prob(x, count, 3, chunk_size), vae.elbo(x, count, 3, chunk_size)
        np.testing.assert_allclose(found, (log_prob, elbo), rtol=1e-5, atol=1e-5)


def test_no_batch_size_changes_what_keras_evaluates(vae, images):
    x = images[:13]
    whole = vae.evaluate(x, batch_size=13, verbose=0, return_dict=True)
    for batch_size in (1, 5):
        found = vae.evaluate(x, batch_size=batch_size, verbose=0, return_dict=True)
        assert found == pytest.approx(whole, rel=1e-5)


def test_without_a_closed_form_the_kl_is_the_mean_over_the_same_draws(vae, images):
    x, count = images[:4], 6
    seeds = kv.random.row_seeds(5, 4)
    terms = vae.seeded_terms(x, seeds, np.arange(count, dtype="int32"))
    closed = vae.prior.kl(*vae.encode(x)[:2]) if vae.posterior.is_gaussian else None
    assert (terms.kl is None) == (closed is None)
    sampled = (terms.log_qz - terms.log_pz).numpy().mean(axis=0)
    found = kv.bounds.estimate(vae, x, count, seed=5).kl
    np.testing.assert_allclose(found, sampled if closed is None else closed, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_samples", [0, -3, 2.5])
def test_draws_below_one_are_refused_by_every_measure(num_samples, trained_vae, images):
    for measure in (trained_vae.elbo, trained_vae.log_prob):
        with pytest.raises(ValueError, match="`num_samples` must be an integer >= 1"):
            measure(images, num_samples)
    with pytest.raises(ValueError, match="`num_samples` must be an integer >= 1"):
        kv.evaluation.evaluate(trained_vae, images, num_samples)


class Counting(kv.VAE):
    """A VAE that notes how many draws it has decoded at a time."""

    decoded = ()

    def seeded_terms(self, x, seeds, samples):
        self.decoded = [*self.decoded, len(x) * len(samples)]
        return super().seeded_terms(x, seeds, samples)


def test_very_many_draws_are_decoded_in_parts_that_fit_in_the_memory():
    model = oblique(2, 3, 2)
    plain, x = model.vae(stretch=1.3), model.draw(2)
    vae = Counting(plain.encoder, plain.decoder, kv.likelihoods.Gaussian(model.scale), seed=0)
    found = vae.log_prob(x, 200_000, seed=1)
    assert sum(vae.decoded) == 400_000 and max(vae.decoded) <= 8_000
    np.testing.assert_allclose(found, model.log_prob(x), atol=0.02)


def test_large_examples_are_decoded_a_few_at_a_time():
    inputs, z = keras.Input((1000, 1000, 1)), keras.Input((1,))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    encoder = keras.Model(inputs, [keras.layers.Dense(1)(pooled) for _ in range(2)])
    shape = keras.layers.Reshape((1, 1, 1))(z)
    vae = Counting(encoder, keras.Model(z, keras.layers.UpSampling2D(1000)(shape)), seed=0)
    vae.elbo(np.zeros((2, 1000, 1000, 1), "float32"), num_samples=2, seed=0)
    assert vae.decoded == [1, 1, 1, 1]
