"""p(z) against SciPy's mixtures, integrals on a grid and moments of samples."""

import keras
import numpy as np
import pytest
from scipy import special, stats

import keras_vae as kv
from keras_vae.priors import GaussianMixture, RealNVP, StandardNormal, VampPrior, mixtures

SHAPE = (3, 3, 1)


def randomise(layer, seed=0, scale=0.4):
    """Move every weight away from where it starts."""
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign_add(scale * rng.normal(size=weight.shape))
    return layer


def built(prior, latent_dim=2):
    prior.build((None, latent_dim))
    return prior


def mixture(latent_dim=2, num_components=3, seed=0):
    return randomise(built(GaussianMixture(num_components, seed=seed), latent_dim), seed)


def vamp_vae(network_seed=0, **options):
    """A small VAE whose posteriors differ much from one input to another."""
    vae = kv.VAE(
        kv.networks.mlp_encoder(SHAPE, 2, units=(6,), seed=network_seed),
        kv.networks.mlp_decoder(SHAPE, 2, units=(6,), seed=1),
        prior=VampPrior(**{"num_components": 4, "initial_mean": 0.5, "seed": 3, **options}),
        seed=2,
    )
    randomise(vae.prior, 5)
    return randomise(vae.encoder, 6) and vae


PRIORS = {
    "standard_normal": lambda: built(StandardNormal()),
    "gaussian_mixture": mixture,
    "vamp": lambda: vamp_vae().prior,
    "real_nvp": lambda: randomise(built(RealNVP(3, (8,), seed=0)), 1, scale=0.2),
}


def mixture_reference(z, weights, means, log_vars):
    """The density of a mixture in float64 by SciPy: `(N,)`."""
    means, log_vars = np.asarray(means, np.float64), np.asarray(log_vars, np.float64)
    each = stats.norm.logpdf(np.asarray(z, np.float64)[:, None], means, np.exp(0.5 * log_vars))
    return special.logsumexp(each.sum(axis=-1), b=weights, axis=-1)


@pytest.mark.parametrize("name", PRIORS)
def test_the_density_integrates_to_one(name):
    prior = PRIORS[name]()
    draws = np.asarray(prior.sample(2000, seed=0))
    low, high = draws.min(axis=0), draws.max(axis=0)
    axes = [
        np.linspace(start - 0.6 * (end - start), end + 0.6 * (end - start), 321)
        for start, end in zip(low, high, strict=True)
    ]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype("float32")
    density = np.exp(np.asarray(prior.log_prob(grid), np.float64))
    assert density.shape == (321, 321)
    inner = np.trapezoid(density, axes[1], axis=1)
    assert np.trapezoid(inner, axes[0]) == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("name", PRIORS)
def test_samples_follow_the_density(name):
    prior = PRIORS[name]()
    # E_p[q(z) / p(z)] is one for any density q, here a wide normal around the samples.
    draws = np.asarray(prior.sample(6000, seed=1))
    centre, scale = draws.mean(axis=0), 0.6 * draws.std(axis=0)
    log_q = stats.norm.logpdf(draws, centre, scale).sum(axis=-1)
    ratios = np.exp(log_q - np.asarray(prior.log_prob(draws), np.float64))
    assert abs(ratios.mean() - 1) < 4.5 * ratios.std() / np.sqrt(6000)
    assert ratios.std() < 10


