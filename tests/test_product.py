"""Mixed tables: the product is the sum of its parts, each on its own columns."""

import json

import keras
import numpy as np
import pytest

import keras_vae as kv
from keras_vae.likelihoods import Bernoulli, Categorical, DiscretizedLogistic, Gaussian, Product

SIZES = [2, 1, 3, 2]
COLUMNS = [slice(0, 2), slice(2, 3), slice(3, 6), slice(6, 8)]


def make_parts():
    return [Gaussian("per_element"), Categorical(4), Bernoulli(), DiscretizedLogistic(2, levels=9)]


def make_product():
    return Product(make_parts(), SIZES)


def param_slices():
    ends = np.cumsum([2 * 2, 1 * 4, 3 * 1, 2 * 6])
    return [slice(end - size, end) for end, size in zip(ends, [4, 4, 3, 12], strict=True)]


def table(rows, seed=0):
    rng = np.random.default_rng(seed)
    parts = [
        rng.normal(size=(rows, 2)),
        rng.integers(0, 4, (rows, 1)),
        rng.integers(0, 2, (rows, 3)),
        rng.integers(0, 9, (rows, 2)) / 8,
    ]
    return np.concatenate(parts, axis=1).astype("float32")


def random_params(*lead, seed=1):
    return np.random.default_rng(seed).normal(size=(*lead, 23)).astype("float32")


def test_log_prob_is_the_sum_of_the_parts_on_their_columns():
    x, params = table(5), random_params(3, 5)
    slices = zip(make_parts(), COLUMNS, param_slices(), strict=True)
    expected = sum(
        np.asarray(part.log_prob(x[:, own], params[..., numbers])) for part, own, numbers in slices
    )
    product = make_product()
    assert product.params_shape((8,)) == (23,)
    np.testing.assert_allclose(product.log_prob(x, params), expected, rtol=1e-6)


def test_grey_columns_under_a_bernoulli_are_told_of_as_grey_pixels_are():
    x = table(40)
    vae = kv.VAE(
        kv.networks.mlp_encoder((8,), 2, seed=0),
        kv.networks.mlp_decoder(make_product().params_shape((8,)), 2, seed=1),
        likelihood=make_product(),
        seed=2,
    )

    def note_and_problems():
        metrics = kv.evaluation.evaluate(vae, x, num_samples=2)
        return metrics["note"], [found.problem for found in vae.diagnose(x).findings]

    note, problems = note_and_problems()
    assert note == kv.evaluation.DENSITY_NOTE and "grey pixels under a Bernoulli" not in problems
    x[3, 4] = 0.5
    note, problems = note_and_problems()
    assert note == kv.evaluation.GREY_NOTE and "grey pixels under a Bernoulli" in problems


def test_the_mean_is_that_of_each_part():
    params = random_params(5)
    mean = np.asarray(make_product().mean(params))
    for part, own, numbers in zip(make_parts(), COLUMNS, param_slices(), strict=True):
        np.testing.assert_allclose(mean[:, own], part.mean(params[:, numbers]), rtol=1e-6)


def test_the_bias_is_that_of_each_part():
    mean = np.float32([0.5, -2.0, 1.0, 0.1, 0.5, 0.8, 0.3, 0.6])
    bias = make_product().bias(mean)
    for part, own, numbers in zip(make_parts(), COLUMNS, param_slices(), strict=True):
        np.testing.assert_allclose(bias[numbers], part.bias(mean[own]), rtol=1e-6)
    found = np.asarray(make_product().mean(bias[None]))[0]
    continuous = np.r_[0:2, 3:8]
    np.testing.assert_allclose(found[continuous], mean[continuous], atol=1e-4)


def test_equal_columns_are_drawn_independently_and_reproducibly():
    product = Product([Gaussian(1.0), Gaussian(1.0), Bernoulli(), Bernoulli()], [2, 1, 1, 1])
    params = np.zeros((5000, 5), "float32")
    draws = np.asarray(product.sample(params, seed=4))
    correlations = np.corrcoef(draws.T) - np.eye(5)
    assert np.abs(correlations).max() < 4.5 / np.sqrt(5000)
    seeds = kv.random.row_seeds(4, 5000)
    np.testing.assert_allclose(product.sample(params[:3], seeds[10:13]), draws[10:13], atol=1e-6)
    assert np.abs(np.asarray(product.sample(params, seed=5)) - draws).max() > 0.1


