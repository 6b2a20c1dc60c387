"""The aggregate posterior against brute force, closed cases, and what the weights are worth."""

import keras
import numpy as np
import pytest
from linear_gaussian import oblique, orthogonal
from scipy import stats

import keras_vae as kv
from keras_vae import aggregate


def measures_of(z_mean, z_log_var, seed=0, vae=None):
    vae = vae or orthogonal(z_mean.shape[1], 4, 1).vae()
    seeds = kv.random.row_seeds(seed, len(z_mean))
    z_mean, z_log_var = (np.asarray(value, "float32") for value in (z_mean, z_log_var))
    return aggregate.measures(vae, z_mean, z_log_var, seeds)


def test_the_density_of_the_aggregate_posterior_equals_scipy():
    rng = np.random.default_rng(0)
    z_mean, z_log_var = rng.normal(size=(2, 7, 3))
    z = rng.normal(size=(11, 3))
    each = [stats.multivariate_normal(m, np.diag(np.exp(v))) for m, v in zip(z_mean, z_log_var)]
    expected = np.log(np.mean([density.pdf(z) for density in each], axis=0))
    np.testing.assert_allclose(aggregate.log_density(z, z_mean, z_log_var), expected, rtol=1e-9)


def test_far_from_every_posterior_its_density_is_small_and_not_lost():
    found = aggregate.log_density(np.full((1, 2), 1e3), np.zeros((5, 2)), np.zeros((5, 2)))
    assert found[0] == pytest.approx(-1e6 - np.log(2 * np.pi), rel=1e-9)


def test_no_part_of_the_pairs_is_lost(monkeypatch):
    rng = np.random.default_rng(0)
    z_mean, z_log_var = rng.normal(size=(2, 7, 3))
    whole = aggregate.log_density(z_mean, z_mean, z_log_var)
    for pairs in (1, 15, 21):
        monkeypatch.setattr(aggregate, "_PAIRS", pairs)
        found = aggregate.log_density(z_mean, z_mean, z_log_var)
        np.testing.assert_allclose(found, whole, rtol=1e-12)


