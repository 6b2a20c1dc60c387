"""Order, binarisation and epochs: pure functions of (seed, epoch, position)."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae.data
from keras_vae.data import pipeline
from keras_vae.data.forms import Places

ROOT = pathlib.Path(keras_vae.data.__file__).parents[2]


def numbered(n=40, height=3, width=5):
    """Grey images whose first pixel says which one it is, and whose others are random."""
    images = np.random.default_rng(0).integers(0, 256, (n, height, width, 1)).astype(np.uint8)
    images[:, 0, 0, 0] = np.arange(n)
    return images


def whole(dataset):
    return np.concatenate([batch.numpy() for batch in dataset])


def ids(dataset):
    return np.rint(whole(dataset)[:, 0, 0, 0] * 255).astype(int).tolist()


def load(source=None, batch_size=16, **arguments):
    source = numbered() if source is None else source
    arguments = {"validation_fraction": 0, "test_fraction": 0} | arguments
    return keras_vae.data.load(source, batch_size, **arguments)


def test_epochs_are_different_orders_of_the_same_images():
    data = load()
    epochs = [ids(data.train) for _ in range(3)]
    assert all(sorted(epoch) == list(range(40)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert data.epoch == 3


def test_set_epoch_repeats_an_epoch_and_ignores_batch_size():
    data = load()
    epochs = [ids(data.train) for _ in range(4)]
    data.train.set_epoch(2)
    assert ids(data.train) == epochs[2]
    assert ids(data.train) == epochs[3]
    other = load(batch_size=7)
    other.set_epoch(3)
    assert ids(other.train) == epochs[3]
    assert ids(load(shuffle_seed=1).train) != epochs[0]


def test_an_epoch_can_be_gone_on_with_in_its_midst():
    data, other = load(batch_size=7), load(batch_size=7)
    data.set_epoch(2)
    epochs = [ids(data.train) for _ in range(2)]
    within = other.train.variant(whole_epochs=False)
    other.set_epoch(2, first_batch=3)
    assert [ids(within), ids(within)] == [epochs[0][21:], epochs[1]]
    other.set_epoch(2, first_batch=6)
    assert list(within) == [] and len(within) == len(data.train) == 6


@pytest.mark.parametrize(("batch", "steps"), [(0, 1), (0, 4), (2, 4), (3, 4), (6, 4), (5, 1)])
def test_executions_of_a_training_are_its_batches_with_as_many_in_each_epoch(batch, steps):
    data, other = load(batch_size=7), load(batch_size=7)
    data.set_epoch(2)
    epochs = [ids(data.train) for _ in range(3)]
    count = -(-6 // steps)
    executions = other.train.executions(steps).take(3 * count)
    other.set_epoch(2, first_batch=batch)
    # A look at the data moves nothing.
    next(iter(other.train.variant(whole_epochs=False)), None)
    found = list(executions)
    assert other.epoch == 3
    images = np.rint(other.train.fetch()(found[-1])[:, 0, 0, 0] * 255)
    assert images.tolist() == epochs[2][(count - 1) * steps * 7 :]
    for number, epoch in enumerate(epochs):
        places = found[number * count : (number + 1) * count]
        assert {int(place.epoch) for place in places} == {number + 2}
        first = 7 * batch if number == 0 else 0
        rows = np.concatenate([place.rows for place in places])
        assert load_rows(other, rows) == epoch[first:]
        begin = np.cumsum([first, *(len(place.rows) for place in places)])
        assert [int(place.start) for place in places] == begin[:-1].tolist()
        assert max(len(place.rows) for place in places) <= 7 * steps


def load_rows(data, rows):
    images = data.train.fetch()(Places(np.int64(0), np.int64(0), rows))
    return np.rint(images[:, 0, 0, 0] * 255).astype(int).tolist()


def test_global_seed_does_not_change_the_order():
    data = load()
    first = ids(data.train)
    keras.utils.set_random_seed(123)
    assert ids(load().train) == first


@pytest.mark.slow
def test_new_process_gives_the_same_order_and_bits_and_imports_lazily():
    code = """
import json, sys
import tensorflow, keras
before = set(sys.modules)
import keras_vae.data
lazy = [m for m in ("sklearn.datasets", "tensorflow_datasets") if m in set(sys.modules) - before]
data = keras_vae.data.load("digits", 50, binarize="dynamic", shuffle_seed=5)
data.set_epoch(3)
print(json.dumps([lazy, next(iter(data.train)).numpy().astype(int).ravel().tolist()]))
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    lazy, bits = json.loads(result.stdout.splitlines()[-1])
    assert lazy == []
    data = keras_vae.data.load("digits", 50, binarize="dynamic", shuffle_seed=5)
    data.set_epoch(3)
    assert np.array_equal(next(iter(data.train)).numpy().astype(int).ravel(), bits)


