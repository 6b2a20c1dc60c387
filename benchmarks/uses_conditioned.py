"""What labels are good for: images that are asked for, and classes learnt from few of them."""

import keras
import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from uses_parts import ROWS, mnist, part_of

import keras_vae as kv

CLASSES = 10
_COMPONENTS = 32
# Of the trainings with few labels: their batches, and the weight of the KL at first and until when.
_BATCH, _LABELLED, _WIDTH, _RATE = 200, 50, 500, 1e-3
_KL_FIRST, _KL_SHARE = 3.0, 0.7


def train_conditional(latent_dim, epochs):
    """Return a ConditionalVAE of binarised digits."""
    data = kv.data.load(
        "mnist", batch_size=_BATCH, labels=True, binarize="dynamic", validation_fraction=0.1
    )
    likelihood = kv.likelihoods.Bernoulli()
    sizes = {"latent_dim": latent_dim, "condition_dim": CLASSES}
    sizes |= {"units": (_WIDTH, _WIDTH), "gated": True}
    vae = kv.ConditionalVAE(
        kv.networks.conditional_encoder(kv.networks.mlp_encoder, data.image_shape, seed=0, **sizes),
        kv.networks.conditional_decoder(
            kv.networks.mlp_decoder,
            data.image_shape,
            output_bias=likelihood.bias(data.mean),
            seed=1,
            **sizes,
        ),
        num_classes=CLASSES,
        likelihood=likelihood,
        seed=2,
    )
    steps = epochs * len(data.train)
    vae.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(_RATE, steps)))
    vae.fit(data.train, epochs=epochs, verbose=0)
    return vae


def asked_for(vae, model, learnt, test, count=1000, seed=0):
    """Return how often a classifier reads the label that images were made for, and their spread.

    The spread is the variance of the pixels within a label, as a part of that of test images: the
    mean image of each label is read well, and has none.

    Args:
        vae: `ConditionalVAE`.
        model: classifier.
        learnt, test: pairs of images `(N, H, W, 1)` and labels.
        count: int, images to make.
        seed: int.
    """
    labels = np.arange(count) % CLASSES
    made = {
        "test images": test,
        "keras_vae": (np.asarray(vae.generate(count, 1.0, seed, labels)), labels),
    }
    made["mean of the label"] = (
        np.stack([learnt[0][learnt[1] == y].mean(axis=0) for y in labels]),
        labels,
    )
    made[f"normal distribution of {_COMPONENTS} components"] = (
        _gaussians(learnt, labels, seed),
        labels,
    )
    usual = _spread(*test)
    return {
        name: {"read": _share_read(model, x, y), "spread": _spread(x, y) / usual}
        for name, (x, y) in made.items()
    }


def _gaussians(learnt, labels, seed):
    """Return draws of a normal distribution of principal components for each label."""
    x, y = learnt[0].reshape(len(learnt[0]), -1), learnt[1]
    pca, rng = PCA(_COMPONENTS, random_state=0).fit(x), np.random.default_rng(seed)
    z = pca.transform(x)
    drawn = np.stack(
        [
            rng.multivariate_normal(z[y == label].mean(axis=0), np.cov(z[y == label].T))
            for label in labels
        ]
    )
    return np.clip(pca.inverse_transform(drawn), 0.0, 1.0).reshape(-1, *learnt[0].shape[1:])


def _spread(x, y):
    return float(np.mean([x[y == label].var(axis=0).mean() for label in range(CLASSES)]))


def _share_read(model, x, y):
    return float(np.mean(model.predict(x, batch_size=ROWS, verbose=0).argmax(axis=1) == y))


def by_few_labels(data, seed, num_labels, features, epochs):
    """Return the test errors of M2, M1+M2 and what else learns from so many labels.

    Args:
        data: `ImageData` with labels.
        seed: int, by which the labels are chosen.
        num_labels: int.
        features: `VAE` of all images without labels, the M1.
        epochs: pair of ints, of M2 and of M1+M2.
    """
    through = {"M2": None, "M1+M2": features}
    test, labels = _test_images(data)
    errors = {}
    for (name, model), count in zip(through.items(), epochs, strict=True):
        batches = kv.data.few_labels(data, num_labels, _LABELLED, seed=seed, through=model)
        vae = semi_supervised(data, model, count * len(batches))
        vae.fit(batches, epochs=count, verbose=0)
        seen = test if model is None else kv.latent.embed(model, test).z
        errors[name] = _error(vae.classify(seen).argmax(axis=1), labels)
    x, y = batches.labelled
    return errors | _baselines(x, y, test, labels, features)
