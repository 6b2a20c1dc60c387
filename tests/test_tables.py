"""Tables: what is read, how it is coded, and the likelihood of their rows."""

import hypothesis
import keras
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import strategies as st
from scipy import special, stats

import keras_vae as kv
from keras_vae import power_transform
from keras_vae.columns import Column
from keras_vae.data.examples import PartExamples
from keras_vae.data.table_examples import open_table

COLUMNS = (
    Column("weight", center=70.0, scale=10.0),
    Column("kind", "categorical", categories=("cat", "dog", "eel"), count=9),
    Column("height", center=-1.0, scale=0.5),
)
CSV = """name,weight,kind,height,class
a,70,dog,-1.0,x
b,,cat,-0.5,y
c,90,,-1.5,x
d,50,eel,NA,y
"""


@pytest.fixture
def table(tmp_path):
    """A file of 60 rows of the columns above, with what is missing."""
    path = tmp_path / "table.csv"
    head, *rows = CSV.splitlines()
    path.write_text("\n".join([head, *(rows * 15)]) + "\n")
    return path


def refused(source, *words, **options):
    with pytest.raises(ValueError) as error:
        kv.data.load(source, **options)
    for word in words:
        assert word in str(error.value), str(error.value)


def numbers(count=40, columns=3):
    return np.random.default_rng(0).normal(size=(count, columns))


def test_the_log_probability_is_that_of_independent_columns_there():
    likelihood = kv.likelihoods.Tabular(COLUMNS)
    likelihood.log_var.assign([0.3, 0.0, -1.0])
    params = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    x = np.float32([[75, 1, -1.2], [np.nan, 3, -0.8], [60, np.nan, np.nan], [np.nan] * 3])
    log_seen = np.log(9 / 10) + special.log_softmax(params[:, 1:4], axis=-1)
    expected = [
        [
            stats.norm.logpdf(75, 70 + 10 * params[0, 0], 10 * np.exp(0.15)),
            log_seen[0, 1],
            stats.norm.logpdf(-1.2, -1 + 0.5 * params[0, 4], 0.5 * np.exp(-0.5)),
        ],
        [0, np.log(1 / 10), stats.norm.logpdf(-0.8, -1 + 0.5 * params[1, 4], 0.5 * np.exp(-0.5))],
        [stats.norm.logpdf(60, 70 + 10 * params[2, 0], 10 * np.exp(0.15)), 0, 0],
        [0, 0, 0],
    ]
    each = np.asarray(likelihood.element_log_prob(x, params))
    np.testing.assert_allclose(each, expected, rtol=1e-5, atol=1e-6)
    together = np.asarray(likelihood.log_prob(x, params))
    np.testing.assert_allclose(together, np.sum(expected, axis=1), rtol=1e-5)


def test_the_probabilities_of_a_category_and_of_an_unseen_one_add_up_to_one():
    likelihood = kv.likelihoods.Tabular(COLUMNS[1:2])
    params = np.float32([[0.5, -2.0, 1.0]] * 4)
    x = np.arange(4, dtype="float32")[:, None]
    assert np.exp(likelihood.log_prob(x, params)).sum() == pytest.approx(1.0, abs=1e-6)


def test_the_mean_is_a_row_in_the_units_of_the_table():
    likelihood = kv.likelihoods.Tabular(COLUMNS)
    params = np.float32([[0.5, 0.0, 2.0, 1.0, -2.0]])
    np.testing.assert_allclose(likelihood.mean(params), [[75.0, 1.0, -2.0]])


def test_draws_have_the_distribution_of_the_likelihood():
    likelihood = kv.likelihoods.Tabular(COLUMNS)
    likelihood.log_var.assign([0.5, 0.0, 0.0])
    params = np.tile(np.float32([[0.5, 0.0, 2.0, 1.0, -2.0]]), (4000, 1))
    drawn = np.asarray(likelihood.sample(params, seed=3))
    assert stats.kstest(drawn[:, 0], "norm", (75.0, 10 * np.exp(0.25))).pvalue > 0.01
    counts = np.bincount(drawn[:, 1].astype(int), minlength=3)
    expected = 4000 * special.softmax([0.0, 2.0, 1.0])
    assert stats.chisquare(counts, expected).pvalue > 0.01
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 2])[0, 1]) < 0.06


