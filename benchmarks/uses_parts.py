"""What `uses.py` measures with: data, models, scores and baselines."""

import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

import keras_vae as kv
from keras_vae import anomaly
from keras_vae.anomaly.view import View

_EPOCHS, _BATCH, _RATE = 20, 128, 1e-3
_RESIDUAL_BATCH, _RESIDUAL_RATE, _RISE, _WARMUP = 200, 5e-3, 500, 0.1
ROWS = 1000
# Of the likelihood and of the neighbours in the default score.
WEIGHTS = ((1, 0), (4, 1), (2, 1), (1, 1), (1, 2), (1, 4), (0, 1))


def mnist():
    """Return images in [0, 1] and labels, of training and test, in the order of the set."""
    parts = []
    for name, data in (("train", {"validation_fraction": 0}), ("test", {})):
        loaded = kv.data.load("mnist", batch_size=ROWS, labels=True, **data)
        parts.append(kv.data.examples.PartExamples([loaded.parts[name]], has_labels=True))
    return [part.read(0, len(part))[::2] for part in parts]


def train(images, latent_dim, prior="standard_normal", likelihood=None):
    """Return a VAE of gated dense layers trained on images, and its data of `kv.data.load`.

    The likelihood is by default that of binary pixels.
    """
    likelihood = likelihood or kv.likelihoods.Bernoulli()
    data = kv.data.load(
        images,
        batch_size=_BATCH,
        binarize="dynamic" if likelihood.is_binary else "none",
        validation_fraction=0.1,
        test_fraction=0,
    )
    layers = {"units": (300, 300), "gated": True}
    vae = kv.VAE(
        kv.networks.mlp_encoder(data.image_shape, latent_dim, seed=0, **layers),
        kv.networks.mlp_decoder(
            data.image_shape,
            latent_dim,
            output_bias=likelihood.bias(data.mean),
            seed=1,
            **layers,
        ),
        likelihood=likelihood,
        prior=prior,
        seed=2,
    )
    schedule = keras.optimizers.schedules.CosineDecay(_RATE, _EPOCHS * len(data.train))
    vae.compile(keras.optimizers.Adam(schedule))
    vae.fit(data.train, epochs=_EPOCHS, verbose=0)
    return vae, data


def train_residual(images, latent_dim, likelihood, epochs, noise=None):
    """Return a VAE of residual networks with a standard normal prior, and its data.

    Args:
        images: array `(N, H, W, C)` in [0, 1].
        latent_dim: int.
        likelihood: `Likelihood`; one of binary pixels is trained with binarised ones.
        epochs: int.
        noise: None, or pair of kind and strength, in front of the encoder.
    """
    data = kv.data.load(
        images,
        batch_size=_RESIDUAL_BATCH,
        binarize="dynamic" if likelihood.is_binary else "none",
        validation_fraction=0.1,
        test_fraction=0,
    )
    encoder = kv.networks.resnet_encoder(data.image_shape, latent_dim, seed=0)
    vae = kv.VAE(
        kv.restore.noisy_encoder(encoder, *noise, seed=3) if noise else encoder,
        kv.networks.resnet_decoder(
            data.image_shape,
            latent_dim,
            params_per_channel=likelihood.params_per_channel,
            output_bias=likelihood.bias(data.mean),
            seed=1,
        ),
        likelihood=likelihood,
        objective=kv.objectives.ELBO(
            beta=kv.schedules.LinearWarmup(steps=round(_WARMUP * epochs * len(data.train)))
        ),
        seed=2,
    )
    steps = epochs * len(data.train)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - _RISE, warmup_target=_RESIDUAL_RATE, warmup_steps=_RISE
    )
    vae.compile(kv.optimizers.muon(vae, schedule))
    vae.fit(data.train, epochs=epochs, verbose=2)
    return vae, data


def part_of(data, name):
    """Return all images of a part in their order, in [0, 1]."""
    examples = kv.data.examples.PartExamples([data.parts[name]])
    return examples.read(0, len(examples)).x


def binary(images):
    """Return images as the detectors of binary pixels are given them."""
    return (images > 0.5).astype("float32")


def scores_of(vae, normal, others, names):
    """Return how abnormal sets of examples are by each score, fitted to normal ones."""
    fitted = {name: anomaly.scores.get(name) for name in names}
    for score, values in zip(fitted.values(), _measured(fitted.values(), vae, normal), strict=True):
        score.fit(values)
    found = {}
    for key, x in others.items():
        values = zip(fitted.items(), _measured(fitted.values(), vae, x), strict=True)
        found[key] = {name: score.score(value) for (name, score), value in values}
    return found


def auroc_by_weights(vae, learnt, normal, odd):
    """Return the AUROC of the default score with other weights of its two parts."""
    score = anomaly.scores.get("combined")
    learnt, *others = (_measured([score], vae, x)[0] for x in (learnt, normal, odd))
    score.fit(learnt)
    found = {}
    for pair in WEIGHTS:
        score._WEIGHTS = np.array(pair, "float64")
        found[" : ".join(map(str, pair))] = auroc(*(score.score(values) for values in others))
    return found


def _measured(scores, vae, x):
    parts = []
    for start in range(0, len(x), ROWS):
        view = View(vae, x[start : start + ROWS])
        parts.append([score.measure(view) for score in scores])
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]


def auroc(normal, abnormal):
    """Return the area under the ROC curve of scores that are higher where more abnormal."""
    labels = np.r_[np.zeros(len(normal)), np.ones(len(abnormal))]
    return float(roc_auc_score(labels, np.r_[normal, abnormal]))


def pixel_neighbors(references, images):
    """Return the mean cosine distance from the 5 nearest reference images, pixel by pixel."""
    references, images = (x.reshape(len(x), -1) for x in (references, images))
    search = NearestNeighbors(n_neighbors=5, metric="cosine", algorithm="brute").fit(references)
    return search.kneighbors(images)[0].mean(axis=1)


def gibberish_sets(images, seed=0):
    """Return what is no digit at all: 1,000 images of each kind, made of test images or not."""
    rng = np.random.default_rng(seed)
    some = images[:1000]
    digits = load_digits().images / 16.0
    scaled = kv.data.load(digits, image_size=28, validation_fraction=0, test_fraction=0)
    greys = np.linspace(0.0, 1.0, 256, dtype="float32")
    return {
        "uniform noise": rng.random(some.shape, "float32"),
        "shuffled pixels": rng.permuted(some.reshape(len(some), -1), axis=1).reshape(some.shape),
        "inverted digits": 1.0 - some,
        "constant images": np.broadcast_to(greys[:, None, None, None], (256, 28, 28, 1)).copy(),
        "scikit-learn digits": part_of(scaled, "train"),
    }


def table_baselines(learnt, rows):
    """Return how abnormal rows of numbers are by the usual detectors, on standardised columns."""
    scaler = StandardScaler().fit(learnt)
    learnt, rows = scaler.transform(learnt), scaler.transform(rows)
    pca = PCA(0.95).fit(learnt)
    residual = rows - pca.inverse_transform(pca.transform(rows))
    search = NearestNeighbors(n_neighbors=5).fit(learnt)
    return {
        "isolation forest": -IsolationForest(random_state=0).fit(learnt).score_samples(rows),
        "one-class SVM": -OneClassSVM(gamma="scale", nu=0.1).fit(learnt).score_samples(rows),
        "PCA reconstruction": (residual**2).sum(axis=1),
        "k-NN distance": search.kneighbors(rows)[0].mean(axis=1),
    }
