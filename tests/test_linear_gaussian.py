"""Bounds where p(x) is known exactly: linear-Gaussian models of full and of deficient rank."""

import numpy as np
import pytest
from linear_gaussian import oblique, orthogonal
from scipy import stats

import keras_vae as kv
from keras_vae import annealing

# (latent_dim, pixels, rank): full rank, rank-deficient, and more latent units than pixels.
SIZES = [(1, 4, 1), (2, 5, 2), (3, 6, 1), (4, 3, 3), (5, 7, 3), (6, 2, 2), (7, 7, 5), (8, 3, 2)]


@pytest.mark.parametrize("size", SIZES)
def test_with_the_exact_posterior_log_prob_is_exact_for_any_number_of_draws(size):
    model = orthogonal(*size)
    vae, x = model.vae(), model.draw(5)
    for num_samples in (1, 7):
        log_prob = vae.log_prob(x, num_samples, seed=num_samples)
        np.testing.assert_allclose(log_prob, model.log_prob(x), rtol=2e-6, atol=2e-5)


@pytest.mark.parametrize("size", SIZES)
def test_with_another_posterior_log_prob_converges_from_below(size):
    model = oblique(*size)
    vae, x = model.vae(stretch=1.25, shift=0.1), model.draw(100)
    gaps = {
        k: model.log_prob(x) - np.stack([vae.log_prob(x, k, seed=seed) for seed in (1, 2)])
        for k in (1, 20, 500)
    }
    means = [gap.mean() for gap in gaps.values()]
    errors = [4.5 * stats.sem(gap, axis=None) for gap in gaps.values()]
    assert means[0] > 2 * means[1] and means[1] > -errors[1]
    assert abs(means[2]) < errors[2] + 0.02 * means[0]
    # Weights themselves are unbiased, whatever their number: E[exp(log_prob - exact)] = 1.
    ratios = np.exp(-gaps[500]).ravel()
    assert abs(ratios.mean() - 1) < 4.5 * stats.sem(ratios)


@pytest.mark.parametrize("size", [(1, 4, 1), (4, 3, 3), (8, 3, 2)])
def test_annealing_encloses_the_exact_value_and_tightens_with_the_steps(size):
    model = oblique(*size)
    vae = model.vae(stretch=1.5, shift=0.6)
    x, z = vae.simulate(50, seed=1)
    exact = model.log_prob(x)
    gaps = []
    for steps in (1, 16):
        lower = annealing.lower_bound(vae, x, steps, 2, seed=2)
        upper = annealing.upper_bound(vae, x, z, steps, 2, seed=3)
        gaps.append([(exact - lower.log_prob).mean(), (upper.log_prob - exact).mean()])
        for found in (lower, upper):
            assert (found.effective_samples >= 1).all()
            assert (found.effective_samples < 2 + 1e-9).all()
    few, many = np.array(gaps)
    assert (few > 0.02).all() and (many > -0.04).all()
    assert (many < 0.5 * few).all()
    assert 0.4 < lower.acceptance.mean() < 1


def test_annealing_is_unbiased_for_a_density_and_its_inverse():
    model = oblique(2, 3, 2)
    vae = model.vae(stretch=1.2, shift=0.3)
    x, z = vae.simulate(50, seed=4)
    exact = model.log_prob(x)
    lower = np.stack([annealing.lower_bound(vae, x, 4, 4, s).log_prob for s in range(4)])
    upper = annealing.upper_bound(vae, x, z, 4, 1, seed=3).log_prob
    for ratio in (np.exp(lower - exact).mean(axis=0), np.exp(exact - upper)):
        assert abs(ratio.mean() - 1) < 4.5 * stats.sem(ratio)
        assert stats.sem(ratio) < 0.1