def test_repeat_gives_new_epochs():
    data = load()
    twice = ids(data.train.repeat(2))
    data.set_epoch(0)
    assert twice == ids(data.train) + ids(data.train)


def test_each_iterator_keeps_its_epoch():
    data = load()
    first, second = iter(data.train), iter(data.train)
    mixed = [next(first), next(second), next(first), next(second), next(first), next(second)]
    data.set_epoch(0)
    assert np.array_equal(np.concatenate(mixed[::2]), whole(data.train))
    assert np.array_equal(np.concatenate(mixed[1::2]), whole(data.train))


@pytest.mark.parametrize("shape", [(3, 5, 1), (4, 4, 1), (2, 3, 3)])
def test_draws_do_not_depend_on_batch_size_or_storage(shape):
    x = np.random.default_rng(1).random((210, *shape)).astype(np.float32)
    drawn = {}
    for name, batch_size, cache in [("a", 16, True), ("b", 100, True), ("c", 33, False)]:
        data = load(x, batch_size, binarize="dynamic", validation_fraction=0.2, cache=cache)
        data.set_epoch(4)
        drawn[name] = whole(data.train), whole(data.validation)
    assert set(np.unique(drawn["a"][0])) == {0.0, 1.0}
    for name in "bc":
        assert np.array_equal(drawn["a"][0], drawn[name][0])
        assert np.array_equal(drawn["a"][1], drawn[name][1])


def test_draws_are_new_for_each_epoch_pixel_and_image():
    half = np.full((400, 5, 5), 0.5, np.float32)
    data = load(half, binarize="dynamic", validation_fraction=0.25, test_fraction=0.25)
    first, second = (whole(data.train).reshape(225, 25) for _ in range(2))
    for a, b in [(first, second), (first[1:], first[:-1]), (first[:, 1:], first[:, :-1])]:
        assert abs(np.mean(a == b) - 0.5) < 4 * 0.5 / np.sqrt(a.size)
    validation, test = whole(data.validation), whole(data.test)
    assert np.array_equal(validation, whole(data.validation))
    agreement = np.mean(validation[:75] == test[:75])
    assert abs(agreement - 0.5) < 4 * 0.5 / np.sqrt(test[:75].size)


def test_mean_of_many_dynamic_epochs_is_the_image():
    x = np.linspace(0, 1, 2 * 4 * 4, dtype=np.float32).reshape(2, 4, 4, 1)
    data = load(x, 2, binarize="dynamic")
    epochs = 1000
    # Pixel (0, 0) is 0 in the first image and above 1/2 in the second, and tells them apart only
    # in the mean: so the order of each epoch is asked of an unbinarised twin.
    twin = load(x, 2)
    total = np.zeros_like(x)
    for drawn, grey in zip(data.train.repeat(epochs), twin.train.repeat(epochs), strict=True):
        total += drawn.numpy()[np.argsort(grey.numpy()[:, 0, 0, 0])]
    mean = total / epochs
    error = np.sqrt(np.maximum(x * (1 - x), 1e-12) / epochs)
    assert np.all(np.abs(mean - x) < 4.5 * error + 1e-5)
    assert mean[0, 0, 0, 0] == 0 and mean[1, 3, 3, 0] == 1


def test_uniforms_continue_where_the_last_batch_ended():
    epoch, start = tf.constant(7, tf.int64), tf.constant(0, tf.int64)
    long = pipeline.uniforms(11, epoch, start, (50, 3, 3, 1)).numpy()
    tail = pipeline.uniforms(11, epoch, tf.constant(20, tf.int64), (30, 3, 3, 1)).numpy()
    assert np.array_equal(long[20:], tail)
    assert long.min() >= 0 and long.max() < 1
    assert len(np.unique(long)) > 0.99 * long.size


def test_threshold():
    x = np.array([0, 127, 128, 255], np.uint8).reshape(1, 2, 2).repeat(3, axis=0)
    data = load(x, binarize="threshold")
    assert whole(data.train)[0].ravel().tolist() == [0, 0, 1, 1]
    assert data.is_binary and data.mean.ravel().tolist() == [0, 0, 1, 1]


