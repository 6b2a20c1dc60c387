"""Draw the pictures of docs/uses.md from the models that `uses.py` trained."""

import numpy as np
from PIL import Image
from uses_page import DOCS, SCORES, load

import keras_vae as kv
from keras_vae import anomaly, restore
from keras_vae.plotting import style

FOLDER = DOCS / "uses"
_IN_A_ROW, _RESTYLED = 12, 8
_SHOWN = ("combined", "pixel_neighbors", "negative_elbo")
_THEME = style.THEMES["light"]


def draw(full, plane, clusters, test, learnt, held_out):
    """Draw them all.

    Args:
        full: `VAE` of all digits, D=32.
        plane: `VAE` of all digits, D=2.
        clusters: `VAE` of all digits whose prior is a mixture.
        test: pair of test images and labels.
        learnt, held_out: binary images that the first was trained on, and others.
    """
    x, y = test
    FOLDER.mkdir(exist_ok=True)
    ends = x[[2, 1]]
    kinds = [kv.latent.morph(clusters, *ends, 10, path) for path in ("linear", "spherical")]
    kv.plotting.save_sequences(np.stack(kinds), FOLDER / "morph.png")
    z = np.asarray(clusters.embed(x[:2000]))
    direction = kv.latent.attribute(z, y[:2000], 4, 9)
    moved = kv.latent.shift(z[y[:2000] == 9][:5], direction, np.linspace(0, 1, 10))
    flat = np.asarray(clusters.decode(moved.reshape(-1, z.shape[1])))
    kv.plotting.save_sequences(flat.reshape(5, 10, 28, 28, 1), FOLDER / "attribute.png")
    found = kv.latent.traverse(clusters, x[:2000], x[0], num_axes=5)
    kv.plotting.save_sequences(found.images, FOLDER / "traversal.png")
    kv.plotting.save_sequences(kv.latent.manifold(plane, 12), FOLDER / "manifold.png")
    points = kv.latent.project(z, "tsne")
    picture = kv.plotting.latents.scatter(points, y[:2000], ("t-SNE 1", "t-SNE 2"))
    kv.plotting.pixels.save_picture(picture, FOLDER / "scatter.png")
    _maps(full, x, learnt, held_out)
    log_prob = full.log_prob((x[:1000] > 0.5).astype("float32"), 100, seed=0)
    order = np.argsort(-log_prob)
    kv.plotting.save_sequences(x[[order[:10], order[-10:]]], FOLDER / "density.png")
    _leave_one_out(load("leave_one_out"))


def draw_restored(full, grey, noisy, x, strength):
    """Draw what was restored.

    Args:
        full: `VAE` of binary pixels.
        grey: `VAE` of grey pixels.
        noisy: `VAE` that was trained with noise.
        x: test images.
        strength: float, the standard deviation of the noise.
    """
    x = x[:_IN_A_ROW]
    given = restore.corrupt(x, "gaussian", strength, seed=0)
    rows = [x, np.clip(given, 0, 1), np.asarray(noisy.reconstruct(given))]
    kv.plotting.save_sequences(np.stack(rows), FOLDER / "denoise.png")
    images = (x > 0.5).astype("float32")
    mask = np.zeros(x.shape[1:3], bool)
    mask[:, 14:] = True
    filled = restore.inpaint(full, images, mask, num_samples=3, seed=0)
    # The part that is missing in grey, which is no pixel of these images.
    empty = np.where(mask[..., None], np.float32(0.6), images)
    rows = [images, empty, *np.moveaxis(filled, 1, 0)]
    kv.plotting.save_sequences(np.stack(rows), FOLDER / "inpaint.png")
    small = np.asarray(restore.shrink(x, 2))
    as_pictures = [Image.fromarray(kv.plotting.pixels.to_uint8(image)[..., 0]) for image in small]
    bicubic = [np.asarray(one.resize((28, 28), Image.BICUBIC)) for one in as_pictures]
    repeated = small.repeat(2, axis=1).repeat(2, axis=2)
    rows = [repeated, np.stack(bicubic)[..., None] / 255, restore.upscale(grey, small, seed=0), x]
    kv.plotting.save_sequences(np.stack(rows), FOLDER / "upscale.png")


def draw_conditioned(vae, x, y):
    """Draw digits that were asked for, and test digits as every other digit.

    Args:
        vae: `ConditionalVAE`.
        x, y: test images and their labels.
    """
    labels, seeds = np.repeat(np.arange(10), _IN_A_ROW), kv.random.row_seeds(0, _IN_A_ROW)
    made = np.asarray(vae.generate(len(labels), seed=np.tile(seeds, 10), label=labels))
    made = made.reshape(10, _IN_A_ROW, *made.shape[1:])
    kv.plotting.save_sequences(made, FOLDER / "condition.png")
    x, y = x[:_RESTYLED], y[:_RESTYLED]
    images = (x > 0.5).astype("float32")
    as_others = [np.asarray(vae.restyle(images, y, label)) for label in range(10)]
    kv.plotting.save_sequences(np.stack([x, *as_others], axis=1), FOLDER / "restyle.png")


def draw_rates(rows):
    """Draw error by rate, for rows of method, bits for each pixel and dB."""
    figure = style.figure(_THEME, 7, 4)
    axes = style.panels(figure, _THEME)[0, 0]
    for name in dict.fromkeys(row[0] for row in rows):
        own = sorted((rate, error) for kind, rate, error in rows if kind == name)
        axes.plot(*zip(*own, strict=True), "o-", markersize=5, label=name)
    axes.set(xscale="log", xlabel="bits for each pixel", ylabel="PSNR in dB")
    style.legend(axes, _THEME)
    style.save(figure, FOLDER / "rate_distortion.png")


def _maps(vae, x, learnt, held_out):
    images = (x > 0.5).astype("float32")
    detector = anomaly.AnomalyDetector(vae).fit(learnt, calibration=held_out)
    worst = np.argsort(detector.score_samples(images))[:10]
    nats = detector.explain(images[worst])
    limit = float(np.quantile(nats, 0.99))
    coloured = np.repeat(images[worst], 3, axis=-1)
    kv.plotting.pixels.save_pairs(
        coloured, anomaly.maps.heat(images[worst], nats, limit), FOLDER / "maps.png"
    )


def _leave_one_out(rows):
    figure = style.figure(_THEME, 8, 3)
    axes = style.panels(figure, _THEME)[0, 0]
    axes.grid(visible=False, axis="x")
    places = np.arange(len(rows))
    for index, (name, colour) in enumerate(zip(_SHOWN, _THEME.colours, strict=False)):
        values = [row["test_32"][name] for row in rows]
        axes.bar(places + 0.27 * (index - 1), values, 0.25, color=colour, label=SCORES[name])
    axes.axhline(0.5, color=_THEME.ink, linewidth=0.8, linestyle=":")
    axes.set(
        xticks=places,
        xticklabels=[row["digit"] for row in rows],
        xlabel="the digit that was left out",
        ylabel="AUROC",
        ylim=(0, 1.02),
    )
    style.legend(axes, _THEME, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    style.save(figure, FOLDER / "leave_one_out.png")
