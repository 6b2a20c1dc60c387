"""Folders of image files, written here with Pillow."""

import warnings

import numpy as np
import pytest
from PIL import Image

import keras_vae.data
from keras_vae.data import image_files, pixels

RNG = np.random.default_rng(5)


def pixels_of(*shape):
    return RNG.integers(0, 256, shape).astype(np.uint8)


def write(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def load(source, batch_size=4, **arguments):
    arguments = {"validation_fraction": 0, "test_fraction": 0} | arguments
    return keras_vae.data.load(source, batch_size, **arguments)


def in_order(part):
    """All stored images of a training part, in the order of the paths."""
    return part.store.read(part.indices)


def test_classes_and_formats(tmp_path):
    images = {name: pixels_of(6, 5, 3) for name in ("a/1.png", "a/2.BMP", "b/deep/3.png")}
    for name, array in images.items():
        write(tmp_path / name, array)
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    (tmp_path / "a" / ".hidden.png").write_text("not an image")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "empty").mkdir()
    write(tmp_path / "b" / "4.jpg", np.full((6, 5, 3), 90, np.uint8))
    data = load(tmp_path, labels=True)
    assert data.class_names == ["a", "b"] and data.num_classes == 2
    assert data.image_shape == (6, 5, 3) and data.num_train == 4
    assert data.name == tmp_path.name
    x, y = next(iter(data.train))
    order = np.lexsort(x.numpy().reshape(4, -1).T)
    expected = np.stack([*images.values(), np.full((6, 5, 3), 90)]).astype(np.float32) / 255
    expected_order = np.lexsort(expected.reshape(4, -1).T)
    assert np.allclose(x.numpy()[order], expected[expected_order], atol=1 / 255)
    assert y.numpy()[order].tolist() == np.array([0, 0, 1, 1])[expected_order].tolist()


def test_part_folders(tmp_path):
    for number, part in enumerate(["Train", "Train", "test", "val"]):
        for name in ("cat", "dog"):
            write(tmp_path / part / name / f"{number}.png", pixels_of(4, 4))
    write(tmp_path / "test" / "eel" / "9.png", pixels_of(4, 4))
    data = load(tmp_path, validation_fraction=0.5, labels=True)
    assert (data.num_train, data.num_validation, data.num_test) == (4, 2, 3)
    assert data.class_names == ["cat", "dog", "eel"]
    labels = np.concatenate([y for _, y in data.test])
    assert labels.tolist() == [0, 1, 2]


def test_flat_folder_and_part_folders_without_classes(tmp_path):
    for number in range(5):
        write(tmp_path / "flat" / f"{number}.png", pixels_of(4, 4))
        write(tmp_path / "parts" / "train" / f"{number}.png", pixels_of(4, 4))
        write(tmp_path / "parts" / "test" / f"{number}.png", pixels_of(4, 4))
    flat = load(tmp_path / "flat")
    assert flat.num_classes is None and flat.num_train == 5
    parts = load(tmp_path / "parts")
    assert (parts.num_train, parts.num_test, parts.num_classes) == (5, 5, None)
    with pytest.raises(ValueError, match="needs a source with labels"):
        load(tmp_path / "flat", labels=True)