def test_a_missing_value_has_no_gradient_and_what_is_far_out_stays_finite():
    import tensorflow as tf

    likelihood = kv.likelihoods.Tabular(COLUMNS)
    params = tf.Variable(np.zeros((2, 5), "float32"))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(
            likelihood.log_prob(np.float32([[np.nan, 0, 1], [1e30, 1, np.nan]]), params)
        )
    gradient = tape.gradient(total, params).numpy()
    assert np.isfinite(total.numpy()) and np.isfinite(gradient).all()
    assert gradient[0, 0] == 0 and gradient[1, 4] == 0 and gradient[1, 0] != 0


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([[np.inf, 0, 0]], "'weight' must hold finite numbers"),
        ([[0, 4, 0]], "'kind' must hold places of categories. Received: 4"),
        ([[0, 0.5, 0]], "Received: 0.5"),
    ],
    ids=["infinite", "place", "fraction"],
)
def test_rows_that_no_table_has_are_refused(x, words):
    with pytest.raises(ValueError, match=words):
        kv.likelihoods.Tabular(COLUMNS).check_values(np.float32(x))


@hypothesis.given(
    st.lists(st.sampled_from(["cat", "dog", "eel", None]), min_size=1, max_size=8),
)
def test_categories_survive_being_coded(values):
    column = COLUMNS[1]
    assert column.decode(column.encode(np.array(values, object))) == values
    assert column.encode(np.array(["emu"], object))[0] == 3


@hypothesis.given(
    st.floats(-1e6, 1e6), st.one_of(st.just(0.0), st.just(2.0), st.floats(0.05, 1.95))
)
def test_the_power_transform_is_that_of_scipy_and_has_an_inverse(x, power):
    x = np.array([x])
    bent = power_transform.as_numpy(power_transform.transform, x, power)
    np.testing.assert_allclose(bent, stats.yeojohnson(x, power), rtol=1e-9, atol=1e-12)
    back = power_transform.as_numpy(power_transform.inverse, bent, power)
    np.testing.assert_allclose(back, x, rtol=1e-6, atol=1e-9)


def test_a_skewed_column_is_bent_and_a_straight_one_is_not():
    rng = np.random.default_rng(0)
    normal = rng.normal(5.0, 2.0, size=4000)
    data = kv.data.load(
        {"straight": normal, "skewed": np.exp(normal), "narrow": 1000 + np.exp(normal) / 1e3},
        validation_fraction=0,
        test_fraction=0,
    )
    straight, skewed, narrow = data.columns
    assert (straight.power, narrow.power) == (1.0, 1.0)
    assert skewed.power == pytest.approx(0.0, abs=0.02)
    assert skewed.center == pytest.approx(5.0, abs=0.3)
    # A single value far out does not make a column a narrow one.
    tail = kv.data.load({"a": np.append(rng.exponential(size=20_000), 1e4)}, test_fraction=0)
    assert tail.columns[0].power < 0.5


def test_the_density_of_a_bent_column_is_that_of_its_numbers():
    column = Column("amount", center=2.0, scale=1.5, power=0.25)
    likelihood = kv.likelihoods.Tabular([column])
    # By substitution the integral over all numbers is that over their standard scores.
    standard = np.linspace(-12.0, 12.0, 4001)
    x = np.asarray(column.restore(standard.astype("float64"))).astype("float32")[:, None]
    params = np.full((len(x), 1), 0.3, "float32")
    density = np.exp(np.asarray(likelihood.log_prob(x, params), "float64"))
    assert np.trapezoid(density, x[:, 0].astype("float64")) == pytest.approx(1.0, abs=2e-3)


def test_draws_of_a_bent_column_have_its_median_and_what_is_far_out_is_unlikely():
    column = Column("amount", center=2.0, scale=1.5, power=0.0)
    likelihood = kv.likelihoods.Tabular([column])
    params = np.full((4000, 1), 0.5, "float32")
    draws = np.asarray(likelihood.sample(params, seed=1))[:, 0]
    middle = float(np.asarray(likelihood.mean(params))[0, 0])
    assert middle == pytest.approx(np.expm1(2.0 + 1.5 * 0.5), rel=1e-4)
    assert np.mean(draws < middle) == pytest.approx(0.5, abs=0.03)
    far = np.float32([[middle], [1e3], [1e9], [1e30]])
    log_prob = np.asarray(likelihood.log_prob(far, params[:4]))
    assert np.isfinite(log_prob).all()
    assert (np.diff(log_prob) < -1).all()


