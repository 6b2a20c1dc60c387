"""How near generated images are to real ones, in the features of a classifier of the data."""

import keras
import numpy as np
from keras import layers

from keras_vae import evaluation
from keras_vae.checks import integer, message

_BATCH = 256


class FeatureClassifier:
    """A small convolutional classifier of a labelled source, and its last hidden features.

    Args:
        data: what `keras_vae.data.load(..., labels=True)` gives.
        epochs: int >= 1.
        seed: int, of the initial weights.

    Attributes:
        accuracy: float, on the test part.

    Raises:
        ValueError: if the data have no labels or no test part.
    """

    def __init__(self, data, epochs=5, seed=0):
        integer("epochs", epochs, 1)
        if not getattr(data, "labels", False) or data.test is None:
            raise ValueError(
                message(
                    "`data` must have labels and a test part",
                    f"labels={getattr(data, 'labels', None)!r}",
                    "Load it with labels=True.",
                )
            )
        self.model = _classifier(data.image_shape, data.num_classes, seed)
        self.model.compile(
            "adam",
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=False,
        )
        with data.at_first_epoch():
            self.model.fit(data.train, epochs=epochs, verbose=0, shuffle=False)
        self.accuracy = float(
            self.model.evaluate(data.test, verbose=0, return_dict=True)["accuracy"]
        )
        self._features = keras.Model(self.model.input, self.model.get_layer("features").output)

    def features(self, images):
        """Return the features `(N, F)` of images `(N, H, W, C)`.

        Args:
            images: float array `(N, H, W, C)` in [0, 1].
        """
        return self._features.predict(images, batch_size=_BATCH, verbose=0)


def frechet_distance(features, others):
    """Return the Frechet distance of two sets of features, as of normal distributions.

    |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)) (Dowson & Landau 1982,
    https://doi.org/10.1016/0047-259X(82)90077-X; Heusel et al. 2017, eq. 6, of another network:
    https://arxiv.org/abs/1706.08500).

    Args:
        features: array `(N, F)`.
        others: array `(M, F)`.

    Example:

    >>> import numpy as np
    >>> points = np.random.default_rng(0).normal(size=(100, 3))
    >>> round(frechet_distance(points, points + 2.0), 4)
    12.0
    """
    (mean, covariance), (other_mean, other_covariance) = map(_moments, (features, others))
    root = _root(covariance)
    cross = np.linalg.eigvalsh(root @ other_covariance @ root)
    trace = np.trace(covariance) + np.trace(other_covariance)
    trace -= 2.0 * np.sqrt(np.clip(cross, 0.0, None)).sum()
    return float(max(0.0, np.sum((mean - other_mean) ** 2) + trace))


def measure(vae, data, num_images=2000, seed=0, epochs=5):
    """Return the Frechet distance of generated images from test images.

    In the features of a classifier that is trained here: it compares with distances from the
    same classifier alone, and is not FID. Images of discrete likelihoods are draws of p(x|z),
    others its means. The distance falls with the number of images, so that all three sets have
    as many.

    Args:
        vae: `VAE`.
        data: what `keras_vae.data.load(..., labels=True)` gives.
        num_images: int >= 2, how many are generated and taken of each part; as many as the
            smaller part holds where that is fewer.
        seed: int, of the classifier and the images.
        epochs: int >= 1, of the classifier.

    Returns:
        dict: `frechet_distance`, and `frechet_distance_of_real`, that of as many training images
        from the test images, which is what perfect samples have; `classifier_accuracy`,
        `frechet_images`.

    Raises:
        ValueError: if the data have no labels or no test part.
    """
    integer("num_images", num_images, 2)
    classifier = FeatureClassifier(data, epochs, seed)
    with data.at_first_epoch():
        test, train = (
            evaluation.first_examples(part, num_images, 2) for part in (data.test, data.train)
        )
    num_images = min(len(test), len(train))
    test, train = test[:num_images], train[:num_images]
    if vae.likelihood.is_discrete:
        made, _ = vae.simulate(num_images, seed)
    else:
        made = keras.ops.convert_to_numpy(vae.generate(num_images, seed=seed))
    real, others, generated = (classifier.features(images) for images in (test, train, made))
    return {
        "frechet_distance": frechet_distance(generated, real),
        "frechet_distance_of_real": frechet_distance(others, real),
        "classifier_accuracy": classifier.accuracy,
        "frechet_images": num_images,
    }


def _classifier(image_shape, num_classes, seed):
    def initializer(place):
        return keras.initializers.GlorotUniform(seed=seed + place)

    x = inputs = keras.Input(image_shape)
    for place, filters in enumerate((32, 64)):
        x = layers.Conv2D(
            filters,
            3,
            strides=2,
            padding="same",
            activation="relu",
            kernel_initializer=initializer(place),
        )(x)
    x = layers.Flatten()(x)
    x = layers.Dense(64, "relu", kernel_initializer=initializer(2), name="features")(x)
    return keras.Model(inputs, layers.Dense(num_classes, kernel_initializer=initializer(3))(x))


def _moments(features):
    features = np.asarray(features, "float64")
    return features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False))


def _root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