@pytest.mark.parametrize("cache", [True, False])
def test_mixed_sizes(tmp_path, cache):
    arrays = [pixels_of(6, 6), pixels_of(9, 7), pixels_of(6, 6)]
    for number, array in enumerate(arrays):
        write(tmp_path / f"{number}.png", array)
    with pytest.warns(UserWarning, match=r"6x6 \(2\), 9x7 \(1\).*resized to 6x6") as caught:
        data = load(tmp_path, cache=cache)
    assert len(caught) == 1
    got = in_order(data._train_part)
    assert np.array_equal(got[0, ..., 0], arrays[0]) and np.array_equal(got[2, ..., 0], arrays[2])
    resized = pixels.resize_array(arrays[1][None, ..., None], (6, 6))
    assert np.array_equal(got[1], resized[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load(tmp_path, image_size=(8, 4), cache=cache).image_shape == (8, 4, 1)


def test_streamed_equals_cached(tmp_path):
    for number in range(23):
        write(tmp_path / f"{number:02}.png", pixels_of(7, 6 + number % 2, 3))
    arguments = {"image_size": (5, 6), "validation_fraction": 0.2, "test_fraction": 0.2}
    for binarize in ("none", "dynamic"):
        cached, streamed = (
            load(tmp_path, binarize=binarize, cache=cache, **arguments) for cache in (True, False)
        )
        for part in ("train", "validation", "test"):
            a, b = (np.concatenate(list(getattr(d, part))) for d in (cached, streamed))
            assert np.array_equal(a, b)
    assert np.array_equal(cached.mean, streamed.mean)


def test_pillow_modes(tmp_path):
    grey, color, alpha = pixels_of(5, 4), pixels_of(5, 4, 3), pixels_of(5, 4, 4)
    cases = {
        "bits.png": (Image.fromarray(grey > 127), (grey > 127)[..., None] * 255),
        "grey.png": (Image.fromarray(grey), grey[..., None]),
        "deep.png": (Image.fromarray(grey.astype(np.uint16) * 257), grey[..., None]),
        "rgba.png": (Image.fromarray(alpha), alpha),
        "la.png": (Image.fromarray(alpha[..., :2], mode="LA"), alpha[..., :2]),
        "palette.png": (Image.fromarray(color).quantize(20), color),
    }
    for name, (image, expected) in cases.items():
        image.save(tmp_path / name)
        assert np.array_equal(image_files.read(str(tmp_path / name)), expected), name


def test_gif_is_its_first_frame_and_photographs_are_turned_upright(tmp_path):
    frames = [Image.fromarray(np.full((5, 4, 3), value, np.uint8)) for value in (40, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    first = image_files.read(str(tmp_path / "a.gif"))
    assert first.shape == (5, 4, 3) and np.all(np.abs(first.astype(int) - 40) <= 2)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels_of(8, 16, 3)).save(tmp_path / "b.jpg", exif=exif)
    assert image_files.read(str(tmp_path / "b.jpg")).shape == (16, 8, 3)


def test_channel_counts(tmp_path):
    write(tmp_path / "1.png", pixels_of(4, 4))
    write(tmp_path / "2.png", pixels_of(4, 4, 3))
    write(tmp_path / "3.png", pixels_of(4, 4, 3))
    with pytest.raises(ValueError) as raised:
        load(tmp_path)
    text = str(raised.value)
    assert "1 images with 1 channel (such as" in text and "1.png" in text
    assert "2 images with 3 channels" in text and 'color_mode="grayscale"' in text
    assert load(tmp_path, color_mode="rgb").image_shape == (4, 4, 3)
    assert load(tmp_path, color_mode="grayscale").image_shape == (4, 4, 1)


def test_bad_files(tmp_path):
    for number in range(4):
        write(tmp_path / f"{number}.png", pixels_of(20, 20))
    whole = (tmp_path / "2.png").read_bytes()
    (tmp_path / "2.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"2.png must be a readable image.*skip_bad=True"):
        load(tmp_path)
    with pytest.warns(UserWarning, match="1 of 4 files .* left out.*2.png"):
        data = load(tmp_path, skip_bad=True)
    assert (data.num_skipped, data.num_train) == (1, 3)
    assert np.concatenate(list(data.train)).shape == (3, 20, 20, 1)
    (tmp_path / "1.png").write_text("text")
    with pytest.raises(ValueError, match=r"(?s)2 of 4 files.*1.png.*2.png"):
        load(tmp_path)


def test_truncated_jpeg_is_found(tmp_path):
    write(tmp_path / "a.jpg", pixels_of(64, 64, 3))
    write(tmp_path / "b.jpg", pixels_of(64, 64, 3))
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(ValueError, match=r"a.jpg must be a readable image"):
        load(tmp_path)


def test_nothing_usable(tmp_path):
    with pytest.raises(ValueError, match=r"\.png, \.jpg, \.jpeg, \.bmp, \.gif"):
        load(tmp_path)
    (tmp_path / "a.png").write_text("text")
    with pytest.raises(ValueError, match=r"1 of 1 files with the extensions \.png"):
        load(tmp_path, skip_bad=True)
    with pytest.raises(ValueError, match="does not exist"):
        load(tmp_path / "missing")
    with pytest.raises(ValueError, match="does not exist"):
        load(f"{tmp_path}/missing")
    with pytest.raises(ValueError, match="`value_range` must be None"):
        load(tmp_path, value_range=(0, 255))


def test_a_file_that_breaks_while_streaming_is_named(tmp_path):
    for number in range(3):
        write(tmp_path / f"{number}.png", pixels_of(8, 8))
    data = load(tmp_path, cache=False)
    (tmp_path / "1.png").write_text("text")
    with pytest.raises(Exception, match=r"1.png must be a readable image"):
        list(data.train)


def test_is_binary(tmp_path):
    write(tmp_path / "a.png", (pixels_of(8, 8) > 99).astype(np.uint8) * 255)
    assert load(tmp_path).is_binary and load(tmp_path, cache=False).is_binary
    write(tmp_path / "b.png", pixels_of(8, 8))
    assert not load(tmp_path).is_binary
