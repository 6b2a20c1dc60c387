"""How abnormal an example is, where in it, and from where on it counts as an anomaly."""

from keras_vae.anomaly.detector import AnomalyDetector, load
from keras_vae.anomaly.scores import SCORES, Score

__all__ = [
    "SCORES",
    "AnomalyDetector",
    "Score",
    "load",
]