def test_measures_equal_brute_force():
    rng = np.random.default_rng(1)
    z_mean, z_log_var = rng.normal(size=(2, 9, 2)).astype("float32")
    found = measures_of(z_mean, z_log_var, seed=4)
    noise = np.asarray(kv.random.normals(kv.random.row_seeds(4, 9), 2), "float64")
    deviation = np.exp(0.5 * z_log_var)
    information, gap, single = [], [], []
    for i in range(9):
        z = z_mean[i] + deviation[i] * noise[i]
        densities = stats.norm.pdf(z, z_mean, deviation).prod(axis=1)
        information.append(np.log(densities[i]) - np.log(densities.mean()))
        gap.append(np.log(densities.mean()) - stats.norm.logpdf(z).sum())
        marginals = stats.norm.pdf(z, z_mean, deviation).mean(axis=0)
        single.append(np.log(marginals).sum() - stats.norm.logpdf(z).sum())
    assert found["mutual_information"] == pytest.approx(np.mean(information), rel=1e-5)
    assert found["marginal_kl"] == pytest.approx(np.mean(gap), rel=1e-5)
    assert found["dimension_wise_kl"] == pytest.approx(np.mean(single), rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_where_every_posterior_is_the_prior_all_are_zero(seed):
    found = measures_of(np.zeros((50, 2)), np.zeros((50, 2)), seed)
    assert list(found) == ["mutual_information", "marginal_kl", "dimension_wise_kl"]
    assert list(found.values()) == pytest.approx([0.0, 0.0, 0.0], abs=1e-6)


@pytest.mark.parametrize("n", [2, 10, 100])
def test_of_n_posteriors_far_apart_the_information_is_log_n(n):
    z_mean = 100.0 * np.stack([np.arange(n), np.zeros(n)], axis=1)
    found = measures_of(z_mean, np.zeros((n, 2)))
    assert found["mutual_information"] == pytest.approx(np.log(n), abs=1e-5)
    # The rest of the rate, E[|z|^2 - noise^2] / 2, is the distance from the prior.
    expected = 0.5 * np.mean(z_mean**2) * 2
    assert found["marginal_kl"] == pytest.approx(expected - np.log(n), rel=0.02)
    assert f"log {n} = {np.log(n):.2f}" in found["aggregate_note"]


def test_of_equal_posteriors_the_rate_is_all_distance():
    found = measures_of(np.full((400, 2), 2.0), np.full((400, 2), -1.0))
    assert found["mutual_information"] == pytest.approx(0.0, abs=1e-6)
    kl = 0.5 * 2 * (np.exp(-1) + 4 - 1 + 1)
    assert found["marginal_kl"] == pytest.approx(kl, abs=0.2)


def test_with_the_true_model_the_aggregate_posterior_is_the_prior():
    model = orthogonal(2, 4, 2)
    vae = model.vae()
    found = kv.evaluation.evaluate(vae, model.draw(1000), num_samples=2)
    # I(x; z) of a linear-Gaussian model, in closed form.
    exact = 0.5 * np.linalg.slogdet(model.precision)[1]
    assert found["mutual_information"] == pytest.approx(exact, abs=0.1)
    assert found["marginal_kl"] == pytest.approx(0.0, abs=0.05)


def test_another_prior_moves_the_distance_and_not_the_information():
    model = orthogonal(2, 4, 2)
    x = model.draw(100)
    plain = kv.evaluation.evaluate(model.vae(), x, num_samples=1)
    vae = model.vae(prior=kv.priors.GaussianMixture(4, seed=0))
    mixed = kv.evaluation.evaluate(vae, x, num_samples=1)
    assert mixed["mutual_information"] == pytest.approx(plain["mutual_information"], rel=1e-6)
    assert abs(mixed["marginal_kl"] - plain["marginal_kl"]) > 0.01


def test_a_posterior_with_a_flow_and_a_single_example_have_no_such_measures():
    model = oblique(2, 3, 2)
    flow = kv.evaluation.evaluate(model.vae(posterior="coupling"), model.draw(4), num_samples=1)
    single = kv.evaluation.evaluate(model.vae(), model.draw(1), num_samples=1)
    assert not {"mutual_information", "marginal_kl"} & (set(flow) | set(single))
    assert "not through a flow" in flow["aggregate_note"]


def test_exact_weights_are_worth_all_draws_and_bad_ones_are_warned_of():
    model = orthogonal(2, 4, 2)
    x = model.draw(30)
    good = kv.evaluation.evaluate(model.vae(), x, num_samples=50)
    assert good["effective_samples"] == pytest.approx(50, rel=1e-3)
    assert good["degenerate"] == 0 and "warning" not in good
    bad = kv.evaluation.evaluate(model.vae(shift=9.0), x, num_samples=50)
    assert 1 <= bad["effective_samples"] < 2 and bad["degenerate"] > 0.9
    assert "50 draws" in bad["warning"] and "annealing" in bad["warning"]
    assert f"{bad['degenerate']:.0%} of the examples" in bad["warning"]
    # One draw is worth one, and there is nothing to warn of.
    one = kv.evaluation.evaluate(model.vae(), x, num_samples=1)
    assert one["effective_samples"] == pytest.approx(1)
    assert not {"warning", "degenerate"} & set(one)


def test_the_share_of_degenerate_examples_is_theirs():
    """Of two kinds of examples, the encoder is right about one."""
    model = orthogonal(2, 4, 2)
    image = keras.Input((4,))
    good = model.vae()
    mean, log_var = good.encoder(image)
    off = keras.ops.where(image[:, :1] > 50.0, 30.0, 0.0)
    encoder = keras.Model(image, [mean + off, log_var])
    vae = kv.VAE(encoder, good.decoder, kv.likelihoods.Gaussian(model.scale), seed=0)
    x = model.draw(40)
    x[:10, 0] = 60.0
    assert kv.evaluation.evaluate(vae, x, num_samples=20)["degenerate"] == 0.25
