"""Ways through z, tours of it, and what it tells of the labels."""

import hypothesis
import keras
import numpy as np
import pytest
from conftest import IMAGE_SHAPE
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

import keras_vae as kv
from keras_vae import latent, plotting

VECTORS = st.lists(st.floats(-5, 5, width=32), min_size=3, max_size=3)


def identity_vae(latent_dim=2, prior="standard_normal"):
    """A VAE of images (1, D, 1) whose z_mean and decoded image are the pixels themselves."""
    image, z = keras.Input((1, latent_dim, 1)), keras.Input((latent_dim,))
    flat = keras.layers.Flatten()(image)
    log_var = keras.layers.Lambda(lambda x: 0.0 * x - 5.0)(flat)
    decoder = keras.Model(z, keras.layers.Reshape((1, latent_dim, 1))(z))
    likelihood = kv.likelihoods.Gaussian(1.0)
    return kv.VAE(keras.Model(image, [flat, log_var]), decoder, likelihood, prior, seed=0)


@hypothesis.given(VECTORS, VECTORS, st.integers(2, 9), st.sampled_from(latent.paths.PATHS))
def test_both_ends_of_a_path_are_what_they_were(start, end, steps, path):
    start, end = np.float32(start), np.float32(end)
    angle = np.dot(start, end) + 0.999 * np.linalg.norm(start) * np.linalg.norm(end)
    hypothesis.assume(path == "linear" or angle > 0 or not start.any() or not end.any())
    z = latent.interpolate(start, end, steps, path)
    assert z.shape == (steps, 3) and np.isfinite(z).all()
    assert z[0].tobytes() == start.tobytes() and z[-1].tobytes() == end.tobytes()


def test_a_linear_path_has_even_steps():
    z = latent.interpolate([1.0, -2.0], [3.0, 2.0], steps=5)
    np.testing.assert_allclose(z, [[1, -2], [1.5, -1], [2, 0], [2.5, 1], [3, 2]])


def test_a_spherical_path_keeps_the_length_and_turns_evenly():
    rng = np.random.default_rng(0)
    start, end = rng.normal(size=(2, 40))
    end *= np.linalg.norm(start) / np.linalg.norm(end)
    z = latent.interpolate(start, end, 7, "spherical").astype("float64")
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), np.linalg.norm(start), rtol=1e-6)
    turns = np.sum(z[1:] * z[:-1], axis=1) / np.sum(start**2)
    np.testing.assert_allclose(turns, turns[0], atol=1e-6)


def test_between_parallel_ends_the_spherical_path_is_straight():
    z = latent.interpolate([1.0, 1.0], [3.0, 3.0], 3, "spherical")
    np.testing.assert_allclose(z[1], [2.0, 2.0])


@pytest.mark.parametrize(
    ("ends", "options", "words"),
    [
        (([0.0, 0.0], [0.0, 0.0, 0.0]), {}, r"\(2,\) and \(3,\)"),
        (([1.0, 0.0], [-1.0, 0.0]), {"path": "spherical"}, "opposite directions"),
        (([1.0, np.nan], [1.0, 0.0]), {}, "finite latent vector"),
        (([1.0], [2.0]), {"steps": 1}, ">= 2"),
        (([1.0], [2.0]), {"path": "round"}, "'linear', 'spherical'"),
    ],
    ids=["shapes", "opposite", "nan", "steps", "path"],
)
def test_paths_that_cannot_be_are_refused(ends, options, words):
    with pytest.raises(ValueError, match=words):
        latent.interpolate(*ends, **options)


def test_a_morph_is_the_decoded_path_between_two_images():
    vae = identity_vae()
    start, end = np.float32([[0.0, 1.0]]), np.float32([[1.0, 0.0]])
    images = latent.morph(vae, start[..., None], end[..., None], 5)
    np.testing.assert_allclose(images[:, 0, :, 0], latent.interpolate(start[0], end[0], 5))


def test_an_attribute_leads_from_the_mean_of_one_class_to_that_of_another():
    rng = np.random.default_rng(0)
    labels = np.repeat(["plain", "striped"], [30, 20])
    z = rng.normal(size=(50, 4)) + np.where(labels == "striped", 3.0, 0.0)[:, None]
    direction = latent.attribute(z, labels, "striped", "plain")
    moved = latent.shift(z[labels == "plain"], direction, [0.0, 1.0])
    np.testing.assert_allclose(moved[:, 0], z[labels == "plain"], rtol=1e-6)
    centre = z[labels == "striped"].mean(axis=0)
    np.testing.assert_allclose(moved[:, 1].mean(axis=0), centre, rtol=1e-5)
    with pytest.raises(ValueError, match="plain, striped"):
        latent.attribute(z, labels, "spotted", "plain")


def test_a_traversal_begins_with_the_most_active_axis():
    rng = np.random.default_rng(0)
    spreads = np.array([0.5, 3.0, 1.0])
    x = (rng.normal(size=(500, 3)) * spreads + 7.0).astype("float32")[:, None, :, None]
    found = latent.traverse(identity_vae(3), x, num_axes=2, steps=3, extent=2.0)
    assert found.axes.tolist() == [1, 2]
    np.testing.assert_allclose(found.activity, x.var(axis=0).ravel()[[1, 2]], rtol=1e-5)
    mean, spread = x.mean(axis=0).ravel(), x.std(axis=0).ravel()
    first = found.images[0, :, 0, :, 0]
    np.testing.assert_allclose(first[:, 1], mean[1] + np.array([-2, 0, 2]) * spread[1], rtol=1e-5)
    np.testing.assert_allclose(first[:, [0, 2]], np.tile(mean[[0, 2]], (3, 1)), rtol=1e-6)


