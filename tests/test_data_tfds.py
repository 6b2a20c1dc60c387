"""TensorFlow Datasets sets: a small one prepared here, real MNIST where it is, and no network."""

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import keras_vae.data
from keras_vae.data import tfds_source
from keras_vae.data.forms import Sharing

ROOT = pathlib.Path(keras_vae.data.__file__).parents[2]
NUM = {"train": 90, "test": 20}


def picture(split, number):
    image = np.full((6, 5, 1), number, np.uint8)
    image[0, 0] = 200 if split == "train" else 100
    return image


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A folder with a prepared set `numbered_pictures`, in several files, without a network."""
    import tensorflow_datasets as tfds

    class NumberedPictures(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "image": tfds.features.Image(shape=(6, 5, 1)),
                "label": tfds.features.ClassLabel(names=["even", "odd"]),
                "text": tfds.features.Text(),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, _):
            return {split: self._generate_examples(split) for split in NUM}

        def _generate_examples(self, split):
            for number in range(NUM[split]):
                image = picture(split, number)
                yield number, {"image": image, "label": number % 2, "text": "x"}

    folder = tmp_path_factory.mktemp("tfds")
    builder = NumberedPictures(data_dir=folder)
    shards = tfds.download.DownloadConfig(num_shards=3)
    builder.download_and_prepare(download_config=shards)
    return folder


def load(data_dir, batch_size=8, **arguments):
    return keras_vae.data.load("numbered_pictures", batch_size, data_dir=data_dir, **arguments)


def numbers(dataset):
    return [round(float(x[1, 1, 0]) * 255) for batch in dataset for x in batch]


@pytest.mark.parametrize("cache", [True, False])
def test_parts_cover_the_set(data_dir, cache):
    data = load(data_dir, cache=cache)
    assert (data.num_train, data.num_validation, data.num_test) == (81, 9, 20)
    assert data.image_shape == (6, 5, 1) and data.class_names == ["even", "odd"]
    train, validation, test = (numbers(p) for p in (data.train, data.validation, data.test))
    assert sorted(train + validation) == list(range(90)) and sorted(test) == list(range(20))
    assert len(data.train) == 11 and numbers(data.test) == test
    first = next(iter(data.test)).numpy()[:, 0, 0, 0]
    assert np.allclose(first, 100 / 255)


def test_streaming_holds_the_same_images_as_memory(data_dir):
    cached, streamed = (load(data_dir, cache=cache, labels=True) for cache in (True, False))
    for part in ("validation", "test"):
        for a, b in zip(getattr(cached, part), getattr(streamed, part), strict=True):
            assert np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1])
    assert np.allclose(cached.mean, streamed.mean)
    for x, y in streamed.train:
        assert np.array_equal(np.rint(x[:, 1, 1, 0] * 255) % 2, y)


def test_streamed_order_is_a_function_of_seed_and_epoch(data_dir):
    data = load(data_dir, cache=False)
    epochs = [numbers(data.train) for _ in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert len({tuple(sorted(epoch)) for epoch in epochs}) == 1
    tf.random.set_seed(99)
    other = load(data_dir, batch_size=13, cache=False)
    other.set_epoch(2)
    assert numbers(other.train) == epochs[2]
    assert numbers(load(data_dir, cache=False, shuffle_seed=1).train) != epochs[0]
    steps = np.abs(np.diff(epochs[0]))
    assert np.mean(steps) > 15


def test_a_streamed_epoch_can_be_gone_on_with_in_its_midst(data_dir):
    data = load(data_dir, cache=False, batch_size=8, binarize="dynamic", labels=False)
    data.set_epoch(1)
    whole = np.concatenate(list(data.train))
    data.set_epoch(1, first_batch=4)
    np.testing.assert_array_equal(
        np.concatenate(list(data.train.variant(whole_epochs=False))), whole[32:]
    )


def worker_shares(data, worker, epoch, **place):
    """What a worker of two with one replica each gets in an epoch, in batches of 8."""
    data.set_epoch(epoch, **place)
    sharing = Sharing([worker], count=2, worker=worker, workers=2)
    return list(data.train.variant(form=sharing, whole_epochs=not place))


def test_workers_stream_files_of_their_own(data_dir):
    data = load(data_dir, cache=False)
    for epoch in range(2):
        seen = []
        for worker in range(2):
            shares = worker_shares(data, worker, epoch)
            assert [(share.first, share.total) for share in shares] == [(4 * worker, 8)] * 10
            assert [share.start for share in shares] == list(range(4 * worker, 80, 8))
            seen.append(numbers([share.batch for share in shares]))
            assert len(seen[-1]) == 40
            # Each image of its files comes once before one comes again.
            counts = np.unique(seen[-1], return_counts=True)[1]
            assert counts.max() - counts.min() <= 1
        assert not set(seen[0]) & set(seen[1])
    assert seen[0] != numbers([share.batch for share in worker_shares(data, 0, epoch=0)])


_TRAINING = """
import sys
import keras_vae as kv

