"""Objectives of several draws or of the whole batch: their values against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special, stats

from keras_vae import objectives
from keras_vae.objectives import DIP, ELBO, IWAE, BetaTC, InfoVAE, Terms
from keras_vae.schedules import CyclicalWarmup, LinearWarmup, SigmoidWarmup

DRAWS, ROWS, LATENT = 3, 5, 2


def gaussian_terms(seed=0, rows=ROWS, prior_shift=0.0):
    """Terms whose z come from their posteriors, in float64, with a closed-form KL."""
    rng = np.random.default_rng(seed)
    z_mean, z_log_var = rng.normal(size=(2, rows, LATENT))
    z = z_mean + np.exp(0.5 * z_log_var) * rng.normal(size=(DRAWS, rows, LATENT))
    log_qz = stats.norm.logpdf(z, z_mean, np.exp(0.5 * z_log_var)).sum(axis=-1)
    log_pz = stats.norm.logpdf(z).sum(axis=-1)
    log_px = rng.normal(-5, 2, size=(DRAWS, rows))
    kl = 0.5 * np.sum(np.exp(z_log_var) + z_mean**2 - 1 - z_log_var, axis=-1)
    z_prior = rng.normal(prior_shift, size=(rows, LATENT))
    values = (log_px, log_pz, log_qz, kl, z, z_mean, z_log_var, z_prior)
    return Terms(*(tf.constant(value) for value in values))


@pytest.mark.parametrize("doubly", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_iwae_is_minus_the_log_mean_of_the_weights(seed, doubly):
    terms = gaussian_terms(seed)
    log_weights = (terms.log_px + terms.log_pz - terms.log_qz).numpy()
    expected = -np.log(np.exp(log_weights).mean(axis=0))
    objective = IWAE(DRAWS, doubly_reparameterized=doubly)
    np.testing.assert_allclose(objective(terms), expected, rtol=1e-10)
    weights = objective.latent_gradient_weight(terms)
    np.testing.assert_allclose(weights, special.softmax(log_weights, axis=0), rtol=1e-10)


def test_iwae_survives_weights_that_float32_cannot_hold():
    terms = gaussian_terms()._replace(log_px=tf.constant([[-5000.0, -9000.0]] * 2))
    terms = terms._replace(log_pz=terms.log_px, log_qz=tf.zeros((2, 2)))
    np.testing.assert_allclose(IWAE(2)(terms), [10_000, 18_000])


def test_iwae_of_one_draw_is_the_elbo_of_that_draw():
    terms = gaussian_terms()
    one = Terms(*(value[:1] for value in terms[:3]), None, terms.z[:1], *terms[5:])
    np.testing.assert_allclose(IWAE(1)(one), ELBO()(one), rtol=1e-12)


def test_more_draws_lower_the_iwae_towards_the_likelihood(make_vae, images):
    many = np.tile(images, (25, 1, 1, 1))
    losses = [
        make_vae(objective=IWAE(k)).evaluate(many, batch_size=100, verbose=0, return_dict=True)
        for k in (1, 4, 16)
    ]
    assert losses[0]["loss"] > losses[1]["loss"] > losses[2]["loss"]
    for found in losses:
        assert found["loss"] <= found["reconstruction_loss"] + found["kl_loss"] + 0.05


@pytest.mark.parametrize(
    ("capacity", "training", "expected"),
    [(2.0, True, 2.0), (LinearWarmup(4, final=8.0), True, 4.0)],
)
def test_a_capacity_holds_the_kl_at_its_value(capacity, training, expected):
    terms, objective = gaussian_terms(), ELBO(3.0, capacity=capacity)
    if objective.step is not None:
        objective.step.assign(2)
        np.testing.assert_allclose(
            objective(terms), -terms.log_px.numpy().mean(0) + 3 * np.abs(terms.kl.numpy() - 8)
        )
    loss = -terms.log_px.numpy().mean(axis=0) + 3.0 * np.abs(terms.kl.numpy() - expected)
    np.testing.assert_allclose(objective(terms, training=training), loss, rtol=1e-6)


def brute_force_parts(terms, dataset_size):
    """Return the three parts of the KL for each draw, by loops over the batch."""
    z, z_mean = terms.z.numpy(), terms.z_mean.numpy()
    deviation = np.exp(0.5 * terms.z_log_var.numpy())
    rows = len(z_mean)
    parts = np.zeros((3, *z.shape[:2]))
    for k in range(len(z)):
        for i in range(rows):
            weights = np.full(rows, (1 - 1 / dataset_size) / (rows - 1))
            weights[i] = 1 / dataset_size
            densities = stats.norm.pdf(z[k, i], z_mean, deviation)
            log_q = np.log(weights @ densities.prod(axis=1))
            log_product = np.log(weights @ densities).sum()
            own = np.log(densities[i]).sum()
            prior = stats.norm.logpdf(z[k, i]).sum()
            parts[:, k, i] = own - log_q, log_q - log_product, log_product - prior
    return parts.mean(axis=1)


@pytest.mark.parametrize("dataset_size", [5, 60_000])
def test_the_parts_of_beta_tc_equal_brute_force(dataset_size):
    terms = gaussian_terms()
    objective = BetaTC(dataset_size, beta=3.0, alpha=0.5, gamma=2.0)
    expected = brute_force_parts(terms, dataset_size)
    loss, extra = objective.with_extra(terms)
    assert list(extra) == ["mutual_information", "total_correlation", "dimension_wise_kl"]
    np.testing.assert_allclose(list(extra.values()), expected, rtol=1e-5, atol=1e-6)
    weighted = np.tensordot([0.5, 3.0, 2.0], expected, axes=1)
    np.testing.assert_allclose(loss, weighted - terms.log_px.numpy().mean(axis=0), rtol=1e-5)


def test_with_all_weights_one_the_parts_of_beta_tc_are_the_sampled_kl():
    terms = gaussian_terms()
    sampled = (terms.log_qz - terms.log_pz).numpy().mean(axis=0)
    loss, extra = BetaTC(100, beta=1.0).with_extra(terms)
    np.testing.assert_allclose(sum(extra.values()), sampled, rtol=1e-9)
    np.testing.assert_allclose(loss, sampled - terms.log_px.numpy().mean(axis=0), rtol=1e-9)


@pytest.mark.parametrize("rows", [1, 2, 7])
@pytest.mark.parametrize("dataset_size", [2, 7, 50_000])
def test_stratified_weights_are_those_of_a_random_batch(rows, dataset_size):
    weights = np.exp(BetaTC(dataset_size).log_weights(rows))
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, rtol=1e-5)
    if rows > 1:
        np.testing.assert_allclose(np.diag(weights), 1 / dataset_size, rtol=1e-5)
        assert len(np.unique(weights[~np.eye(rows, dtype=bool)])) == 1


def test_the_estimate_of_q_of_z_is_unbiased_over_batches():
    """Over all partners of an example, its batch's estimate averages to the whole mixture."""
    terms = gaussian_terms(rows=4)
    z, deviation = terms.z.numpy()[0, 0], np.exp(0.5 * terms.z_log_var.numpy())
    whole = stats.norm.pdf(z, terms.z_mean.numpy(), deviation).prod(axis=1).mean()
    estimates = []
    for partner in (1, 2, 3):
        rows = [0, partner]
        part = Terms(
            *(tf.gather(value, rows, axis=1) for value in terms[:3]),
            None,
            tf.gather(terms.z, rows, axis=1)[:1],
            *(tf.gather(value, rows) for value in terms[5:8]),
        )
        information = BetaTC(4).extra(part._replace(log_qz=part.log_qz[:1]))["mutual_information"]
        estimates.append(np.exp(terms.log_qz.numpy()[0, 0] - float(information[0])))
    assert np.mean(estimates) == pytest.approx(whole, rel=1e-5)


