"""The figures that `plot_*` draw, by their pixels."""

import io
import itertools

import matplotlib
import numpy as np
import pytest
from PIL import Image

import keras_vae as kv
from keras_vae import plotting
from keras_vae.plotting import latents, style

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(256, size=(7, 8, 8, 1), dtype=np.uint8) / np.float32(255)
HISTORY = {
    "kl_loss": [1.0, 4.0, 5.0],
    "loss": [30.0, 20.0, 18.0],
    "reconstruction_loss": [29.0, 16.0, 13.0],
    "val_loss": [33.0, 22.0, 21.0],
    "val_kl_loss": [2.0, 3.0, 4.0],
    "val_reconstruction_loss": [31.0, 19.0, 17.0],
}
POINTS = np.array([[0.0, 0.0], [4.0, 1.0], [2.0, 3.0]])
METRICS = [{"rate": 2.0, "distortion": 8.0}, {"rate": 5.0, "distortion": 5.0}]
DRAWN = {
    "samples": lambda theme: plotting.plot_samples(IMAGES, theme=theme),
    "reconstructions": lambda theme: plotting.plot_reconstructions(IMAGES, IMAGES, theme=theme),
    "traversal": lambda theme: plotting.plot_traversal(IMAGES[None], ["z 0"], theme=theme),
    "interpolation": lambda theme: plotting.plot_interpolation(IMAGES, theme=theme),
    "history": lambda theme: plotting.plot_history(HISTORY, theme=theme),
    "kl": lambda theme: plotting.plot_kl([1.0, 0.0], theme=theme),
    "latent": lambda theme: plotting.plot_latent(POINTS, [0, 1, 2], theme=theme),
    "roc": lambda theme: plotting.plot_roc([1.0, 2.0], [0.0], theme=theme),
    "scores": lambda theme: plotting.plot_scores([1.0, 2.0], [0.0], 0.5, theme=theme),
    "rates": lambda theme: plotting.plot_rate_distortion({"a": METRICS}, theme=theme),
}
# Of linear red, green and blue as those see them who lack the receptors of green and of red:
# Machado et al. 2009, table 1, https://doi.org/10.1109/TVCG.2009.113.
SIGHTS = {
    "all": np.eye(3),
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
}
# Of CIE XYZ, IEC 61966-2-1, by the white of D65.
XYZ = np.array([[0.4339, 0.3762, 0.1899], [0.2126, 0.7152, 0.0722], [0.0177, 0.1095, 0.8728]])


def rgb(colour):
    return np.array(matplotlib.colors.to_rgb(colour)) * 255


def linear(colour):
    level = np.asarray(colour) / 255
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