def test_a_traversal_leads_through_the_image_it_is_given():
    x = np.random.default_rng(0).normal(size=(50, 1, 2, 1)).astype("float32")
    found = latent.traverse(identity_vae(), x, start=x[3], num_axes=1, steps=3)
    other = 1 - found.axes[0]
    np.testing.assert_allclose(found.images[0, :, 0, other, 0], x[3, 0, other, 0])


def test_the_grid_has_equal_probability_between_its_points():
    images = latent.manifold(identity_vae(), size=5, extent=0.8)
    assert images.shape == (5, 5, 1, 2, 1)
    down, right = images[:, 0, 0, 0, 0], images[0, :, 0, 1, 0]
    np.testing.assert_allclose(stats.norm.cdf(down), np.linspace(0.1, 0.9, 5), atol=1e-6)
    np.testing.assert_allclose(right, down)


def test_the_grid_goes_through_a_prior_that_is_a_flow_and_not_over_a_mixture():
    flow = kv.priors.RealNVP(4, seed=3)
    vae = identity_vae(2, flow)
    side = stats.norm.ppf(np.linspace(0.1, 0.9, 3)).astype("float32")
    z = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(9, 2)
    expected = np.asarray(flow.transform(z, None, np.ones(9, "float32")))
    images = latent.manifold(vae, size=3, extent=0.8).reshape(9, 2)
    np.testing.assert_allclose(images, expected, atol=1e-6)
    with pytest.raises(ValueError, match="GaussianMixture, a mixture"):
        latent.manifold(identity_vae(2, kv.priors.GaussianMixture(3)))
    with pytest.raises(ValueError, match="two different ones of 0 to 1"):
        latent.manifold(vae, axes=(0, 2))


def test_a_data_set_is_embedded_with_its_labels(trained_vae, images):
    labels = np.arange(40) % 2
    batches = [(images[i : i + 15], labels[i : i + 15]) for i in range(0, 40, 15)]
    found = latent.embed(trained_vae, batches)
    np.testing.assert_allclose(found.z, np.asarray(trained_vae.embed(images)), atol=1e-5)
    np.testing.assert_array_equal(found.labels, labels)
    assert latent.embed(trained_vae, [images]).labels is None
    with pytest.raises(ValueError, match="an empty one"):
        latent.embed(trained_vae, [])


def test_principal_components_are_those_of_the_covariance():
    z = np.random.default_rng(0).normal(size=(60, 4)) * [1, 5, 2, 3]
    values, vectors = np.linalg.eigh(np.cov(z.T))
    expected = (z - z.mean(axis=0)) @ vectors[:, ::-1][:, :2]
    points = latent.project(z)
    np.testing.assert_allclose(np.abs(points), np.abs(expected), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(points.var(axis=0, ddof=1), values[::-1][:2], rtol=1e-5)


@pytest.mark.slow
def test_tsne_keeps_clusters_apart_and_is_repeatable():
    z = np.repeat(np.eye(3) * 20, 20, axis=0) + np.random.default_rng(0).normal(size=(60, 3))
    points = latent.project(z, "tsne", seed=1)
    assert latent.probe(points, np.repeat([0, 1, 2], 20), points, np.repeat([0, 1, 2], 20)) == 1
    np.testing.assert_array_equal(points, latent.project(z, "tsne", seed=1))


def test_one_dimension_of_z_is_drawn_too():
    assert not latent.project(np.arange(10.0)[:, None])[:, 1].any()
    with pytest.raises(ValueError, match="N > 2"):
        latent.project(np.zeros((2, 5)))


def test_a_probe_takes_as_many_labels_of_each_class_as_it_is_told():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [90, 10])
    z = rng.normal(size=(100, 2)) + 4.0 * labels[:, None]
    assert latent.probe(z, labels, z, labels, "knn", num_labels=20) > 0.9
    noise = rng.normal(size=(100, 2))
    even = rng.normal(size=(400, 2)), np.arange(400) % 2
    assert 0.3 < latent.probe(noise, labels, *even, "linear", num_labels=20) < 0.7
    with pytest.raises(ValueError, match="15 examples of each class"):
        latent.probe(z, labels, z, labels, num_labels=30)


def test_sequences_become_pictures_that_move_there_and_back(tmp_path):
    images = np.zeros((2, 4, *IMAGE_SHAPE), "float32")
    images[:, np.arange(4), np.arange(4)] = 1.0
    plotting.save_sequences(images, tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.n_frames == 6 and picture.info["loop"] == 0
        frames = []
        for index in range(6):
            picture.seek(index)
            frames.append(np.asarray(picture.convert("L")))
    for index, step in enumerate([0, 1, 2, 3, 2, 1]):
        expected = plotting.image_grid(images[:, step])[..., 0]
        np.testing.assert_array_equal(frames[index], expected)
    plotting.save_sequences(images, tmp_path / "a.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), images)
    plotting.save_sequences(images, tmp_path / "a.png")
    grid = np.asarray(Image.open(tmp_path / "a.png"))
    expected = plotting.image_grid(images.reshape(8, *IMAGE_SHAPE), columns=4)[..., 0]
    np.testing.assert_array_equal(grid, expected)


def test_each_class_of_a_scatter_has_a_colour_of_its_own():
    points = np.random.default_rng(0).normal(size=(60, 2))
    one, three = (plotting.latents.scatter(points, labels) for labels in (None, np.arange(60) % 3))
    # One class is blue alone; of three, one is orange.
    reddest = [np.max(picture[..., 0].astype(int) - picture[..., 2]) for picture in (one, three)]
    assert reddest[0] < 20 and reddest[1] > 100
    turning = plotting.latents.scatter_turning(np.pad(points, [(0, 0), (0, 1)]), None, frames=3)
    assert len(turning) == 3 and not np.array_equal(turning[0], turning[1])