def brute_force_mmd(z, prior):
    def kernel(a, b):
        return np.exp(-np.sum((a - b) ** 2) / (2 * len(a)))

    n = len(z)
    apart = [(i, j) for i in range(n) for j in range(n) if i != j]
    within = sum(np.mean([kernel(s[i], s[j]) for i, j in apart]) for s in (z, prior))
    return within - 2 * np.mean([kernel(a, b) for a in z for b in prior])


def test_info_vae_adds_its_discrepancy_to_a_part_of_the_kl():
    terms = gaussian_terms()
    draws = terms.z.numpy()
    expected = np.mean([brute_force_mmd(draw, terms.z_prior.numpy()) for draw in draws])
    loss, extra = InfoVAE(alpha=0.25, mmd_weight=7.0).with_extra(terms)
    np.testing.assert_allclose(extra["mmd"], np.full(ROWS, expected), rtol=1e-9)
    elbo = -terms.log_px.numpy().mean(axis=0) + 0.75 * terms.kl.numpy()
    np.testing.assert_allclose(loss, elbo + 7.0 * expected, rtol=1e-9)


def test_the_discrepancy_is_zero_in_the_mean_of_equal_distributions_and_not_of_others():
    rng = np.random.default_rng(1)
    terms, objective = gaussian_terms(), InfoVAE()
    measure = tf.function(lambda *pair: objective.extra(terms._replace(z=pair[0], z_prior=pair[1])))
    found = {}
    for shift in (0.0, 1.0):
        found[shift] = []
        for _ in range(300):
            z, prior = rng.normal(shift, 1, (1, ROWS, 2)), rng.normal(size=(ROWS, 2))
            found[shift].append(float(measure(tf.constant(z), tf.constant(prior))["mmd"][0]))
    assert abs(np.mean(found[0.0])) < 4 * stats.sem(found[0.0]) < 0.05
    assert min(found[0.0]) < 0 < 0.1 < np.mean(found[1.0])


