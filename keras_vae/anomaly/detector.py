"""The detector: a score, what normal examples taught it, and a threshold."""

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from keras_vae import evaluation, tabular
from keras_vae.anomaly import maps, saved, scores, thresholds
from keras_vae.anomaly.view import View
from keras_vae.checks import message
from keras_vae.progress import bar

_SAVED = ("criterion", "contamination", "false_alarm_rate")
# Of the rows, where a false-alarm rate is asked for and none are given to calibrate with.
_CALIBRATION_SHARE = 0.25
_ROWS = 64


class AnomalyDetector(OutlierMixin, BaseEstimator):
    """Tell what is unlike the normal examples that it was fitted to, as scikit-learn's detectors.

    With a trained VAE, `fit` learns what is normal and where the threshold lies. Without one it
    trains one of its own on the rows of a table of numbers, where NaN is a missing value.

    Args:
        vae: trained `VAE`, or None to train one for `(N, columns)`.
        criterion: "combined", "negative_elbo", "importance_weighted", "reconstruction_error",
            "typicality", "complexity", "latent_neighbors" or "row_neighbors"; see
            `keras_vae.anomaly.scores`.
        contamination: float in (0, 0.5], the share of the examples given to `fit` that fall below
            the threshold, unless a false-alarm rate is asked for.
        false_alarm_rate: None, or float in (0, 1): the threshold keeps the probability of a false
            alarm for a new normal example at most there; see `thresholds.conformal`. With a
            trained VAE `fit` must be given examples for it; else it sets a quarter apart.
        latent_dim: int >= 1, of a VAE of its own.
        epochs: None or int >= 1, of its training; None for about 2,000 steps.
        random_state: None, int or `numpy.random.RandomState`, of its training and of what is set
            apart.

    Input shape:
        `(N, *event)` or, of each example in a row, `(N, prod(event))`; batches of x also.

    Attributes:
        vae_: the `VAE`.
        score_: the fitted score.
        threshold_: float; examples whose `score_samples` is below it are anomalies.
        offset_: the same, by scikit-learn's name.
        calibration_scores_: array, sorted, the scores of the calibration examples, or None.
        usual_: array `(*event)`, the mean surprise of each element in normal examples, in nats.
        n_features_in_: int.

    Example:

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> normal = rng.normal(size=(300, 1)) * np.ones(3) + rng.normal(size=(300, 3)) / 10
    >>> detector = AnomalyDetector(false_alarm_rate=0.05, random_state=0).fit(normal)
    >>> detector.predict([[1.0, 1.0, 1.0], [2.0, -2.0, 2.0]]).tolist()
    [1, -1]
    """

    def __init__(
        self,
        vae=None,
        criterion="combined",
        contamination=0.05,
        false_alarm_rate=None,
        latent_dim=4,
        epochs=None,
        random_state=None,
    ):
        self.vae = vae
        self.criterion = criterion
        self.contamination = contamination
        self.false_alarm_rate = false_alarm_rate
        self.latent_dim = latent_dim
        self.epochs = epochs
        self.random_state = random_state

    def fit(self, X, y=None, calibration=None, progress=False):
        """Learn what is normal, and the threshold.

        Args:
            X: normal examples, as of "Input shape".
            y: ignored.
            calibration: other normal examples, which neither this nor the VAE has learnt from, for
                the false-alarm rate.
            progress: bool, whether to show a bar.

        Raises:
            ValueError: if an argument is out of its range, or the examples do not fit the model.
        """
        thresholds.quantile([0.0], self.contamination)
        score = scores.get(self.criterion)
        X = self._examples(X, first=True)
        if self.false_alarm_rate is not None and calibration is None:
            X, calibration = self._set_apart(X)
        if self.false_alarm_rate is not None and hasattr(calibration, "__len__"):
            thresholds.place(len(calibration), self.false_alarm_rate)
        self.vae_ = self.vae
        if self.vae is None:
            random = check_random_state(self.random_state)
            self.vae_ = tabular.train(X, self.latent_dim, self.epochs, random.randint(2**31 - 1))
        measured, self.usual_ = self._measure(score, X, progress)
        score.fit(measured)
        self.score_, self.calibration_scores_ = score, None
        fitted = -score.score(measured)
        self._threshold = float(thresholds.quantile(fitted, self.contamination))
        if calibration is not None:
            self.calibrate(calibration, self.false_alarm_rate, progress)
        return self

    def calibrate(self, X, false_alarm_rate=None, progress=False):
        """Take normal examples not learnt from for p-values, and set the threshold by them.

        Args:
            X: normal examples that neither the VAE nor `fit` has seen.
            false_alarm_rate: float in (0, 1), or None to leave the threshold where it is.
            progress: bool, whether to show a bar.

        Raises:
            ValueError: if there are too few examples for the rate.
        """
        calibration = np.sort(self.score_samples(X, progress))
        if false_alarm_rate is not None:
            self._threshold = float(thresholds.conformal(calibration, false_alarm_rate))
        self.calibration_scores_ = calibration
        return self

    def set_false_alarm_rate(self, false_alarm_rate):
        """Set the threshold to another false-alarm rate, by the calibration examples there were.

        Args:
            false_alarm_rate: float in (0, 1).

        Raises:
            ValueError: if the detector was not calibrated, or with too few examples for the rate.
        """
        self._threshold = float(thresholds.conformal(self._calibrated(), false_alarm_rate))
        return self

    def score_samples(self, X, progress=False):
        """Return the opposite of the score, `(N,)`: lower is more abnormal.

        Args:
            X: array `(N, *event)`, or batches of them; a table as `fit` was given it.
            progress: bool, whether to show a progress bar.
        """
        self._check_fitted()
        examples = bar(evaluation.batches(self._examples(X)), progress, "Scoring", "batch")
        return -self.score_.score(_together(self._measure_batch(self.score_, x) for x in examples))

    def decision_function(self, X):
        """Return how far `score_samples` lies above the threshold; anomalies are negative.

        Args:
            X: array `(N, *event)`, or batches of them; a table as `fit` was given it.
        """
        return self.score_samples(X) - self.threshold_

    def predict(self, X):
        """Return -1 for anomalies and 1 for others, `(N,)`."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X):
        """Return how often a normal example is as abnormal, `(N,)`; see `thresholds.p_values`.

        Raises:
            ValueError: if the detector was not calibrated.
        """
        return thresholds.p_values(self.score_samples(X), self._calibrated())

    def explain(self, X):
        """Return where the examples are abnormal: nats of each pixel or column above the usual.

        The surprise -log p(x_i|z) at the centre of q(z|x), less its mean over normal examples, and
        none where it is less. What is missing has none.

        Args:
            X: array `(N, *event)`, or batches of them; a table as `fit` was given it.

        Output shape:
            `(N, *event)`, a NumPy array of float32.
        """
        self._check_fitted()
        if self.usual_ is None:
            raise ValueError(
                message(
                    "The likelihood must give the log-probability of each element, for a map",
                    f"{type(self.vae_.likelihood).__name__}, which gives their sum alone",
                )
            )
        X = np.concatenate(list(evaluation.batches(self._examples(X))))
        nats = np.maximum(maps.surprise(self.vae_, X) - self.usual_, 0.0)
        return np.where(np.isnan(X), np.float32(0.0), nats)

    def save(self, path):
        """Write what was learnt, but for the VAE, to a .npz file; `load` reads it.

        Args:
            path: str or `pathlib.Path` of the file.
        """
        self._check_fitted()
        about = {name: getattr(self, name) for name in _SAVED}
        about |= {"threshold": self.threshold_, "n_features": self.n_features_in_}
        state = {"usual": self.usual_, "score": self.score_.state()}
        saved.write(path, about, {**state, "calibration": self.calibration_scores_})

    @property
    def offset_(self):
        return self.threshold_

    @property
    def threshold_(self):
        self._check_fitted()
        return self._threshold

    def _check_fitted(self):
        try:
            check_is_fitted(self, "score_")
        except NotFittedError:
            raise NotFittedError(
                message(
                    "The detector must be fitted first",
                    "one that was not",
                    "Call fit(normal_examples).",
                )
            ) from None

    def _calibrated(self):
        self._check_fitted()
        if self.calibration_scores_ is None:
            raise ValueError(
                message(
                    "The detector must be calibrated for p-values",
                    "one whose threshold is a quantile",
                    "Call calibrate(normal_examples), or set false_alarm_rate before fit.",
                )
            )
        return self.calibration_scores_

    def _examples(self, X, first=False):
        """Return X as the model takes it: an array, or batches as they are."""
        if self.vae is None:
            return tabular.rows(self, X, reset=first)
        if not hasattr(X, "__array__") and not isinstance(X, (list, tuple)):
            if first:
                self.n_features_in_ = int(np.prod(self.vae.event_shape))
            return X
        X = np.asarray(X)
        features = int(np.prod(self.vae.event_shape))
        if X.ndim == 2 and X.shape[1] == features:
            X = X.reshape(-1, *self.vae.event_shape)
        if first:
            self.n_features_in_ = features
        return X

    def _set_apart(self, X):
        if self.vae is not None or not hasattr(X, "shape"):
            raise ValueError(
                message(
                    "`calibration` must be given for a false-alarm rate, examples that the VAE was "
                    "not trained on",
                    "none",
                    "Give other normal examples: fit(train, calibration=validation).",
                )
            )
        order = check_random_state(self.random_state).permutation(len(X))
        count = round(_CALIBRATION_SHARE * len(X))
        return X[np.sort(order[count:])], X[np.sort(order[:count])]

    def _measure(self, score, X, progress):
        """Return what a score is made of for all examples, and their mean surprise, or None."""
        found, total, count = [], 0.0, 0
        explains = maps.can_explain(self.vae_)
        for x in bar(evaluation.batches(X), progress, "Learning what is normal", "batch"):
            found.append(self._measure_batch(score, x))
            if explains:
                there = ~np.isnan(x)
                nats = maps.surprise(self.vae_, x)
                total = total + np.where(there, nats, 0.0).sum(axis=0, dtype="float64")
                count = count + there.sum(axis=0)
        measured = _together(found)
        return measured, (total / np.maximum(count, 1)).astype("float32") if explains else None

    def _measure_batch(self, score, x):
        if self.vae is not None:
            return score.measure(View(self.vae_, x))
        # Always of as many rows, since the last bits of a matrix product depend on their number.
        found = []
        for start in range(0, len(x), _ROWS):
            rows = x[start : start + _ROWS]
            filled = np.concatenate([rows, np.repeat(rows[:1], _ROWS - len(rows), axis=0)])
            found.append(score.measure(View(self.vae_, filled))[: len(rows)])
        return np.concatenate(found)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _together(parts):
    parts = list(parts)
    if not parts:
        raise ValueError(message("There must be at least one example", "none"))
    return np.concatenate(parts)


def load(path, vae):
    """Return the fitted `AnomalyDetector` of a file that `AnomalyDetector.save` wrote.

    Args:
        path: str or `pathlib.Path`.
        vae: the `VAE` that it was fitted with.

    Raises:
        ValueError: if the file is none, or damaged.
    """
    about, state = saved.read(path)
    try:
        detector = AnomalyDetector(vae, **{name: about[name] for name in _SAVED})
        detector.vae_, detector.score_ = vae, scores.get(about["criterion"])
        detector.score_.restore(state["score"])
        detector.usual_, detector.n_features_in_ = state["usual"], about["n_features"]
        detector.calibration_scores_ = state["calibration"]
        detector._threshold = float(about["threshold"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(saved.refusal(path, error)) from error
    if np.shape(detector.usual_) not in ((), tuple(vae.event_shape)):
        raise ValueError(saved.refusal(path, "a detector of another VAE"))
    return detector