strategy = kv.strategies.get("multi_worker")
with strategy.scope():
    vae = kv.VAE(
        kv.networks.mlp_encoder((6, 5, 1), 2, units=(16,), seed=0),
        kv.networks.mlp_decoder((6, 5, 1), 2, units=(16,), seed=1),
        seed=2,
    )
    vae.compile(optimizer="adam")
data = kv.data.load("numbered_pictures", 8, data_dir=sys.argv[1], cache=False)
loss = vae.fit(data.train, epochs=20, verbose=0).history["loss"]
assert int(vae.optimizer.iterations.numpy()) == 200 and loss[-1] < 0.9 * loss[0], loss
print("WEIGHTS", [float(weight.sum()) for weight in vae.get_weights()], loss[-1])
"""


@pytest.mark.slow
def test_workers_train_on_streams_of_their_own(data_dir, run_workers):
    statuses, outs = run_workers([["-c", _TRAINING, data_dir]] * 2)
    assert statuses == [0, 0], outs
    weights = [out[out.index("WEIGHTS") :] for out in outs]
    assert weights[0] == weights[1]


def test_the_stream_of_a_worker_can_be_gone_on_with(data_dir):
    data = load(data_dir, cache=False, binarize="dynamic")
    for worker in range(2):
        whole = worker_shares(data, worker, epoch=1)
        rest = worker_shares(data, worker, epoch=1, first_batch=7)
        assert len(rest) == 3
        for mine, other in zip(rest, whole[7:], strict=True):
            assert mine.start == other.start
            np.testing.assert_array_equal(mine.batch, other.batch)


def test_streamed_order_within_one_file_changes_with_the_epoch(data_dir):
    data = load(data_dir, cache=False, validation_fraction=0.7)
    epochs = [numbers(data.train) for _ in range(3)]
    assert len(epochs[0]) == 27 and len({tuple(sorted(epoch)) for epoch in epochs}) == 1
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_streamed_binarisation_does_not_depend_on_batch_size(data_dir):
    drawn = []
    for batch_size in (8, 81):
        data = load(data_dir, batch_size, cache=False, binarize="dynamic")
        data.set_epoch(1)
        drawn.append([np.concatenate(list(part)) for part in (data.train, data.validation)])
    assert np.array_equal(drawn[0][0], drawn[1][0]) and np.array_equal(drawn[0][1], drawn[1][1])
    cached = load(data_dir, binarize="dynamic")
    assert np.array_equal(np.concatenate(list(cached.validation)), drawn[0][1])


def test_blocks_smaller_than_the_set_still_cover_it(data_dir, monkeypatch):
    monkeypatch.setattr("keras_vae.data.tfds_parts._MAX_BUFFER", 10)
    data = load(data_dir, cache=False, validation_fraction=0)
    assert sorted(numbers(data.train)) == list(range(90))


@pytest.mark.parametrize("cache", [True, False])
def test_resize_and_color(data_dir, cache):
    data = load(data_dir, cache=cache, image_size=(3, 4), color_mode="rgb")
    assert data.image_shape == (3, 4, 3)
    batch = next(iter(data.test)).numpy()
    assert batch.shape == (8, 3, 4, 3) and np.array_equal(batch[..., 0], batch[..., 2])


def test_damaged_files_are_named(data_dir, tmp_path):
    shutil.copytree(data_dir, tmp_path / "copy")
    file = next((tmp_path / "copy").rglob("*-train.tfrecord-00001*"))
    file.write_bytes(file.read_bytes()[:-30])
    refused(
        "numbered_pictures", "train[0:81]", "1.0.0", "DataLossError", data_dir=tmp_path / "copy"
    )


def test_environment_names_the_folder(data_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    assert load(None).num_test == 20


def refused(name, *words, **arguments):
    with pytest.raises(ValueError) as raised:
        keras_vae.data.load(name, **arguments)
    for word in words:
        assert word in str(raised.value), str(raised.value)


def test_bad_names_and_sets(tmp_path):
    refused("mnst", "'mnist'", '"digits"', "path", "neither a known set")
    refused("digit", "'digits'")
    refused("Fashion-MNIST", "'fashion_mnist'")
    refused("emnist/leters", "letters", data_dir=tmp_path)
    refused("glue", "image feature", data_dir=tmp_path)
    refused("coco", "various sizes", "`image_size`", data_dir=tmp_path)


OFFLINE = """
import sys, time
import keras_vae.data
import tensorflow_datasets
start = time.time()
try:
    keras_vae.data.load("cifar10", data_dir=sys.argv[1])