def test_dip_is_the_covariance_of_the_means():
    terms = gaussian_terms()
    covariance = np.cov(terms.z_mean.numpy(), rowvar=False, bias=True)
    variances = np.diag(covariance)
    expected = 2.0 * (np.sum(covariance**2) - np.sum(variances**2))
    expected += 3.0 * np.sum((variances - 1) ** 2)
    loss, extra = DIP(off_diagonal=2.0, diagonal=3.0).with_extra(terms)
    np.testing.assert_allclose(extra["dip"], np.full(ROWS, expected), rtol=1e-9)
    elbo = -terms.log_px.numpy().mean(axis=0) + terms.kl.numpy()
    np.testing.assert_allclose(loss, elbo + expected, rtol=1e-9)


def test_the_covariance_of_one_row_costs_nothing():
    assert float(DIP().with_extra(gaussian_terms(rows=1))[1]["dip"][0]) == 0.0


@pytest.mark.parametrize(
    ("objective", "weigh"),
    [
        (
            lambda: BetaTC(40, beta=4.0, alpha=0.5),
            lambda log: (
                0.5 * log("mutual_information")
                + 4.0 * log("total_correlation")
                + log("dimension_wise_kl")
            ),
        ),
        (lambda: InfoVAE(0.25, 3.0), lambda log: 0.75 * log("kl_loss") + 3.0 * log("mmd")),
        (lambda: DIP(0.1, 0.2), lambda log: log("kl_loss") + log("dip")),
    ],
    ids=["beta_tc", "info_vae", "dip"],
)
def test_extra_terms_are_logged_and_add_up_to_the_loss(objective, weigh, make_vae, images):
    vae = make_vae(objective=objective())
    history = vae.fit(images, validation_data=images, epochs=2, verbose=0).history
    for prefix in ("", "val_"):
        columns = {name: np.array(values) for name, values in history.items()}
        expected = columns[f"{prefix}reconstruction_loss"] + weigh(
            lambda name, prefix=prefix, columns=columns: columns[prefix + name]
        )
        np.testing.assert_allclose(columns[f"{prefix}loss"], expected, rtol=1e-5)


CONFIGURED = [
    ELBO(2.0, free_bits=0.5),
    ELBO(LinearWarmup(10, initial=0.5, final=3.0), capacity=SigmoidWarmup(8, final=4.0)),
    IWAE(3, doubly_reparameterized=True),
    BetaTC(77, beta=CyclicalWarmup(9, cycles=3), alpha=0.5, gamma=2.0),
    InfoVAE(0.5, 3.0),
    DIP(2.0, 3.0),
]


@pytest.mark.parametrize("objective", CONFIGURED, ids=lambda objective: type(objective).__name__)
def test_a_config_gives_the_objective_back_with_its_schedules(objective):
    config = keras.saving.serialize_keras_object(objective)
    again = objectives.get(config)
    assert type(again) is type(objective)
    assert again.num_samples == objective.num_samples
    assert again.weighs_latent_gradient == objective.weighs_latent_gradient
    assert keras.saving.serialize_keras_object(again) == config
    terms = gaussian_terms()
    for each in (objective, again):
        each.build(None)
        if each.step is not None:
            each.step.assign(4)
    for training in (False, True):
        found, expected = (each(terms, training=training) for each in (again, objective))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"objective": BetaTC(40), "prior": "real_nvp"}, "BetaTC needs a prior.*RealNVP.*Use"),
        ({"objective": DIP(), "prior": "gaussian_mixture"}, "DIP needs a prior.*Mixture.*Use"),
        ({"objective": BetaTC(40), "posterior": "coupling"}, "BetaTC needs.*FlowPosterior.*Use"),
        (
            {"objective": IWAE(2, doubly_reparameterized=True), "posterior": "coupling"},
            "IWAE needs.*diagonal_gaussian.*FlowPosterior.*Use",
        ),
    ],
)
def test_what_an_objective_needs_and_the_model_lacks_is_said_with_the_fix(parts, says, make_vae):
    with pytest.raises(ValueError, match=says):
        make_vae(**parts)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: IWAE(0), "`num_samples` must be an integer >= 1. Received: num_samples=0"),
        (lambda: objectives.get("beta_tc"), r"`dataset_size` must be.*BetaTC\(dataset_size=data"),
        (lambda: BetaTC(1), "`dataset_size` must be an integer >= 2"),
        (lambda: ELBO(free_bits=1.0, capacity=2.0), "Only one of `free_bits` and `capacity`.*2.0"),
        (lambda: ELBO(capacity=-1.0), "`capacity` must be >= 0"),
        (lambda: BetaTC(9, alpha=-1.0), "`alpha` must be >= 0"),
        (lambda: InfoVAE(alpha=1.5), "`alpha` must be"),
        (lambda: InfoVAE(mmd_weight=-1), "`mmd_weight` must be >= 0"),
        (lambda: DIP(diagonal=-1), "`diagonal` must be >= 0"),
        (lambda: objectives.get("iwea"), "iwae"),
    ],
)
def test_arguments_out_of_range_are_refused_with_the_fix(make, says):
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize("name", ["iwae", "info_vae", "dip"])
def test_an_objective_by_name_trains(name, make_vae, images):
    vae = make_vae(objective=name)
    history = vae.fit(np.tile(images, (10, 1, 1, 1)), epochs=3, batch_size=40, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
