"""How abnormal an example is, where in it, and from where on it counts as an anomaly."""

from keras_vae.anomaly.detector import AnomalyDetector, load
from keras_vae.anomaly.maps import heat, surprise
from keras_vae.anomaly.scores import SCORES, Score, get
from keras_vae.anomaly.thresholds import conformal, p_values, place, quantile

__all__ = [
    "SCORES",
    "AnomalyDetector",
    "Score",
    "conformal",
    "get",
    "heat",
    "load",
    "p_values",
    "place",
    "quantile",
    "surprise",
]
