"""How files are compared: PSNR and SSIM against other computations, and what makes them fail."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from export import compare, formats, vectors

GATE = formats.Gate(image=0.05, psnr=30.0, other=0.01)
RNG = np.random.default_rng(0)
IMAGES = RNG.random((6, 12, 10, 3)).astype("float32")


class Fixed:
    """A runtime that gives what it is told to."""

    endpoints = ("decode",)

    def __init__(self, change=lambda image: image):
        self.change = change

    def run(self, endpoint, z):
        rows = z[:, 0].astype(int)
        return {"image": self.change(IMAGES[rows]).astype("float32")}


VECTORS = {"decode": ({"z": np.arange(6, dtype="float32")[:, None]}, {"image": IMAGES})}


def noisy(image):
    """Each row with the same noise."""
    return np.clip(image + 0.01 * np.cos(np.arange(image[0].size)).reshape(image[0].shape), 0, 1)


def test_psnr_is_tensorflows():
    changed = noisy(IMAGES)
    found = compare.compare(Fixed(noisy), VECTORS, GATE)
    expected = tf.image.psnr(IMAGES, changed.astype("float32"), max_val=1.0).numpy()
    numbers = found.errors["decode"]["image"]
    assert numbers["psnr_mean"] == pytest.approx(expected.mean(), abs=1e-3)
    assert numbers["psnr_worst"] == pytest.approx(expected.min(), abs=1e-3)
    assert numbers["max_abs_error"] == pytest.approx(np.abs(changed - IMAGES).max(), rel=1e-5)


def test_ssim_is_that_of_scipys_windows():
    first, second = IMAGES.astype("float64"), noisy(IMAGES.astype("float64")) * 0.9

    def mean(image):
        windows = ndimage.uniform_filter(image, (0, 7, 7, 0))
        return windows[:, 3:-3, 3:-3]

    means = mean(first), mean(second)
    variances = [mean(x**2) - m**2 for x, m in zip((first, second), means, strict=True)]
    covariance = mean(first * second) - means[0] * means[1]
    c1, c2 = 1e-4, 9e-4
    similarity = (2 * means[0] * means[1] + c1) * (2 * covariance + c2)
    similarity /= (means[0] ** 2 + means[1] ** 2 + c1) * (variances[0] + variances[1] + c2)
    np.testing.assert_allclose(
        compare._ssim(second, first), similarity.mean(axis=(1, 2, 3)), rtol=1e-9
    )


def test_ssim_of_equal_images_is_one_and_of_small_ones_is_defined():
    for shape in ((2, 12, 10, 3), (2, 3, 2, 1), (2, 7)):
        images = RNG.random(shape)
        np.testing.assert_allclose(compare._ssim(images, images), 1.0)
        assert np.all(compare._ssim(images, images[::-1]) < 1.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows + 0.06, "differs from the Keras model by 0.06, .* at most 0.05"),
        (lambda rows: rows + 0.045, "mean PSNR of 26.9 dB, which must be at least 30 dB"),
        (lambda rows: rows * np.nan, "differs from the Keras model by nan"),
        (lambda rows: rows[..., :1], r"shape \(6, 12, 10, 1\), in the Keras model"),
        (lambda rows: rows + 1e-3 * (len(rows) == 1), "changes by 0.001 with the rows beside it"),
    ],
)
def test_what_is_out_of_bounds_fails(change, words):
    found = compare.compare(Fixed(change), VECTORS, GATE)
    assert len(found.failures) >= 1
    with pytest.raises(AssertionError, match=f"`image` of `decode` .*{words}"):
        raise AssertionError("; ".join(found.failures))


def test_what_is_within_bounds_passes():
    found = compare.compare(Fixed(noisy), VECTORS, GATE)
    assert found.failures == () and 0 < found.worst_error < 0.05


def test_a_missing_endpoint_fails():
    both = {**VECTORS, "encode": ({"image": IMAGES}, {"z_mean": IMAGES})}
    assert compare.compare(Fixed(), both, GATE).failures == ("`encode` is missing",)


def test_golden_vectors_come_back_from_their_file(tmp_path):
    content = vectors.pack(VECTORS)
    (tmp_path / vectors.name_of(content)).write_bytes(content)
    inputs, outputs = vectors.load(tmp_path / vectors.name_of(content))["decode"]
    np.testing.assert_array_equal(inputs["z"], VECTORS["decode"][0]["z"])
    np.testing.assert_array_equal(outputs["image"], IMAGES)


@pytest.mark.parametrize("content", [b"", b"noise", None])
def test_damaged_golden_vectors_are_refused(tmp_path, content):
    path = tmp_path / "golden.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"golden\.npz must hold the golden vectors"):
        vectors.load(path)