def test_examples_beside_it_change_nothing_of_an_annealed_example():
    model = oblique(2, 3, 2)
    vae = model.vae(stretch=1.3)
    x, z = vae.simulate(53, seed=4)
    seeds = kv.random.row_seeds(5, 53)
    lower = annealing.lower_bound(vae, x, 3, 2, seed=5)
    upper = annealing.upper_bound(vae, x, z, 3, 2, seed=5)
    # Apart, and in another order: in a batch of their own, and beside others.
    rows = [52, 3]
    lower_apart = annealing.lower_bound(vae, x[rows], 3, 2, seed=seeds[rows])
    upper_apart = annealing.upper_bound(vae, x[rows], z[rows], 3, 2, seed=seeds[rows])
    for whole, apart in ((lower, lower_apart), (upper, upper_apart)):
        for expected, value in zip(whole, apart, strict=True):
            np.testing.assert_array_equal(value, expected[rows])
    other = annealing.lower_bound(vae, x, 3, 2, seed=6)
    assert (other.log_prob != lower.log_prob).mean() > 0.9


def test_chains_that_run_apart_give_the_same_numbers(monkeypatch):
    model = oblique(2, 3, 2)
    vae = model.vae(stretch=1.3)
    x, z = vae.simulate(3, seed=1)
    whole = [
        annealing.lower_bound(vae, x, 3, 5, seed=2),
        annealing.upper_bound(vae, x, z, 3, 5, seed=2),
    ]
    monkeypatch.setattr(annealing, "_CHAINS", 2)
    apart = [
        annealing.lower_bound(vae, x, 3, 5, seed=2),
        annealing.upper_bound(vae, x, z, 3, 5, seed=2),
    ]
    np.testing.assert_allclose(apart, whole, rtol=1e-5)


@pytest.mark.parametrize("flow", [kv.flows.CouplingFlow, kv.flows.InverseAutoregressiveFlow])
def test_annealing_runs_through_a_flow_of_the_posterior(flow):
    model = oblique(3, 4, 3)
    vae = model.vae(stretch=1.3, posterior=kv.posteriors.FlowPosterior(flow(2, units=(4,))))
    rng = np.random.default_rng(0)
    for weight in vae.posterior.trainable_weights:
        weight.assign(weight + 0.1 * rng.normal(size=weight.shape))
    x, z = vae.simulate(50, seed=4)
    parameters = vae.encode(x)
    noise = vae.posterior.noise_of(parameters, z)
    made = vae.posterior.sample(parameters, noise[None])[0][0]
    np.testing.assert_allclose(made, z, rtol=1e-4, atol=1e-4)
    assert np.abs(made - vae.embed(x) - noise * np.exp(parameters.z_log_var / 2)).max() > 0.02
    exact = model.log_prob(x)
    few, many = (
        [
            (exact - annealing.lower_bound(vae, x, steps, 2, seed=2).log_prob).mean(),
            (annealing.upper_bound(vae, x, z, steps, 2, seed=3).log_prob - exact).mean(),
        ]
        for steps in (1, 8)
    )
    for before, after in zip(few, many, strict=True):
        assert before > 0.05 and -0.05 < after < 0.7 * before


def test_the_table_of_evaluate_encloses_the_exact_value():
    model = oblique(2, 3, 2)
    vae = model.vae(stretch=1.5)
    x = model.draw(50)
    found = kv.evaluation.annealed(vae, x, num_steps=6, num_chains=1, seed=1)
    simulated = model.log_prob(vae.simulate(50, 1)[0])
    assert found["annealed_nll"] == pytest.approx(-model.log_prob(x).mean(), abs=0.2)
    assert found["simulated_nll_below"] < -simulated.mean() < found["simulated_nll_above"]
    sides = found["simulated_nll_above"] - found["simulated_nll_below"]
    assert found["annealed_gap"] == pytest.approx(sides)
    assert 0 < sides < 0.5


def test_an_upper_bound_wants_a_draw_for_each_example():
    model = orthogonal(2, 3, 2)
    x = model.draw(4)
    with pytest.raises(ValueError, match=r"`z` must have shape \(4, 2\).*vae.simulate"):
        annealing.upper_bound(model.vae(), x, np.zeros((3, 2)), 1, 1, seed=0)
    for arguments in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="must be an integer >= 1"):
            annealing.lower_bound(model.vae(), x, *arguments)