def test_remainder_is_kept_and_large_batches_are_fine():
    data = load(numbered(10), 4)
    assert [len(batch) for batch in data.train] == [4, 4, 2]
    assert len(data.train) == 3
    assert [len(batch) for batch in load(numbered(10), 1000).train] == [10]


def test_keras_fit_sees_one_epoch_after_another(recwarn):
    seen = []

    class Recorder(keras.Model):
        def train_step(self, batch):
            x = batch[0] if isinstance(batch, tuple) else batch
            seen.append(np.rint(x.numpy()[:, 0, 0, 0] * 255).astype(int).tolist())
            return {"loss": 0.0}

    data = load(batch_size=40)
    model = Recorder()
    model.compile(run_eagerly=True)
    model.built = True
    model.fit(data.train, epochs=3, verbose=0, shuffle=False)
    data.set_epoch(0)
    assert seen == [ids(data.train) for _ in range(3)]
    assert not [w for w in recwarn if issubclass(w.category, UserWarning)]


def test_works_under_a_distribution_strategy():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        data = load()
    first = np.concatenate(list(strategy.experimental_distribute_dataset(data.train)))
    data.set_epoch(0)
    assert np.array_equal(first, whole(data.train))


def test_splits_are_disjoint_cover_all_and_ignore_the_shuffle_seed():
    parts = []
    for seed in (0, 9):
        data = load(numbered(100), validation_fraction=0.2, test_fraction=0.3, shuffle_seed=seed)
        train, validation, test = ids(data.train), ids(data.validation), ids(data.test)
        assert (data.num_train, data.num_validation, data.num_test) == (56, 14, 30)
        assert sorted(train + validation + test) == list(range(100))
        parts.append((sorted(train), validation, test))
    assert parts[0] == parts[1]
    assert parts[0][2] != list(range(70, 100))


def test_zero_fractions_make_no_parts():
    data = load()
    assert data.validation is None and data.test is None
    assert (data.num_train, data.num_validation, data.num_test) == (40, 0, 0)


def test_digits_against_scikit_learn():
    from sklearn.datasets import load_digits

    bunch = load_digits()
    data = keras_vae.data.load("digits", labels=True)
    assert data.image_shape == (8, 8, 1) and data.num_classes == 10 and data.name == "digits"
    assert (data.num_train, data.num_validation, data.num_test) == (1455, 162, 180)
    pairs = [(x, y) for part in (data.train, data.validation, data.test) for x, y in part]
    x, y = (np.concatenate(column) for column in zip(*pairs, strict=True))
    assert x.dtype == np.float32 and y.dtype == np.int32

    def table(images, classes):
        rows = np.column_stack([images.reshape(len(images), -1), classes])
        return rows[np.lexsort(rows.T)]

    assert np.array_equal(table(x, y), table(bunch.images / 16, bunch.target))
    assert "digits" in repr(data) and "\n" not in repr(data)


def test_mean_is_that_of_the_training_images():
    data = load(numbered(), validation_fraction=0.25)
    assert np.allclose(data.mean, whole(data.train).mean(axis=0), atol=1e-6)
    assert data.mean.shape == (3, 5, 1) and data.mean.dtype == np.float32
    streamed = load(numbered(), validation_fraction=0.25, cache=False)
    assert np.array_equal(streamed.mean, data.mean)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"batch_size": 0}, "`batch_size` must be an integer >= 1. Received: batch_size=0"),
        ({"binarize": "dynamical"}, "Did you mean 'dynamic'?"),
        ({"validation_fraction": 1.0}, "`validation_fraction` must be >= 0 and < 1"),
        ({"test_fraction": -0.1}, "`test_fraction` must be >= 0 and < 1"),
        ({"image_size": 0}, "`image_size` must be an integer >= 1 or a pair"),
        ({"image_size": (4, 4, 4)}, "`image_size` must be an integer >= 1 or a pair"),
        ({"color_mode": "gray"}, "`color_mode` must be one of 'grayscale', 'rgb'"),
        ({"shuffle_seed": -1}, "`shuffle_seed` must be an integer >= 0"),
        ({"cache": "yes"}, "`cache` must be one of 'auto', True, False"),
        ({"value_range": (1, 0)}, "`value_range` must be two numbers (low, high)"),
        ({"labels": True}, "needs a source with labels"),
        ({"test_fraction": 0.001}, "Too few examples: `test_fraction`"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(ValueError) as raised:
        load(**arguments)
    assert words in str(raised.value)


def test_set_epoch_refuses_what_is_no_epoch():
    with pytest.raises(ValueError, match="`epoch` must be an integer >= 0"):
        load().train.set_epoch(-1)