def test_samples_of_each_part_have_its_frequencies():
    params = np.repeat(random_params(1), 6000, axis=0)
    product = make_product()
    draws, parts = np.asarray(product.sample(params, seed=6), np.float64), make_parts()
    gaussian = params[0, param_slices()[0]].reshape(2, 2)
    expected = np.zeros(8)
    expected[:2] = gaussian[:, 0]
    logits = params[0, param_slices()[1]].astype(np.float64)
    expected[2] = np.exp(logits) @ np.arange(4) / np.exp(logits).sum()
    for index in (2, 3):
        expected[COLUMNS[index]] = parts[index].mean(params[:1, param_slices()[index]])[0]
    standard_error = draws.std(axis=0) / np.sqrt(6000)
    assert (np.abs(draws.mean(axis=0) - expected) < 4.5 * standard_error + 1e-3).all()


def test_the_units_name_both_kinds_where_both_are_there():
    assert make_product().units == "nats of a density and nats of a probability"
    assert not make_product().is_discrete
    only = Product([Bernoulli(), Categorical(3)])
    assert only.units == "nats of a probability" and only.is_discrete


def test_the_check_is_that_of_each_part_on_its_columns():
    product = make_product()
    product.check(table(20))
    for column, value, expected in [
        (2, 4.0, "In column 2: .*the classes 0 to 3 for Categorical"),
        (5, 2.0, "In columns 3 to 5: .*values in .0, 1. for Bernoulli"),
        (7, 0.3, "In columns 6 to 7: .*multiples of 1/8 .* for DiscretizedLogistic"),
    ]:
        wrong = table(20)
        wrong[3, column] = value
        with pytest.raises(ValueError, match=expected):
            product.check(wrong)


def test_a_config_keeps_parts_and_sizes():
    product = make_product()
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(product)))
    copy = keras.saving.deserialize_keras_object(config)
    x, params = table(4), random_params(1, 4)
    assert copy.sizes == SIZES and copy.get_config() == product.get_config()
    np.testing.assert_array_equal(copy.log_prob(x, params), product.log_prob(x, params))


def test_names_stand_for_parts_of_one_column_each():
    product = Product(["gaussian", "bernoulli"])
    assert product.sizes == [1, 1]
    assert [type(part) for part in product.likelihoods] == [Gaussian, Bernoulli]


@pytest.mark.filterwarnings("error:.build")
def test_the_scale_of_a_part_is_trained_and_kept_in_the_file(tmp_path):
    likelihood = Product([Gaussian("learned"), Gaussian("optimal"), Bernoulli()], [1, 1, 1])
    vae = kv.VAE(
        kv.networks.mlp_encoder((3,), 2, units=(4,), seed=0),
        kv.networks.mlp_decoder(likelihood.params_shape((3,)), 2, units=(4,), seed=1),
        likelihood=likelihood,
        seed=2,
    )
    vae.compile(keras.optimizers.Adam(0.05))
    x = np.random.default_rng(0).random((20, 3)).astype("float32").round()
    before = float(likelihood.likelihoods[0].log_var)
    vae.fit(x, batch_size=10, epochs=2, verbose=0)
    after = [float(part.log_var) for part in vae.likelihood.likelihoods[:2]]
    assert after[0] != before and float(vae.likelihood.likelihoods[1].steps) == 4
    vae.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    assert [float(part.log_var) for part in loaded.likelihood.likelihoods[:2]] == after
    np.testing.assert_allclose(loaded.elbo(x, seed=1), vae.elbo(x, seed=1), rtol=1e-6)


@pytest.mark.parametrize("sizes", [[1], [1, 1, 1], [1, 0]])
def test_sizes_that_do_not_fit_the_likelihoods_are_refused(sizes):
    with pytest.raises(ValueError, match="`sizes` must"):
        Product(["gaussian", "bernoulli"], sizes)


def test_sizes_that_do_not_fit_the_data_are_refused_with_both_numbers():
    with pytest.raises(ValueError, match=r"add up to the data's 9 columns.*\[2, 1, 3, 2\].* 8"):
        make_product().params_shape((9,))


@pytest.mark.parametrize("arguments", [("bernoulli",), (None,), (["bernoulli"], 4)])
def test_what_is_no_list_is_refused(arguments):
    with pytest.raises(ValueError, match=r"`(likelihoods|sizes)` must be a list"):
        Product(*arguments)


def test_a_decoder_of_the_wrong_size_is_told_how_to_build_the_right_one():
    encoder = kv.networks.mlp_encoder((8,), 2)
    with pytest.raises(ValueError, match=r"likelihood\.params_shape\(\(8,\)\)"):
        kv.VAE(encoder, kv.networks.mlp_decoder((8,), 2), likelihood=make_product())
