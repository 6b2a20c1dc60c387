"""What restoring comes to, beside filters and projections."""

import keras
import numpy as np
from scipy.ndimage import median_filter
from skimage.restoration import denoise_nl_means
from sklearn.decomposition import PCA
from uses_compressed import psnr

from keras_vae import restore

_PCA = 32


def denoised(vae, learnt, clean, strength, seed=0):
    """Return the gain of each way to take gaussian noise away, in dB above the noisy images.

    Args:
        vae: `VAE`, trained with such noise.
        learnt: images `(M, H, W, 1)` to learn from.
        clean: other images.
        strength: float, the standard deviation of the noise, which is not clipped.
        seed: int.
    """
    noisy = restore.corrupt(clean, "gaussian", strength, seed)
    flat, given = (images.reshape(len(images), -1) for images in (learnt, noisy))
    pca = PCA(_PCA, random_state=0).fit(flat)
    projected = pca.inverse_transform(pca.transform(given)).reshape(clean.shape)
    means = [
        denoise_nl_means(
            image[..., 0], patch_size=5, patch_distance=9, h=0.8 * strength, sigma=strength
        )
        for image in noisy
    ]
    found = {
        "mean image": np.broadcast_to(learnt.mean(axis=0), clean.shape),
        "median of 3 x 3": median_filter(noisy, (1, 3, 3, 1)),
        "non-local means": np.stack(means)[..., None],
        f"PCA, {_PCA} components": projected,
        "keras_vae": np.concatenate(
            [np.asarray(vae.reconstruct(noisy[i : i + 1000])) for i in range(0, len(noisy), 1000)]
        ),
    }
    before = psnr(clean, noisy)
    return {
        "noisy": before,
        "gain": {
            name: psnr(clean, np.clip(images, 0.0, 1.0)) - before for name, images in found.items()
        },
    }


def classifier(x, y, epochs=6):
    """Return a network that tells digits apart, trained on labelled images alone."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    schedule = keras.optimizers.schedules.CosineDecay(2e-3, epochs * (-(-len(x) // 128)))
    model.compile(
        keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(x, y, batch_size=128, epochs=epochs, verbose=0)
    return model


def accuracy(model, x, y):
    """Return the share of images whose label a classifier reads."""
    return float(np.mean(model.predict(x, batch_size=500, verbose=0).argmax(axis=1) == y))


def inpainted(vae, model, x, y, methods=("gibbs", "gradient")):
    """Return how many labels are read of images whose right halves were filled in.

    Args:
        vae: `VAE`.
        model: classifier.
        x: images `(N, H, W, 1)`.
        y: labels `(N,)`.
        methods: of `restore.inpaint`.
    """
    mask = np.zeros(x.shape[1:3], bool)
    mask[:, mask.shape[1] // 2 :] = True
    empty = np.where(mask[..., None], np.float32(0.0), x)
    found = {"original": accuracy(model, x, y), "right half empty": accuracy(model, empty, y)}
    known, differ = True, True
    for method in methods:
        filled = restore.inpaint(vae, x, mask, num_samples=2, method=method, seed=0)
        found[method] = accuracy(model, filled[:, 0], y)
        known &= bool((filled[:, :, :, ~mask[0]] == x[:, None, :, ~mask[0]]).all())
        if method == "gibbs":
            differ = bool((np.abs(filled[:, 0] - filled[:, 1]).max(axis=(1, 2, 3)) > 0.1).all())
    return {"accuracy": found, "known_unchanged": known, "samples_differ": differ}