except ValueError as error:
    print(type(error).__name__, error)
    print("SECONDS", time.time() - start)
"""


@pytest.mark.slow
def test_without_a_network(tmp_path):
    closed = dict.fromkeys(
        ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
    )
    result = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(tmp_path / "sets")],
        env={**os.environ, **closed, "no_proxy": "", "NO_PROXY": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "DataUnavailableError" in result.stdout
    for word in ("cifar10", "download_and_prepare", "TFDS_DATA_DIR", '"digits" needs no network'):
        assert word in result.stdout
    assert float(result.stdout.split()[-1]) < 10
    assert list(tmp_path.iterdir()) == []


def test_failed_download_leaves_nothing(tmp_path, monkeypatch):
    import requests

    monkeypatch.setattr(tfds_source, "_no_network", lambda urls: None)
    existing = tmp_path / "sets" / "cifar10" / "keep"
    existing.mkdir(parents=True)
    builder = tfds_source.open_builder("cifar10", tmp_path / "sets")

    def fail():
        half = pathlib.Path(builder.data_dir).parent / "incomplete.abc_3.0.2"
        half.mkdir()
        (tmp_path / "sets" / "downloads" / "cifar10" / "a.tmp.1").mkdir(parents=True)
        raise requests.ConnectionError("the line went dead")

    monkeypatch.setattr(builder, "download_and_prepare", fail)
    with pytest.raises(keras_vae.data.DataUnavailableError, match="the line went dead"):
        tfds_source.ensure_on_disk(builder, "cifar10", progress=False)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert left == ["sets", "sets/cifar10", "sets/cifar10/keep"]


@pytest.mark.mnist
def test_mnist():
    data = keras_vae.data.load("mnist", labels=True)
    assert (data.num_train, data.num_validation, data.num_test) == (54_000, 6_000, 10_000)
    assert data.image_shape == (28, 28, 1) and data.num_classes == 10
    total, counts = 0.0, np.zeros(10, int)
    for part in (data.train, data.validation):
        for x, y in part:
            total += float(tf.reduce_sum(tf.cast(x, tf.float64)))
            counts += np.bincount(y, minlength=10)
    # Mean and class counts of the 60,000 training images, as published.
    assert abs(total / (60_000 * 784) - 0.1307) < 5e-5
    assert counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