def lab(colour, sight="all"):
    """Return CIELAB, in which a distance of 2 can just be seen."""
    x, y, z = np.cbrt(np.clip(XYZ @ np.clip(SIGHTS[sight] @ linear(colour), 0, 1), 1e-6, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def place(figure, axes, x, y):
    """Return row and column of the pixel at a point of the data."""
    height = round(figure.get_size_inches()[1] * style.DPI)
    across, up = axes.transData.transform((x, y))
    return int(height - up), int(across)


def near(pixels, row, column, colour, reach=2):
    """Return the distance of a colour from the nearest in the pixels around a place."""
    around = pixels[row - reach : row + reach + 1, column - reach : column + reach + 1].astype(int)
    return np.abs(around - rgb(colour)).max(axis=-1).min()


def inner_cells(pixels, rows, columns, left=8):
    """Return the 8x8 pixels of each cell of a sheet whose cells are 60 pixels wide."""
    sheet = pixels[8 : 8 + 60 * rows, left : left + 60 * columns]
    cells = sheet.reshape(rows, 60, columns, 60, 3).swapaxes(1, 2)
    return cells[:, :, 2:-2, 2:-2].reshape(rows, columns, 8, 7, 8, 7, 3)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_cells_of_samples_have_the_colours_of_the_images(theme):
    pixels = style.pixels(plotting.plot_samples(IMAGES, columns=3, theme=theme))
    assert pixels.shape == (3 * 60 + 16, 3 * 60 + 16, 3)
    cells = inner_cells(pixels, 3, 3).reshape(9, 8, 7, 8, 7, 3)
    expected = np.broadcast_to(np.rint(IMAGES * 255)[:, :, None, :, None], cells[:7].shape)
    np.testing.assert_array_equal(cells[:7], expected)
    # Where there are no more images, there is the background.
    assert (cells[7:] == rgb(style.THEMES[theme].background)).all()


def test_what_parts_images_has_the_colour_of_their_edges_unless_they_have_many():
    dark = np.full((4, 8, 8, 1), 0.1)
    dark[:, 2:6, 2:6] = RNG.random((4, 4, 4, 1))
    pixels = style.pixels(plotting.plot_samples(dark))[8:-8, 8:-8]
    gaps = np.concatenate([pixels[58:62].reshape(-1, 3), pixels[:, 58:62].reshape(-1, 3)])
    assert (gaps == 26).all()
    pixels = style.pixels(plotting.plot_samples(IMAGES[:4], theme="dark"))[8:-8, 8:-8]
    assert (pixels[58:62] == rgb(style.THEMES["dark"].background)).all()


def test_colours_and_transparency_are_kept_and_large_sheets_fit_a_page():
    colours = np.zeros((1, 8, 8, 4), np.float32)
    colours[..., 0], colours[:, :4, :, 3] = 1.0, 1.0
    pixels = style.pixels(plotting.plot_samples(colours))
    (cell,) = inner_cells(pixels, 1, 1).reshape(1, 8, 7, 8, 7, 3)
    assert (cell[:4] == [255, 0, 0]).all() and (cell[4:] == 255).all()
    wide = plotting.plot_samples(np.zeros((8, 256, 256, 3)), columns=8)
    assert style.pixels(wide).shape[1] == 900 + 16


def test_reconstructions_stand_below_their_images_and_above_their_errors():
    images, changed = IMAGES.copy(), IMAGES.copy()
    images[[0, 1], 3, 4], changed[[0, 1], 3, 4] = [[0.75], [0.5]], [[0.25], [0.75]]
    figure = plotting.plot_reconstructions(images, changed, columns=7)
    pixels = style.pixels(figure)
    left = round(figure.axes[0].get_position().x0 * pixels.shape[1])
    rows = inner_cells(pixels, 3, 7, left)[:, :, :, 3, :, 3]
    np.testing.assert_array_equal(rows[0, ..., 0], np.rint(images[..., 0] * 255))
    np.testing.assert_array_equal(rows[1, ..., 0], np.rint(changed[..., 0] * 255))
    # The map has 256 colours, of which 0.5 is the 129th.
    shares = np.zeros((7, 8, 8))
    shares[[0, 1], 3, 4] = 1.0, 0.5
    expected = matplotlib.colormaps["cividis"](shares, bytes=True)[..., :3]
    np.testing.assert_array_equal(rows[2], expected)
    assert figure.axes[1].get_ylim() == pytest.approx((0, 0.5), abs=0.003)


def test_rows_of_a_traversal_are_its_axes_the_first_row_on_top(trained_vae, images):
    found = kv.latent.traverse(trained_vae, images, steps=5)
    figure = plotting.plot_traversal(found)
    names = [text.get_text() for text in figure.texts]
    order = np.argsort(-np.asarray(trained_vae.embed(images)).var(axis=0))
    assert [name.split(",")[0] for name in names] == [f"z {axis}" for axis in order]
    heights = [text.get_position()[1] for text in figure.texts]
    assert heights == sorted(heights, reverse=True)
    pixels = style.pixels(figure)
    left = round(figure.axes[0].get_position().x0 * pixels.shape[1])
    cell = pixels[8 + 2 : 8 + 58, left + 2 : left + 58, 0][7::14, 7::14]
    np.testing.assert_array_equal(cell, plotting.pixels.to_uint8(found.images[0, 0, ..., 0]))


def test_an_interpolation_has_its_ways_in_rows_with_their_names():
    ways = np.stack([IMAGES, IMAGES[::-1]])
    figure = plotting.plot_interpolation(ways, ["there", "back"])
    pixels = style.pixels(figure)
    left = round(figure.axes[0].get_position().x0 * pixels.shape[1])
    rows = inner_cells(pixels, 2, 7, left)[:, :, :, 3, :, 3, 0]
    np.testing.assert_array_equal(rows, np.rint(ways[..., 0] * 255))
    assert [text.get_text() for text in figure.texts] == ["there", "back", "first", "second"]


def test_the_curves_of_training_pass_where_the_history_says():
    figure = plotting.plot_history(HISTORY)
    pixels = style.pixels(figure)
    training, validation = style.THEMES["light"].colours[:2]
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss", "reconstruction", "KL"]
    for axes, name in zip(figure.axes, ("loss", "reconstruction_loss", "kl_loss"), strict=True):
        for key, colour in ((name, training), (f"val_{name}", validation)):
            for epoch, value in enumerate(HISTORY[key], start=1):
                assert near(pixels, *place(figure, axes, epoch, value), colour) < 60, (key, epoch)
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert len(figure.legends) == 1 and not any(axes.get_legend() for axes in figure.axes)


def test_a_history_may_be_that_of_fit_of_one_epoch_or_shorter_in_validation(make_vae, images):
    history = make_vae().fit(images, epochs=1, verbose=0)
    figure = plotting.plot_history(history)
    pixels, axes = style.pixels(figure), figure.axes[0]
    row, column = place(figure, axes, 1, history.history["loss"][0])
    assert near(pixels, row, column, style.THEMES["light"].colours[0]) < 5
    figure = plotting.plot_history({"loss": [3.0, 2.0, 1.0], "val_loss": [3.0]})
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [3, 1]
    figure = plotting.plot_history({"accuracy": [0.5, 0.75]})
    assert figure.axes[0].get_title(loc="left") == "accuracy"


def test_a_bar_of_the_kl_is_as_high_as_its_value_and_inactive_units_are_marked():
    kl = np.array([1.0, 0.005, 3.0, 0.0, 2.0])
    figure = plotting.plot_kl(np.stack([kl, kl]))
    pixels, axes = style.pixels(figure).astype(int), figure.axes[0]
    blue, orange = (rgb(colour) for colour in style.THEMES["light"].colours[:2])
    heights = []
    for rank in range(5):
        _, column = place(figure, axes, rank, 0)
        heights.append((np.abs(pixels[:, column] - blue).max(axis=-1) < 3).sum())
    a_nat = place(figure, axes, 0, 0)[0] - place(figure, axes, 0, 1)[0]
    np.testing.assert_allclose(np.array(heights) / a_nat, [3, 2, 1, 0, 0], atol=2 / a_nat)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["2", "4", "0", "1", "3"]
    for rank in (3, 4):
        assert near(pixels, *place(figure, axes, rank, 0), orange / 255) < 30
    assert axes.get_title(loc="left") == "3 of 5 units active"


@pytest.mark.parametrize("size", [1, 512])
def test_any_number_of_units_can_be_drawn(size):
    figure = plotting.plot_kl(np.linspace(0, 1, size) if size > 1 else [0.0])
    pixels, axes = style.pixels(figure).astype(int), figure.axes[0]
    orange = rgb(style.THEMES["light"].colours[1])
    assert near(pixels, *place(figure, axes, size - 1, 0), orange / 255, reach=3) < 40
    if size > 1:
        row, column = place(figure, axes, 0, 0.5)
        assert near(pixels, row, column + 1, style.THEMES["light"].colours[0]) < 10


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_classes_of_a_scatter_can_be_told_apart_by_all(theme):
    points = RNG.normal(size=(60, 2))
    labels = np.arange(60) % 10
    figure = plotting.plot_latent(points, labels, theme=theme)
    drawn = figure.axes[0].collections
    assert len(drawn) == 10
    shown = [255 * one.get_facecolor()[0, :3] for one in drawn]
    for sight in SIGHTS:
        distances = [
            np.linalg.norm(lab(one, sight) - lab(other, sight))
            for one, other in itertools.combinations(shown, 2)
        ]
        assert min(distances) > 15, sight
    background = rgb(style.THEMES[theme].background)
    assert min(np.linalg.norm(lab(one) - lab(background)) for one in shown) > 20
    # In grey too, the first two.
    assert abs(lab(shown[0])[0] - lab(shown[1])[0]) > 5


def test_points_lie_where_they_are_in_the_colours_of_their_classes():
    both = np.concatenate([POINTS - [0.3, 0.0], POINTS + [0.3, 0.0]])
    figure = plotting.plot_latent(both, list("abcabc"))
    pixels, axes = style.pixels(figure), figure.axes[0]
    for point, colour in zip(both, 2 * style.THEMES["light"].colours[:3], strict=True):
        # They are a little transparent.
        row, column = place(figure, axes, *point)
        assert near(pixels, row, column, 0.75 * rgb(colour) / 255 + 0.25) < 5
    names = [text.get_text() for text in axes.texts]
    assert names == ["a", "b", "c"] == [t.get_text() for t in axes.get_legend().get_texts()]
    many = plotting.plot_latent(RNG.normal(size=(50, 2)), np.linspace(0, 7, 50))
    assert many.axes[1].get_ylim() == (0, 7)
    assert many.axes[0].get_legend() is None


def test_points_in_the_corners_of_space_are_whole_from_every_side():
    corners = np.array(list(itertools.product([-1.0, 1.0], repeat=3)))
    background = rgb(style.THEMES["light"].background)
    pictures = [latents.scatter(corners), *latents.scatter_turning(corners, frames=8)]
    for pixels in pictures:
        drawn = np.abs(pixels.astype(float) - background).max(axis=-1) > 10
        assert drawn.any()
        edges = np.concatenate([drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]])
        assert not edges.any()


def test_a_roc_curve_passes_through_the_shares_that_thresholds_give():
    normal, abnormal = RNG.normal(1.0, 1.0, 80).round(1), RNG.normal(0.0, 1.0, 50).round(1)
    figure = plotting.plot_roc(normal, {"odd": abnormal, "far": abnormal - 20})
    pixels, axes = style.pixels(figure), figure.axes[0]
    pairs = abnormal[:, None] - normal
    area = np.mean(pairs < 0) + np.mean(pairs == 0) / 2
    labels = [text.get_text().split(": AUROC ") for text in axes.get_legend().get_texts()]
    assert [name for name, _ in labels] == ["odd", "far"]
    np.testing.assert_allclose([float(found) for _, found in labels], [area, 1], atol=6e-4)
    _, odd, far = style.THEMES["light"].colours[:3]
    for threshold in np.quantile(normal, [0.1, 0.3, 0.5]):
        point = np.mean(normal <= threshold), np.mean(abnormal <= threshold)
        assert near(pixels, *place(figure, axes, *point), odd) < 60
    assert near(pixels, *place(figure, axes, 0.5, 1.0), far) < 60


def test_the_bars_of_scores_are_shares_and_the_threshold_stands_where_it_is():
    normal = np.repeat([0.0, 1.0], [25, 75])
    figure = plotting.plot_scores(normal, [-1.0, -1.0, 1.0, 1.0], threshold=-0.5)
    pixels, axes = style.pixels(figure), figure.axes[0]
    blue, orange = style.THEMES["light"].colours[:2]
    edges = np.histogram_bin_edges([-1.0, 1.0], 40)
    for value, share, colour in ((0.0, 0.25, blue), (1.0, 0.75, blue), (-1.0, 0.5, orange)):
        (left,) = np.flatnonzero(np.histogram([value], edges)[0])
        middle = (edges[left] + edges[left + 1]) / 2
        assert near(pixels, *place(figure, axes, middle, share), colour) < 60
    _, column = place(figure, axes, -0.5, 0)
    top, bottom = (place(figure, axes, 0, y)[0] for y in axes.get_ylim()[::-1])
    dashes = np.abs(pixels[top:bottom, column - 1 : column + 2].astype(int) - rgb("#24292f"))
    assert 0.4 < np.mean(dashes.max(axis=-1).min(axis=-1) < 90) < 0.9
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["normal, 0.0% below", "abnormal, 50.0% below", "threshold"]


def test_rates_and_distortions_lie_where_they_are_on_lines_of_one_elbo():
    figure = plotting.plot_rate_distortion({"sweep": METRICS[::-1], "one": METRICS[0]})
    pixels, axes = style.pixels(figure), figure.axes[0]
    colour = style.THEMES["light"].colours[0]
    assert near(pixels, *place(figure, axes, 5.0, 5.0), colour) < 10
    assert near(pixels, *place(figure, axes, 3.5, 6.5), colour) < 60
    lines = [line for line in axes.lines if line.get_label() == "_elbo"]
    sums = [line.get_xdata() + np.asarray(line.get_ydata()) for line in lines]
    named = [float(text.get_text().split()[1]) for text in axes.texts]
    np.testing.assert_allclose(sums, np.repeat(named, 2).reshape(-1, 2), atol=1e-9)
    assert len(lines) >= 3
    for bound in named:
        row, column = place(figure, axes, *np.mean(lines[named.index(bound)].get_xydata(), axis=0))
        assert pixels[row - 1 : row + 2, column - 1 : column + 2].min() < 230


@pytest.mark.parametrize("name", DRAWN)
def test_each_theme_has_its_background_and_words_that_can_be_read_on_it(name):
    bright = {}
    for theme in ("light", "dark"):
        pixels = style.pixels(DRAWN[name](theme))
        background = rgb(style.THEMES[theme].background)
        edges = np.concatenate([pixels[:3].reshape(-1, 3), pixels[:, -3:].reshape(-1, 3)])
        assert np.mean((edges == background).all(axis=-1)) > 0.9
        bright[theme] = pixels.mean()
        for words in (style.THEMES[theme].ink, style.THEMES[theme].muted):
            two = sorted(
                linear(rgb(c)) @ [0.2126, 0.7152, 0.0722] for c in (words, background / 255)
            )
            # What WCAG 2.2, 1.4.3 asks of text.
            assert (two[1] + 0.05) / (two[0] + 0.05) > 4.5
    assert bright["light"] > bright["dark"] + 30


@pytest.mark.slow
def test_a_notebook_shows_a_figure(run_python):
    pytest.importorskip("IPython")
    printed = run_python(
        "import io\n"
        "from IPython.core.formatters import DisplayFormatter\n"
        "from PIL import Image\n"
        "from keras_vae import plotting\n"
        "data, about = DisplayFormatter().format(plotting.plot_kl([2.0, 1.0]))\n"
        "print(Image.open(io.BytesIO(data['image/png'])).size, about['image/png'])\n"
    )
    assert printed == "(640, 560) {'width': 320, 'height': 280}\n"


def test_a_figure_is_written_and_shown_with_its_background():
    figure = plotting.plot_samples(IMAGES, theme="dark")
    shown, size = figure._repr_png_()
    picture = np.asarray(Image.open(io.BytesIO(shown)).convert("RGB"))
    assert picture.shape[:2] == (2 * size["height"], 2 * size["width"])
    np.testing.assert_array_equal(picture[::2, ::2], style.pixels(figure))


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: plotting.plot_samples(np.zeros((2, 8, 8))), "`images` must be an array (N, H"),
        (lambda: plotting.plot_samples(IMAGES, columns=0), "`columns` must be an integer >= 1"),
        (lambda: plotting.plot_samples(IMAGES, theme="grey"), "'light', 'dark'. Received: theme="),
        (
            lambda: plotting.plot_reconstructions(IMAGES, IMAGES[:3]),
            "must have the shape of `images`. Received: (3, 8, 8, 1) and (7, 8, 8, 1)",
        ),
        (lambda: plotting.plot_traversal(IMAGES), "`traversal` must be an array (R, S, H, W, C)"),
        (lambda: plotting.plot_interpolation(IMAGES, ["a", "b"]), "as many as the 1 rows"),
        (lambda: plotting.plot_history({"loss": []}), "`history` must be what fit returns"),
        (lambda: plotting.plot_kl([1.0, np.nan]), "`kl` must be finite numbers"),
        (lambda: plotting.plot_kl([1.0], threshold=-1), "`threshold` must be >= 0"),
        (lambda: plotting.plot_latent(np.zeros((3, 5))), "kv.latent.project(z)"),
        (lambda: plotting.plot_latent(POINTS, [0, 1]), "`labels` must be one for each of 3"),
        (lambda: plotting.plot_roc([1.0], []), "`abnormal` must be finite scores"),
        (lambda: plotting.plot_scores([1.0], {"x": [np.inf]}), "`abnormal['x']` must be finite"),
        (lambda: plotting.plot_rate_distortion({"a": {"rate": 1.0}}), "`points['a']` must be"),
        (lambda: plotting.plot_rate_distortion({}), "`points` must be a dict that is not empty"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, said):
    with pytest.raises(ValueError) as raised:
        draw()
    assert said in str(raised.value)
