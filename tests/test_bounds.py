"""Bounds on log p(x): exact where p(x) is known, ordered, and the same in any chunks."""

import keras
import numpy as np
import pytest
from scipy import special, stats

import keras_vae as kv

PIXELS, LATENT, SCALE = 5, 2, 0.6


def decoder_weights(orthogonal):
    weights = np.random.default_rng(3).normal(size=(LATENT, PIXELS))
    if orthogonal:
        # Orthogonal rows make the posterior's covariance diagonal.
        weights[1] -= weights[0] * (weights[0] @ weights[1]) / (weights[0] @ weights[0])
    return weights, np.linspace(-1, 1, PIXELS)


def linear_gaussian_vae(orthogonal=True, stretch=1.0):
    """A VAE whose p(x) is normal; q(z|x) is the exact posterior where both are left alone."""
    weights, bias = decoder_weights(orthogonal)
    precision = np.eye(LATENT) + weights @ weights.T / SCALE**2
    to_mean = weights.T @ np.linalg.inv(precision) / SCALE**2
    log_var = -np.log(np.diag(precision)) + 2 * np.log(stretch)
    image, z = keras.Input((PIXELS,)), keras.Input((LATENT,))
    mean_layer, log_var_layer = keras.layers.Dense(LATENT), keras.layers.Dense(LATENT)
    out_layer = keras.layers.Dense(PIXELS)
    vae = kv.VAE(
        keras.Model(image, [mean_layer(image), log_var_layer(image)]),
        keras.Model(z, out_layer(z)),
        likelihood=kv.likelihoods.Gaussian(SCALE),
        seed=0,
    )
    mean_layer.set_weights([to_mean, -bias @ to_mean])
    log_var_layer.set_weights([np.zeros((PIXELS, LATENT)), log_var])
    out_layer.set_weights([weights, bias])
    return vae


def exact_density(orthogonal=True):
    weights, bias = decoder_weights(orthogonal)
    return stats.multivariate_normal(bias, weights.T @ weights + SCALE**2 * np.eye(PIXELS))


def data_of(density, n=6):
    return density.rvs(n, random_state=1).astype("float32")


@pytest.mark.parametrize("num_samples", [1, 2, 50])
def test_with_the_exact_posterior_every_bound_is_the_exact_density(num_samples):
    density, vae = exact_density(), linear_gaussian_vae()
    x = data_of(density)
    log_prob = vae.log_prob(x, num_samples, seed=4)
    np.testing.assert_allclose(log_prob, density.logpdf(x), rtol=1e-5, atol=1e-5)
    # And so is the ELBO, up to the noise of its reconstruction term.
    elbos = vae.elbo(x, num_samples=20_000, seed=4)
    np.testing.assert_allclose(elbos, density.logpdf(x), atol=0.05)


@pytest.mark.parametrize(
    ("orthogonal", "stretch"), [(True, 1.3), (False, 1.2)], ids=["too_wide", "too_factorised"]
)
def test_with_another_posterior_log_prob_converges_to_the_exact_density(orthogonal, stretch):
    density, vae = exact_density(orthogonal), linear_gaussian_vae(orthogonal, stretch)
    x = data_of(density)
    repeats = np.stack([vae.log_prob(x, 4000, seed=seed) for seed in range(12)])
    standard_error = repeats.std(axis=0, ddof=1) / np.sqrt(len(repeats))
    error = np.abs(repeats.mean(axis=0) - density.logpdf(x))
    assert (error < 4.5 * standard_error).all()
    assert (standard_error < 0.02).all()
    # The ELBO stays below by KL(q || posterior), which is the same for each x.
    weights, _ = decoder_weights(orthogonal)
    precision = np.eye(LATENT) + weights @ weights.T / SCALE**2
    variance = stretch**2 / np.diag(precision)
    gap = 0.5 * (np.trace(precision * variance) - LATENT)
    gap -= 0.5 * (np.log(variance).sum() + np.linalg.slogdet(precision)[1])
    elbos = vae.elbo(x, num_samples=20_000, seed=1)
    assert gap > 0.05
    np.testing.assert_allclose(elbos, density.logpdf(x) - gap, atol=0.06)


