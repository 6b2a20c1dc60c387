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
    batch_sizes = ()

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


class Table(Fixed):
    """A runtime that gives the rows of fixed outputs, by endpoint."""

    def __init__(self, outputs, batch_sizes=()):
        self.outputs, self.endpoints, self.batch_sizes = outputs, tuple(outputs), batch_sizes

    def run(self, endpoint, z):
        rows = z[:, 0].astype(int)
        return {name: value[rows] for name, value in self.outputs[endpoint].items()}


ROWS = {"z": np.arange(6, dtype="float32")[:, None]}


def failures(endpoint, expected, found, gate=GATE, batch_sizes=()):
    runtime = Table({endpoint: found}, batch_sizes)
    return compare.compare(runtime, {endpoint: (ROWS, expected)}, gate)


def test_errors_are_parts_of_the_largest_magnitude():
    # Ten times as large and as wrong: the same error, the same PSNR.
    one = failures("decode", {"image": IMAGES}, {"image": noisy(IMAGES).astype("float32")})
    ten = failures(
        "decode", {"image": 10 * IMAGES}, {"image": (10 * noisy(IMAGES)).astype("float32")}
    )
    small, large = (found.errors["decode"]["image"] for found in (one, ten))
    scale = 10 * IMAGES.max()
    assert large["relative_error"] == pytest.approx(large["max_abs_error"] / scale, rel=1e-6)
    assert large["psnr_mean"] == pytest.approx(small["psnr_mean"], abs=0.1)
    assert one.failures == ten.failures == ()


def test_every_kind_of_output_has_its_bound():
    z = RNG.normal(size=(6, 4)).astype("float32")
    score = np.abs(z[:, 0]) * 100
    cases = (
        ("generate", "z", z, z + 1e-4, "differs"),
        ("encode", "z_mean", z, z + 0.05, "differs"),
        ("score", "negative_elbo", score, score * 1.02, "differs"),
        ("encode", "z_mean", z, z.astype("float64"), "is float64"),
    )
    for endpoint, name, expected, found, words in cases:
        (problem,) = failures(endpoint, {name: expected}, {name: found}).failures
        assert problem.startswith(f"`{name}` of `{endpoint}` {words}")
    assert failures("generate", {"z": z}, {"z": z + 5e-6}).failures == ()


def test_the_worst_error_is_that_of_all_outputs():
    z = RNG.normal(size=(6, 4)).astype("float32")
    found = failures("encode", {"z_mean": z, "z_log_var": z}, {"z_mean": z + 0.005, "z_log_var": z})
    assert found.worst_error == pytest.approx(0.005 / np.abs(z).max(), rel=1e-3)


def test_integers_may_differ_by_a_level():
    levels = (IMAGES * 200).astype(np.uint8)
    exact = formats.Gate(image=1e-5, psnr=100.0, other=1e-5)
    one_up = levels.copy()
    one_up[:, 0, 0, 0] += 1
    assert failures("decode", {"image": levels}, {"image": one_up}, exact).failures == ()
    for wrong in (levels + 1, np.where(levels == levels.max(), levels - 3, levels)):
        assert failures("decode", {"image": levels}, {"image": wrong}, exact).failures


def test_every_batch_size_of_a_file_is_compared():
    class Drifting(Table):
        def run(self, endpoint, z):
            shift = 0.2 if len(z) == 4 else 0.0
            return {"image": super().run(endpoint, z)["image"] + np.float32(shift)}

    runtime = Drifting({"decode": {"image": IMAGES}}, batch_sizes=(1, 4))
    problems = compare.compare(runtime, {"decode": (ROWS, {"image": IMAGES})}, GATE).failures
    assert len(problems) == 1 and "`image` of `decode` in a batch of 4 differs" in problems[0]


def test_a_reconstruction_may_have_the_errors_of_two_networks():
    shifted = {"image": (IMAGES + 0.03).astype("float32")}  # 30.5 dB
    strict = formats.Gate(image=0.05, psnr=32.0, other=0.01)
    assert failures("decode", {"image": IMAGES}, shifted, strict).failures
    assert not failures("reconstruct", {"image": IMAGES}, shifted, strict).failures