def test_a_csv_file_is_read_with_its_scales_from_the_training_rows(table):
    data = kv.data.load(table, id_column="name", label_column="class", labels=True)
    assert [column.name for column in data.columns] == ["weight", "kind", "height"]
    assert data.class_names == ["x", "y"] and data.columns[1].categories == ("cat", "dog", "eel")
    rows, labels = map(np.concatenate, zip(*data.train.as_numpy_iterator(), strict=True))
    assert len(rows) == data.num_train == data.columns[0].count == 49
    there = rows[~np.isnan(rows[:, 0]), 0]
    assert data.columns[0].center == pytest.approx(there.mean(), rel=1e-6)
    assert data.columns[0].scale == pytest.approx(there.std(), rel=1e-6)
    # Class x are those of kind dog or none.
    np.testing.assert_array_equal(
        np.isin(rows[:, 1], (1, np.nan)) | np.isnan(rows[:, 1]), labels == 0
    )


def test_all_forms_of_one_table_give_the_same_rows(table, tmp_path):
    read = kv.data.load(table, drop_columns=("name", "class"))
    arrow = pyarrow.table(
        {
            "weight": [70, None, 90, 50] * 15,
            "kind": pyarrow.array(["dog", "cat", None, "eel"] * 15).dictionary_encode(),
            "height": [-1.0, -0.5, -1.5, None] * 15,
        }
    )
    pyarrow.parquet.write_table(arrow, tmp_path / "table.parquet")
    columns = {name: arrow[name].to_pylist() for name in arrow.column_names}
    expected = np.concatenate(list(read.train.as_numpy_iterator()))
    for source in (tmp_path / "table.parquet", arrow, columns):
        data = kv.data.load(source)
        assert data.columns == read.columns
        found = np.concatenate(list(data.train.as_numpy_iterator()))
        np.testing.assert_array_equal(found, expected)


def test_arrays_of_two_axes_are_tables_in_memory_and_in_files(tmp_path):
    x = numbers()
    x[::5, 1] = np.nan
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(40) % 2)
    sets = [kv.data.load(source) for source in (x, tmp_path / "x.npy", tmp_path / "x.npz")]
    assert all(data.columns == sets[0].columns for data in sets)
    assert sets[2].class_names == ["0", "1"]
    assert sets[0].event_shape == (3,) and np.isnan(np.asarray(next(iter(sets[0].train)))).any()
    with pytest.raises(AttributeError, match="need a reshape"):
        _ = sets[0].image_shape


def test_numbers_that_name_categories_can_be_said_to(tmp_path):
    data = kv.data.load(
        {"zip": [10, 2, 10, 7] * 10, "x": np.arange(40.0)}, categorical_columns="zip"
    )
    assert data.columns[0].categories == ("10", "2", "7")