def test_bounds_equal_their_formula_in_numpy(trained_vae, images):
    x, count = images[:5], 9
    z_mean, z_log_var = (np.asarray(part, np.float64) for part in trained_vae.encode(x))
    seeds = kv.random.row_seeds(3, 5)
    noise = np.asarray(kv.random.normals(seeds, 2, np.arange(count, dtype=np.int32)), np.float64)
    scale = np.exp(0.5 * z_log_var)
    z = z_mean + scale * noise
    logits = np.asarray(trained_vae.decoder(z.reshape(-1, 2).astype("float32")), np.float64)
    p = special.expit(logits).reshape(count, 5, 16)
    log_px = stats.bernoulli.logpmf(x.reshape(5, 16), p).sum(axis=-1)
    log_ratio = (stats.norm.logpdf(z) - stats.norm.logpdf(z, z_mean, scale)).sum(axis=-1)
    kl = 0.5 * (np.exp(z_log_var) + z_mean**2 - 1 - z_log_var).sum(axis=-1)
    bounds = kv.bounds.estimate(trained_vae, x, count, seed=3)
    np.testing.assert_allclose(bounds.log_px, log_px.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(bounds.kl, kl, rtol=1e-4)
    expected = special.logsumexp(log_px + log_ratio, axis=0) - np.log(count)
    np.testing.assert_allclose(bounds.log_prob, expected, rtol=1e-5)
    np.testing.assert_allclose(
        trained_vae.elbo(x, count, seed=3), log_px.mean(axis=0) - kl, rtol=1e-5
    )


def test_elbo_is_below_log_prob_which_rises_with_the_number_of_samples(trained_vae, images):
    x = np.tile(images, (50, 1, 1, 1))
    means = [trained_vae.log_prob(x, count, seed=6).mean() for count in (1, 5, 50, 500)]
    assert all(np.diff(means) > 0) and means[3] - means[0] > 0.05
    assert trained_vae.elbo(x, 50, seed=6).mean() < means[1]
    # One draw of the weight is as good a guess of the ELBO as any.
    spread = trained_vae.log_prob(x, 1, seed=6).std() / np.sqrt(len(x))
    assert abs(trained_vae.elbo(x, 500, seed=6).mean() - means[0]) < 4 * spread


def test_with_the_same_draws_log_prob_is_never_below_the_mean_log_weight(trained_vae, images):
    whole = trained_vae.log_prob(images, 40, seed=2)
    singles = [
        trained_vae.seeded_terms(images, kv.random.row_seeds(2, 40), np.array([k], np.int32))
        for k in range(40)
    ]
    log_weights = [np.asarray(t.log_px + t.log_pz - t.log_qz)[0] for t in singles]
    assert (whole >= np.mean(log_weights, axis=0) - 1e-4).all()


@pytest.mark.parametrize("chunk_size", [1, 3, 7, 49, 50, 51, 100, 333, 100_000])
def test_no_chunk_size_changes_a_bound(chunk_size, trained_vae, images):
    whole = kv.bounds.estimate(trained_vae, images[:7], 50, seed=8)
    chunked = kv.bounds.estimate(trained_vae, images[:7], 50, seed=8, chunk_size=chunk_size)
    for expected, result in zip(whole, chunked, strict=True):
        # A log-weight of 30 nats has 30 times float32's error, and so has what it is worth.
        np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_the_examples_beside_it_change_no_bound(trained_vae, images):
    seeds = kv.random.row_seeds(5, 40)
    whole = trained_vae.log_prob(images, 30, seed=5)
    for rows in ([0], [3, 17], [39, 0, 20]):
        apart = trained_vae.log_prob(images[rows], 30, seed=seeds[rows])
        np.testing.assert_allclose(apart, whole[rows], rtol=1e-6)


def test_a_seed_repeats_a_bound_another_or_none_changes_it(trained_vae, images):
    first = trained_vae.log_prob(images, 3, seed=1)
    np.testing.assert_array_equal(first, trained_vae.log_prob(images, 3, seed=1))
    for seed in (2, None):
        assert (np.abs(first - trained_vae.log_prob(images, 3, seed=seed)) > 1e-4).mean() > 0.9


@pytest.mark.parametrize("name", ["num_samples", "chunk_size"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True])
@pytest.mark.parametrize("bound", ["elbo", "log_prob"])
def test_counts_below_one_are_refused_by_name(bound, name, value, trained_vae, images):
    with pytest.raises(ValueError, match=f"`{name}` must be an integer >= 1. Received: {name}="):
        getattr(trained_vae, bound)(images, **{name: value})


def test_a_decoder_of_many_parameters_takes_fewer_draws_at_a_time(monkeypatch):
    """256 logits for each of 784 pixels: 0.8 MB for each draw, and some times as much around."""
    shape = (28, 28, 1)
    vae = kv.VAE(
        kv.networks.mlp_encoder(shape, 2, units=(2,), seed=0),
        kv.networks.mlp_decoder(shape, 2, units=(2,), params_per_channel=256, seed=1),
        likelihood=kv.likelihoods.Categorical(256),
        seed=2,
    )
    decoded = []
    terms, slope = vae.seeded_terms, vae.log_weights_and_slope

    def seeded_terms(x, seeds, samples):
        decoded.append(len(x) * len(samples))
        return terms(x, seeds, samples)

    def log_weights_and_slope(x, noise):
        decoded.append(noise.shape[0] * noise.shape[1])
        return slope(x, noise)

    monkeypatch.setattr(vae, "seeded_terms", seeded_terms)
    monkeypatch.setattr(vae, "log_weights_and_slope", log_weights_and_slope)
    x = np.zeros((1, *shape), "float32")
    vae.log_prob(x, num_samples=200, seed=0)
    assert sum(decoded) == 200 and max(decoded) * 784 * 256 <= 20e6
    decoded.clear()
    kv.annealing.lower_bound(vae, x, num_steps=1, num_chains=2, seed=0)
    assert max(decoded) * 784 * 256 <= 20e6