@pytest.mark.parametrize("name", PRIORS)
def test_a_sample_is_a_function_of_seed_and_row(name):
    prior = PRIORS[name]()
    whole = np.asarray(prior.sample(9, seed=7))
    np.testing.assert_allclose(prior.sample(4, seed=7), whole[:4], rtol=1e-5, atol=1e-6)
    seeds = kv.random.row_seeds(7, 9)
    np.testing.assert_allclose(prior.sample(3, seeds[6:]), whole[6:], rtol=1e-5, atol=1e-6)
    assert np.abs(np.asarray(prior.sample(9, seed=8)) - whole).min() > 1e-6
    one_each = np.asarray(prior.sample(9, seed=7, temperature=np.linspace(0, 2, 9)))
    np.testing.assert_allclose(one_each[4], whole[4], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("latent_dim", [1, 2, 5])
def test_a_gaussian_mixture_equals_scipy(latent_dim):
    prior = mixture(latent_dim, 4)
    z = np.random.default_rng(1).normal(size=(3, 5, latent_dim)).astype("float32")
    weights = special.softmax(np.asarray(prior.logits, np.float64))
    flat = z.reshape(-1, latent_dim)
    expected = mixture_reference(flat, weights, prior.means, prior.log_vars).reshape(3, 5)
    np.testing.assert_allclose(prior.log_prob(z), expected, rtol=1e-5, atol=1e-5)


def test_a_vamp_prior_is_the_mean_of_the_posteriors_of_its_clipped_pseudo_inputs():
    vae = vamp_vae()
    inputs = np.asarray(vae.prior.pseudo_inputs)
    assert inputs.min() < 0 and inputs.max() > 1
    posterior = vae.encode(np.clip(inputs, 0, 1))
    z = np.random.default_rng(1).normal(size=(6, 2)).astype("float32")
    expected = mixture_reference(z, np.full(4, 0.25), posterior.z_mean, posterior.z_log_var)
    np.testing.assert_allclose(vae.prior.log_prob(z), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("value_range", "low", "high"), [((0.2, 0.6), 0.2, 0.6), (None, -9, 9)])
def test_the_value_range_clips_pseudo_inputs(value_range, low, high):
    vae = vamp_vae(value_range=value_range)
    posterior = vae.encode(np.clip(np.asarray(vae.prior.pseudo_inputs), low, high))
    z = np.zeros((1, 2), "float32")
    expected = mixture_reference(z, np.full(4, 0.25), posterior.z_mean, posterior.z_log_var)
    np.testing.assert_allclose(vae.prior.log_prob(z), expected, rtol=1e-5)


def test_a_vamp_prior_takes_the_log_variances_that_the_posterior_clips():
    vae = vamp_vae()
    vae.encoder.get_layer("z_log_var").bias.assign([-1e3, 1e3])
    _, means, log_vars = vae.prior.components()
    np.testing.assert_array_equal(log_vars, np.tile([[-20.0, 20.0]], (4, 1)))
    z = np.asarray(means) + np.float32([1e-5, 100.0])
    expected = mixture_reference(z, np.full(4, 0.25), means, log_vars)
    np.testing.assert_allclose(vae.prior.log_prob(z), expected, rtol=1e-3)


@pytest.mark.parametrize("log_var", [0.0, -8.0, -20.0, 15.0])
def test_both_ways_to_the_distances_equal_float64(monkeypatch, log_var):
    prior = mixture(3, 5)
    prior.log_vars.assign_add(np.full((5, 3), log_var))
    scale = np.exp(0.5 * np.asarray(prior.components()[2], np.float64))
    # Points within a few deviations of a component, where differences cancel most.
    noise = np.random.default_rng(0).normal(size=(40, 5, 3))
    z = (np.asarray(prior.means) + scale * noise).astype("float32").reshape(-1, 3)
    _, means, log_vars = (np.asarray(value, np.float64) for value in prior.components())
    expected = (np.square(z[:, None] - means) * np.exp(-log_vars)).sum(axis=-1)
    for threshold in (2**21, 0):
        monkeypatch.setattr(mixtures, "_MAX_DIFFERENCES", threshold)
        found = prior._distances(keras.ops.convert_to_tensor(z), *prior.components()[1:])
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-5)


def test_samples_come_from_the_components_with_their_weights():
    prior = mixture(2, 3)
    prior.means.assign([[-50, 0], [0, 0], [0, 50]])
    draws = np.asarray(prior.sample(6000, seed=2))
    weights = special.softmax(np.asarray(prior.logits, np.float64))
    component = np.where(draws[:, 0] < -25, 0, np.where(draws[:, 1] > 25, 2, 1))
    for index, weight in enumerate(weights):
        own = draws[component == index]
        assert abs(len(own) / 6000 - weight) < 4.5 * np.sqrt(weight * (1 - weight) / 6000)
        scale = np.exp(0.5 * np.asarray(prior.log_vars)[index])
        errors = (own.mean(axis=0) - np.asarray(prior.means)[index]) / scale * np.sqrt(len(own))
        assert np.abs(errors).max() < 4.5
        spread = (own.std(axis=0) / scale - 1) * np.sqrt(2 * len(own))
        assert np.abs(spread).max() < 4.5


def test_temperature_0_gives_the_centres_and_scales_the_spread():
    prior = mixture(2, 3)
    means = np.asarray(prior.means)
    centres = np.asarray(prior.sample(300, seed=3, temperature=0.0))
    nearest = np.abs(centres[:, None] - means).sum(axis=-1).argmin(axis=1)
    assert set(nearest) == {0, 1, 2}
    np.testing.assert_allclose(centres, means[nearest], atol=1e-6)
    half, whole = (np.asarray(prior.sample(300, 3, value)) for value in (0.5, 1.0))
    np.testing.assert_allclose(half - centres, 0.5 * (whole - centres), atol=1e-5)
    np.testing.assert_array_equal(StandardNormal.sample(built(StandardNormal()), 3, 1, 0.0), 0)