@pytest.mark.parametrize(
    ("source", "words", "options"),
    [
        ({"age": [1.0, 2.0] * 20}, "Did you mean 'age'?", {"label_column": "ages", "labels": True}),
        ({"a": [None, None] * 20}, "Column 'a' must hold at least one value", {}),
        ({"a": [1.0, np.inf] * 20}, "numbers below 1e30. Received: inf", {}),
        ({"a": [f"n{i}" for i in range(3000)]}, "at most 1000 different ones, and fewer", {}),
        ({"a": 1e9 + np.arange(40.0)}, "Subtract a constant", {}),
        ({"a": np.array(["2020-01-01"] * 40, "datetime64[D]")}, "numbers or texts", {}),
        ({"a": [1.0] * 40}, "`image_size` must be left out for a table", {"image_size": 8}),
        ({"a": [1.0] * 40}, "`binarize` must be left out", {"binarize": "dynamic"}),
        ({"a": [1.0] * 40}, "`value_range` must be None", {"value_range": (0, 1)}),
        ({"a": [1.0] * 40}, "a column to learn from", {"drop_columns": ("a",)}),
        ({"a": [], "b": []}, "at least one row", {}),
        ({"a": [1.0], "b": [2.0]}, "Too few", {}),
        ({"a": [1.0, 2.0], "b": [1.0]}, "all of one length", {}),
        ("digits", "`id_column` must be left out for images", {"id_column": "a"}),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_tables_that_cannot_be_learnt_from_are_refused(source, words, options):
    refused(source, words, **options)


def test_a_file_is_read_afterwards_as_it_was_learnt_from(tmp_path):
    rows = ["name,flag,code,size,day,half"]
    rows += [
        f"{i:03d},{('True', 'False')[i % 2]},0{i % 3},{i % 4}.0,2020-01-0{1 + i % 5},{i / 2}"
        for i in range(40)
    ]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(rows) + "\n")
    options = {"id_column": "name", "label_column": "day", "validation_fraction": 0}
    data = kv.data.load(
        path, categorical_columns=("code", "size"), test_fraction=0, labels=True, **options
    )
    assert data.columns[0].categories == ("False", "True")
    assert data.columns[1].categories == ("00", "01", "02")
    learnt = PartExamples([data.parts["train"]], class_names=data.class_names, has_labels=True)
    again = open_table(path, data.columns, "day", "name")
    for found, expected in zip(again.read(0, 40), learnt.read(0, 40), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert again.read(5, 7).ids.tolist() == ["005", "006"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (np.zeros((5, 7)), "An array must have the 3 columns of the model. Received: 7"),
        (np.zeros((5, 2)), "without 'x2'"),
        ({"x0": ["a"], "x1": [1.0], "x2": [1.0]}, "Column 'x0' of INPUT must hold numbers"),
        (np.full((5, 3), np.nan), "a value at least. Received: 5 rows without any"),
        (np.full((5, 3), np.inf), "none that 32 bits cannot. Received: np.float64(inf)"),
        (np.full((5, 3), 1e300), "Received: np.float64(1e+300)"),
        (np.zeros((5, 3, 2)), "A model of a table takes"),
    ],
    ids=["wide", "narrow", "text", "missing", "infinite", "large", "images"],
)
def test_arrays_that_do_not_fit_a_model_are_refused(source, words):
    columns = kv.data.load(numbers()).columns
    with pytest.raises(ValueError) as error:
        open_table(source, columns)
    assert words in str(error.value), str(error.value)


@pytest.mark.parametrize("value", [0.3, 1 / 3, 1e-50, 0.0, 1.7e9])
def test_a_column_of_one_value_is_no_mistake(value):
    (column,) = kv.data.load({"a": np.full(200, value)}).columns
    assert (column.center, column.scale) == (pytest.approx(value), 1.0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b\n1,2\n3\n", "Expected 2 columns, got 1"),
        ("", "Empty CSV file"),
        ("a,a\n1,2\n", "several called 'a'"),
    ],
    ids=["ragged", "empty", "doubled"],
)
def test_damaged_files_are_refused(content, words, tmp_path):
    (tmp_path / "bad.csv").write_text(content)
    refused(tmp_path / "bad.csv", "bad.csv", words)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    refused(tmp_path / "bad.parquet", "bad.parquet", "readable .parquet file")


@pytest.mark.slow
def test_a_vae_of_a_table_learns_what_columns_have_in_common_and_is_saved(tmp_path):
    rng = np.random.default_rng(0)
    a = rng.normal(50, 10, 600)
    kinds = np.where(a > 50, "high", "low").astype(object)
    kinds[rng.random(600) < 0.1] = None
    data = kv.data.load(
        {"a": a, "b": 2 * a + rng.normal(size=600), "kind": kinds}, batch_size=50, shuffle_seed=1
    )
    likelihood = kv.likelihoods.Tabular(data.columns)
    vae = kv.VAE(
        kv.networks.table_encoder(data.columns, 2, seed=0),
        kv.networks.table_decoder(data.columns, 2, seed=1),
        likelihood,
        seed=2,
    )
    vae.compile(keras.optimizers.Adam(5e-3))
    vae.fit(data.train, epochs=60, verbose=0)
    rows = np.float32([[60, 120, 0], [60, 80, 0], [60, 120, 1], [60, np.nan, 0], [60, 120, 2]])
    log_prob = vae.log_prob(rows, 200, seed=0)
    assert log_prob[0] > log_prob[1] + 5 and log_prob[0] > log_prob[2] + 1
    # What is missing is filled in by what is there.
    filled = np.asarray(vae.reconstruct(np.float32([[60, np.nan, np.nan]])))[0]
    assert abs(filled[1] - 120) < 15 and filled[2] == 0
    vae.save(tmp_path / "vae.keras")
    again = keras.models.load_model(tmp_path / "vae.keras")
    assert again.likelihood.columns == data.columns
    np.testing.assert_array_equal(again.log_prob(rows, 200, seed=0), log_prob)
