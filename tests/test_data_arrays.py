"""Arrays in memory and in .npy and .npz files: values, labels, and what is refused."""

import sys

import numpy as np
import pytest

import keras_vae.data

RNG = np.random.default_rng(3)
BYTES = RNG.integers(0, 256, (30, 6, 4, 3)).astype(np.uint8)


def load(source, batch_size=8, **arguments):
    arguments = {"validation_fraction": 0, "test_fraction": 0} | arguments
    return keras_vae.data.load(source, batch_size, **arguments)


def images(source, **arguments):
    """All images in the order of the source: the test part keeps it."""
    first = source if isinstance(source, np.ndarray) else source[0]
    data = load(((first, None), (first, None)), **arguments)
    return np.concatenate([batch.numpy() for batch in data.test])


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize(
    ("raw", "value_range", "expected"),
    [
        (BYTES, None, BYTES.astype(np.float32) / np.float32(255)),
        (BYTES // 16, (0, 15), (BYTES // 16).astype(np.float32) / np.float32(15)),
        (BYTES.astype(np.int64), None, BYTES.astype(np.float32) / np.float32(255)),
        (BYTES.astype(np.int16) - 100, (-100, 155), BYTES.astype(np.float32) / np.float32(255)),
        (BYTES > 99, None, (BYTES > 99).astype(np.float32)),
        (BYTES / 255.0, None, BYTES.astype(np.float32) / np.float32(255)),
        (BYTES / 300.0, None, (BYTES / 300.0).astype(np.float32)),
        (BYTES / 127.5 - 1, (-1, 1), (BYTES / 255.0).astype(np.float32)),
        (BYTES.astype(np.uint16) * 257, (0, 65535), (BYTES / 255.0).astype(np.float32)),
    ],
    ids=["uint8", "4-bit", "int64", "int16", "bool", "k/255", "float", "tanh", "uint16"],
)
def test_values(raw, value_range, expected, cache):
    got = images(raw, value_range=value_range, cache=cache)
    assert got.dtype == np.float32 and got.shape == (30, 6, 4, 3)
    assert np.max(np.abs(got - expected)) <= (1.2e-7 if value_range else 0)
    assert got.min() >= 0 and got.max() <= 1


def test_channel_axis_is_added_and_binary_data_is_recognised():
    assert load(BYTES[..., 0]).image_shape == (6, 4, 1)
    assert load(BYTES > 9).is_binary
    assert load((BYTES > 9).astype(np.float32)).is_binary
    assert load((BYTES > 9).astype(np.uint8) * 255).is_binary
    assert not load(BYTES).is_binary
    assert load(BYTES, binarize="dynamic").is_binary


def test_keras_style_tuples_and_labels():
    y = np.arange(30) % 7
    data = load(((BYTES, y), (BYTES[:5], y[:5, None])), labels=True)
    assert (data.num_train, data.num_test, data.num_classes) == (30, 5, 7)
    for x, labels in data.train:
        for image, label in zip(x.numpy(), labels.numpy(), strict=True):
            row = int(np.flatnonzero((np.rint(image * 255) == BYTES).all((1, 2, 3)))[0])
            assert label == row % 7
    (x, labels) = next(iter(data.test))
    assert labels.dtype.name == "int32" and labels.numpy().tolist() == [0, 1, 2, 3, 4]


def test_lists_of_images_are_stacked():
    assert np.array_equal(images((list(BYTES),)), images(BYTES))


def triangle_weights(size, new_size):
    """Weights of bilinear interpolation that smooths before it shrinks."""
    scale = size / new_size
    centres = (np.arange(new_size) + 0.5) * scale
    distance = np.abs(np.arange(size) + 0.5 - centres[:, None]) / max(scale, 1)
    weights = np.maximum(0, 1 - distance)
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("size", [(2, 2), (3, 7), (11, 4)])
def test_resizing_against_a_matrix_product(size):
    rows, columns = triangle_weights(6, size[0]), triangle_weights(4, size[1])
    expected = np.einsum("ah,nhwc,bw->nabc", rows, BYTES.astype(float), columns)
    got = images(BYTES, image_size=size) * 255
    assert np.max(np.abs(got - expected)) < 0.501
    assert np.allclose(got, np.rint(got), atol=1e-4)
    assert load(BYTES, image_size=size).image_shape == (*size, 3)


def test_resizing_is_the_same_for_streamed_and_cached_and_all_value_types():
    for raw, value_range in [(BYTES, None), (BYTES / 255.0, None), (BYTES // 17, (0, 15))]:
        cached, streamed = (
            images(raw, image_size=(5, 3), value_range=value_range, cache=cache)
            for cache in (True, False)
        )
        assert np.array_equal(cached, streamed)
    assert np.array_equal(images(BYTES, image_size=5), images(BYTES / 255.0, image_size=5))


def test_color_mode():
    grey = images(BYTES, color_mode="grayscale")
    luma = BYTES @ np.array([0.299, 0.587, 0.114])
    assert grey.shape[-1] == 1
    assert np.max(np.abs(grey[..., 0] * 255 - luma)) <= 0.51
    assert (
        np.max(
            np.abs(images(BYTES / 255.0 * 0.9, color_mode="grayscale")[..., 0] * 255 - 0.9 * luma)
        )
        < 1e-2
    )
    rgb = images(BYTES[..., :1], color_mode="rgb")
    assert np.array_equal(rgb, np.repeat(images(BYTES[..., :1]), 3, axis=-1))
    assert load(np.zeros((3, 4, 4, 4), np.uint8), color_mode="rgb").image_shape == (4, 4, 3)


@pytest.mark.parametrize(
    "arrays",
    [
        {"x_train": BYTES, "y_train": np.arange(30), "x_test": BYTES[:4], "y_test": np.arange(4)},
        {"x": BYTES, "y": np.arange(30)},
        {"images": BYTES, "labels": np.arange(30)},
        {"anything": BYTES},
    ],
)
def test_npz(tmp_path, arrays):
    np.savez(tmp_path / "set.npz", **arrays)
    data = load(tmp_path / "set.npz", labels=len(arrays) > 1)
    assert (data.name, data.num_train) == ("set", 30)
    assert data.num_test == (4 if "x_test" in arrays else 0)
    assert data.num_classes == (30 if len(arrays) > 1 else None)
    assert load(str(tmp_path / "set.npz")).image_shape == (6, 4, 3)


def test_npy_is_streamed_from_the_file_and_equals_memory(tmp_path):
    np.save(tmp_path / "set.npy", BYTES)
    parts = []
    for cache in (True, False):
        data = load(tmp_path / "set.npy", validation_fraction=0.2, test_fraction=0.2, cache=cache)
        parts.append([np.concatenate(list(p)) for p in (data.train, data.validation, data.test)])
    assert all(np.array_equal(a, b) for a, b in zip(*parts, strict=True))
    store = data._train_part.store
    assert isinstance(store.array, np.memmap)


def refused(source, *words, **arguments):
    with pytest.raises(ValueError) as raised:
        load(source, **arguments)
    for word in words:
        assert word in str(raised.value), str(raised.value)


def test_values_outside_the_range():
    refused(BYTES / 1.0, "declared range [0, 1]", "float64 values from 0 to 255", "(0, 255)")
    refused(BYTES / 127.5 - 1, "declared range [0, 1]", "from -1 to 1", "value_range=(-1, 1)")
    refused(BYTES, "declared range [0, 15]", "from 0 to 255", value_range=(0, 15))
    refused(BYTES.astype(np.int32) * 9, "`value_range` is required for int32", "from 0 to 2295")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite(bad, monkeypatch):
    monkeypatch.setattr("keras_vae.data.pixels.CHUNK_BYTES", 2000)
    x = BYTES / 255.0
    x[17, 2, 3, 1] = x[20, 0, 0, 0] = bad
    refused(x, "finite", "2 values that are NaN or infinite", "(17, 2, 3, 1)")


def test_arrays_of_the_wrong_form():
    refused(np.zeros(784), "(784,)", "reshape")
    refused(np.zeros((2, 3, 4, 5, 6)), "(2, 3, 4, 5, 6)")
    refused(np.zeros((0, 4, 4)), "(0, 4, 4)")
    refused(np.array([[["a"]]]), "must hold numbers")
    refused(np.full((2, 3, 3), "a"), "must hold numbers")
    refused([BYTES, BYTES[:4]], "images of one shape", "as a tuple")
    refused((BYTES, BYTES), "labels y of x must be 30 integers", "((x_train, y_train)")
    refused((BYTES, np.eye(30)), "numpy.argmax")
    refused((BYTES, np.arange(29)), "30 integers", "(29,)")
    refused((BYTES, BYTES, BYTES), "a tuple of 3", "(x, y)")
    refused(((BYTES, None), (BYTES[:, :3], None)), "one shape", "(3, 4, 3)")
    refused(
        BYTES[:5], "Too few examples: `validation_fraction`", "0.1 of 5", validation_fraction=0.1
    )


def test_files_that_are_refused(tmp_path):
    np.savez(tmp_path / "keys.npz", a=BYTES, b=BYTES)
    refused(tmp_path / "keys.npz", "keys.npz", "keys a, b", "x_train, y_train, x_test, y_test")
    np.save(tmp_path / "objects.npy", np.array([{}, 1], object), allow_pickle=True)
    refused(tmp_path / "objects.npy", "objects.npy", "never unpickled")
    np.savez(tmp_path / "objects.npz", x=np.array([{}, 1], object))
    refused(tmp_path / "objects.npz", "objects.npz", "never unpickled")
    for name in ("x.npz", "x.npy"):
        path = tmp_path / name
        np.savez(path, x=BYTES) if name == "x.npz" else np.save(path, BYTES)
        whole = path.read_bytes()
        for damaged in (whole[: len(whole) // 2], b"", b"not an array"):
            path.write_bytes(damaged)
            refused(path, name, "must be a readable", "damaged")
    flipped = bytearray(whole)
    np.savez(tmp_path / "crc.npz", x=BYTES)
    flipped = bytearray((tmp_path / "crc.npz").read_bytes())
    flipped[len(flipped) // 2] ^= 255
    (tmp_path / "crc.npz").write_bytes(flipped)
    refused(tmp_path / "crc.npz", "crc.npz", "must be a readable")
    refused(tmp_path / "missing.npz", "missing.npz", "does not exist")
    (tmp_path / "notes.txt").write_text("no images")
    refused(tmp_path / "notes.txt", "notes.txt", "another kind of file")


def test_what_is_no_source_at_all():
    refused(None, "shape ()", "dtype object")
    refused("", "neither a known set")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_streamed_file_does_not_come_to_fill_the_memory(run_python, tmp_path):
    shape = (20_000, 64, 64, 3)
    file = np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, shape)
    file[0] = 100
    file.flush()
    code = """
import re, sys
import numpy as np
from keras_vae.data import load

def mapped():
    return int(re.search(r"RssFile:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

data = load(sys.argv[1], 100, cache=False, validation_fraction=0, test_fraction=0)
first, *_ = data.train
before = mapped()
assert sum(len(x) for x in data.train) == 20_000
print(mapped() - before)
"""
    grown = float(run_python(code, tmp_path / "images.npy"))
    assert grown < 50, f"{grown:.0f} MiB of 246"