def test_a_mixture_starts_where_draws_lie():
    draws = np.random.default_rng(0).normal(8, 2, (200, 2)).astype("float32")
    for count in (5, 300):
        prior = built(GaussianMixture(count, seed=0))
        prior.start_at(draws)
        means = np.asarray(prior.means)
        assert all((np.abs(draws - mean).max(axis=1) < 1e-5).any() for mean in means)
        np.testing.assert_allclose(np.exp(prior.log_vars[0]), draws.var(axis=0) / 4, rtol=1e-3)


def test_a_real_nvp_starts_as_the_standard_normal():
    prior = built(RealNVP(4, (8,), seed=0), 3)
    z = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    expected = stats.norm.logpdf(z.astype(np.float64)).sum(axis=-1)
    np.testing.assert_allclose(prior.log_prob(z), expected, rtol=1e-5)
    draws = np.asarray(prior.sample(5000, seed=1))
    assert np.abs(draws.mean(axis=0)).max() < 4.5 / np.sqrt(5000)
    np.testing.assert_allclose(np.cov(draws.T), np.eye(3), atol=0.1)


def test_the_closed_form_kl_agrees_with_monte_carlo():
    rng = np.random.default_rng(0)
    z_mean, z_log_var = (rng.normal(size=(4, 3)).astype("float32") for _ in range(2))
    prior = built(StandardNormal(), 3)
    z = z_mean + np.exp(0.5 * z_log_var) * rng.normal(size=(40_000, 4, 3))
    log_q = stats.norm.logpdf(z, z_mean, np.exp(0.5 * z_log_var.astype(np.float64))).sum(axis=-1)
    ratios = log_q - np.asarray(prior.log_prob(z.astype("float32")))
    errors = ratios.mean(axis=0) - np.asarray(prior.kl(z_mean, z_log_var))
    assert (np.abs(errors) < 4.5 * ratios.std(axis=0) / np.sqrt(40_000)).all()


@pytest.mark.parametrize("prior", [GaussianMixture(2), RealNVP(2, (4,))], ids=str)
def test_a_prior_of_another_dimension_is_refused(make_vae, prior):
    built(prior, 3)
    with pytest.raises(ValueError, match=r"latent size, 2\. Received: .*for 3\. Give each VAE"):
        make_vae(prior=prior)


def test_a_vamp_prior_belongs_to_one_encoder(make_vae):
    prior = VampPrior(3)
    make_vae(prior=prior)
    with pytest.raises(ValueError, match=r"belongs to one encoder.*VampPrior of its own"):
        make_vae(prior=prior)


@pytest.mark.parametrize("posterior", ["coupling", "inverse_autoregressive"])
def test_a_vamp_prior_refuses_a_posterior_with_a_flow(make_vae, posterior):
    with pytest.raises(ValueError, match=r"VampPrior needs a normal q\(z\|x\).*diagonal_gaussian"):
        make_vae(prior=VampPrior(3), posterior=posterior)


def test_pseudo_inputs_are_where_the_prior_starts(make_vae, images):
    vae = make_vae(prior=VampPrior(5, pseudo_inputs=images[:5]))
    np.testing.assert_array_equal(vae.prior.pseudo_inputs, images[:5])
    with pytest.raises(ValueError, match=r"shape \(4, 4, 4, 1\).*\(5, 4, 4, 1\).*num_components"):
        make_vae(prior=VampPrior(4, pseudo_inputs=images[:5]))
    with pytest.raises(ValueError, match="`pseudo_inputs` must be finite numbers"):
        make_vae(prior=VampPrior(5, pseudo_inputs=images[:5] * np.nan))


@pytest.mark.parametrize("value_range", [(1.0, 0.0), (0.5, 0.5)])
def test_a_value_range_the_wrong_way_round_is_refused(value_range):
    with pytest.raises(ValueError, match=r"`value_range` must be a pair \(low, high\) with low <"):
        VampPrior(3, value_range=value_range)


@pytest.mark.parametrize("kind", [GaussianMixture, VampPrior])
@pytest.mark.parametrize("count", [0, 1.5])
def test_a_mixture_of_no_components_is_refused(kind, count):
    with pytest.raises(ValueError, match="`num_components` must be an integer >= 1"):
        kind(count)


@pytest.mark.parametrize("value_range", [5, (0, 1, 2), "ab", (1, 0)])
def test_a_value_range_that_is_no_pair_is_refused(value_range):
    with pytest.raises(ValueError, match="`value_range` must be"):
        VampPrior(3, value_range=value_range)
