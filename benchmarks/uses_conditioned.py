"""What labels are good for: images that are asked for, and classes learnt from few labels."""

import keras
import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from uses_parts import ROWS, binary

import keras_vae as kv

CLASSES = 10
# The weight of the KL of the model that is asked for images.
BETA = 4
_COMPONENTS = 32
_BATCH, _UNITS = 128, (500, 500)
# Of the trainings with few labels: rows of a batch, those with a label, and what the weight of the
# KL falls from, in which share of the training. Chosen by the labels of the validation part, with
# the first two draws of labels.
_FEW_BATCH, _LABELLED, _WIDTH = 200, 50, 500
FIRST_WEIGHTS, SHARE = {"M2": 4.0, "M1+M2": 1.0}, 0.8
_ALONE_EPOCHS, _LOOKED_AT = 400, 50
_RATE, _SIZES = 3e-3, {"M2": 50, "M1+M2": 32}


def train_conditional(latent_dim, epochs, beta):
    """Return a ConditionalVAE of binarised digits, the KL weighted by beta."""
    data = kv.data.load("mnist", batch_size=_BATCH, labels=True, binarize="dynamic")
    likelihood = kv.likelihoods.Bernoulli()
    vae = kv.ConditionalVAE(
        *_networks(data.image_shape, latent_dim, _UNITS, likelihood, data.mean, gated=True),
        num_classes=CLASSES,
        likelihood=likelihood,
        objective=kv.objectives.ELBO(beta=beta),
        seed=2,
    )
    _compile(vae, 1e-3, epochs * len(data.train))
    vae.fit(data.train, epochs=epochs, verbose=0)
    return vae


def _networks(shape, latent_dim, units, likelihood, mean=None, **options):
    networks = kv.networks
    options |= {"latent_dim": latent_dim, "condition_dim": CLASSES, "units": units}
    return (
        networks.conditional_encoder(networks.mlp_encoder, shape, seed=0, **options),
        networks.conditional_decoder(
            networks.mlp_decoder,
            shape,
            params_per_channel=likelihood.params_per_channel,
            output_bias=None if mean is None else likelihood.bias(mean),
            seed=1,
            **options,
        ),
    )


def _compile(vae, rate, steps):
    vae.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps)))


def asked_for(vaes, model, learnt, test, count=1000, seed=0):
    """Return how often a classifier reads the label that images were made for, and their spread.

    The spread is the variance of the pixels within a label, as a part of that of test images: the
    mean image of a label has none, however well it is read.

    Args:
        vaes: dict from names to `ConditionalVAE`s.
        model: classifier.
        learnt, test: pairs of images `(N, H, W, 1)` and labels.
        count: int, images to make.
        seed: int.
    """
    labels = np.arange(count) % CLASSES
    means = np.stack([learnt[0][learnt[1] == label].mean(axis=0) for label in range(CLASSES)])
    made = {
        **{
            name: np.asarray(vae.generate(count, seed=seed, label=labels))
            for name, vae in vaes.items()
        },
        "mean image of the label": means[labels],
        f"normal distribution of {_COMPONENTS} components": _drawn(learnt, labels, seed),
    }
    sets = {"test images": test, **{name: (x, labels) for name, x in made.items()}}
    usual = _spread(*test)
    return {
        name: {"read": _read(model, x, y), "spread": _spread(x, y) / usual}
        for name, (x, y) in sets.items()
    }


def _drawn(learnt, labels, seed):
    """Return draws of a normal distribution of principal components for each label."""
    x, y = learnt[0].reshape(len(learnt[0]), -1), learnt[1]
    pca, rng = PCA(_COMPONENTS, random_state=0).fit(x), np.random.default_rng(seed)
    z = pca.transform(x)
    drawn = np.empty((len(labels), _COMPONENTS))
    for label in range(CLASSES):
        own, wanted = z[y == label], labels == label
        drawn[wanted] = rng.multivariate_normal(own.mean(axis=0), np.cov(own.T), wanted.sum())
    images = np.clip(pca.inverse_transform(drawn), 0.0, 1.0)
    return images.astype("float32").reshape(-1, *learnt[0].shape[1:])


