"""Pictures hold the pixels that they should, where they should."""

import numpy as np
import pytest
from PIL import Image

from keras_vae import plotting


def test_grid_places_image_by_image_row_by_row():
    images = np.linspace(0, 1, 3)[:, None, None, None] * np.ones((3, 60, 60, 3))
    grid = plotting.image_grid(images, columns=2)
    assert grid.shape == (2 * 62 + 2, 2 * 62 + 2, 3)
    for index, value in enumerate((0, 128, 255)):
        top, left = 2 + 62 * (index // 2), 2 + 62 * (index % 2)
        assert (grid[top : top + 60, left : left + 60] == value).all()
    assert (grid[64:, 64:] == 255).all()


def test_values_outside_the_range_are_clipped():
    assert plotting.pixels.to_uint8(np.array([-1.0, 0.5, 7.0])).tolist() == [0, 128, 255]


def test_small_images_are_enlarged_pixel_by_pixel():
    image = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 1)) / 255
    grid = plotting.image_grid(image)
    np.testing.assert_array_equal(grid[2:-2:7, 2:-2:7], plotting.pixels.to_uint8(image[0]))


def test_pairs_put_reconstructions_below_their_images(tmp_path):
    images, reconstructions = np.zeros((3, 56, 56, 1)), np.full((3, 56, 56, 1), 0.5)
    plotting.pixels.save_pairs(images, reconstructions, tmp_path / "a.png", columns=2)
    grid = np.asarray(Image.open(tmp_path / "a.png"))
    rows = [grid[2 + 58 * row : 58 + 58 * row, 2:58] for row in range(4)]
    assert [int(row[0, 0]) for row in rows] == [0, 128, 0, 128]


@pytest.mark.parametrize("shape", [(8, 8, 1), (0, 8, 8, 1), (2, 8, 8, 2)])
def test_what_is_no_batch_of_images_is_refused(shape):
    with pytest.raises(ValueError, match="Received: shape"):
        plotting.image_grid(np.zeros(shape))


def test_history_picture_has_a_curve_for_training_and_one_for_validation(tmp_path):
    history = {"loss": [3.0, 2.0], "val_loss": [4.0, 3.0]}
    plotting.curves.save_history(history, tmp_path / "both.png")
    plotting.curves.save_history({"loss": history["loss"]}, tmp_path / "one.png")
    both, one = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("both", "one"))
    assert len(np.unique(both.reshape(-1, 4), axis=0)) > len(np.unique(one.reshape(-1, 4), axis=0))