def _spread(x, y):
    return float(np.mean([x[y == label].var(axis=0).mean() for label in range(CLASSES)]))


def _read(model, x, y):
    return float(np.mean(model.predict(x, batch_size=ROWS, verbose=0).argmax(axis=1) == y))


def few_label_data():
    """Return the data of trainings with few labels: a sixth of the training images validates."""
    return kv.data.load(
        "mnist", batch_size=_FEW_BATCH, labels=True, binarize="dynamic", validation_fraction=1 / 6
    )


def semi_supervised(name, data, features, num_labels, seed, epochs):
    """Return a model M2 of pixels, or one of the z of another, trained with few labels.

    Args:
        name: "M2" or "M1+M2".
        data: of `few_label_data`.
        features: `VAE` of all images without labels, the M1.
        num_labels: int.
        seed: int, by which the labels are chosen.
        epochs: int.

    Returns:
        `SemiSupervisedVAE`.
    """
    features = None if name == "M2" else features
    batches = kv.data.few_labels(data, num_labels, _LABELLED, seed=seed, through=features)
    if features is None:
        shape, likelihood = data.image_shape, kv.likelihoods.Bernoulli()
        classifier = kv.networks.conv_classifier(shape, CLASSES, seed=3)
    else:
        shape, likelihood = (features.latent_dim,), kv.likelihoods.Gaussian("per_element")
        classifier = kv.networks.mlp_classifier(shape, CLASSES, (_WIDTH,), dropout=0.5, seed=3)
    mean = data.mean if features is None else None
    beta = kv.schedules.LinearWarmup(share=SHARE, initial=FIRST_WEIGHTS[name])
    vae = kv.SemiSupervisedVAE(
        *_networks(shape, _SIZES[name], (_WIDTH,), likelihood, mean),
        classifier,
        likelihood=likelihood,
        objective=kv.objectives.ELBO(beta=beta),
        seed=2,
    )
    _compile(vae, _RATE, epochs * len(batches))
    vae.fit(batches, epochs=epochs, verbose=0)
    return vae


def test_error(vae, images, labels, features=None):
    """Return the share of images whose label a model does not tell, of z where there are those."""
    x = binary(images)
    if features is not None:
        x = kv.latent.embed(features, x).z
    return float(np.mean(vae.classify(x).argmax(axis=1) != labels))


def baseline_errors(data, num_labels, seed, test, features):
    """Return the test errors of what learns from the labelled images alone, and from their z.

    Args:
        data: of `few_label_data`, whose validation part chooses how long the network is trained.
        num_labels, seed: as of `semi_supervised`.
        test: pair of images and labels.
        features: `VAE`.
    """
    x, y = kv.data.few_labels(data, num_labels, seed=seed).labelled
    test_x, test_y = binary(test[0]), test[1]
    flat, test_flat = (binary(images).reshape(len(images), -1) for images in (x, test_x))
    z, test_z = (kv.latent.embed(features, binary(images)).z for images in (x, test_x))
    network = _alone(x, y, data.validation)
    linear = LogisticRegression(max_iter=2000)
    return {
        "the classifier of M2, labelled images alone": 1.0 - _read(network, test_x, test_y),
        "k-NN of pixels": 1.0 - KNeighborsClassifier(1).fit(flat, y).score(test_flat, test_y),
        "linear, of the z of M1": 1.0 - linear.fit(z, y).score(test_z, test_y),
    }


def _alone(x, y, validation):
    """Return the classifier of M2 trained on images alone, binarised anew each time."""
    network = kv.networks.conv_classifier(x.shape[1:], CLASSES, seed=3)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    rng, best, kept = np.random.default_rng(0), -1.0, None
    for epoch in range(1, _ALONE_EPOCHS + 1):
        drawn = (rng.random(x.shape) < x).astype("float32")
        network.fit(drawn, y, batch_size=_LABELLED, verbose=0)
        if epoch % _LOOKED_AT == 0:
            accuracy = network.evaluate(validation, verbose=0)[1]
            if accuracy > best:
                best, kept = accuracy, network.get_weights()
    network.set_weights(kept)
    return network
