"""A detector that goes with a file, so that the device decides alone: whether it can."""

from export.endpoints import labels_of
from export.errors import message
from export.float32 import in_float32


def check(detector, vae, plan):
    """Return a detector whose threshold holds for the scores of exported files.

    Args:
        detector: `keras_vae.anomaly.AnomalyDetector`.
        vae: `keras_vae.VAE` that is exported.
        plan: `export.plan.Plan`.

    Raises:
        ValueError: if it is none, not fitted, of another VAE, or its score cannot be in the graph.
    """
    from keras_vae.anomaly import AnomalyDetector
    from keras_vae.anomaly.scores import DRAWS

    if not isinstance(detector, AnomalyDetector):
        raise ValueError(
            message("`detector` must be a keras_vae.anomaly.AnomalyDetector", repr(detector))
        )
    # Of one that is not fitted this raises.
    _ = detector.threshold_
    check_score(detector.criterion, plan.endpoints)
    if detector.vae_ is not vae:
        raise ValueError(
            message("`detector` must be fitted with the VAE that is exported", "one of another VAE")
        )
    if labels_of(vae) is not None:
        raise ValueError(
            message(
                "`detector` must be fitted with a VAE that takes no labels",
                f"one of a {type(vae).__name__}",
                "Fit it with vae.at(label), and export that.",
            )
        )
    if plan.num_samples != DRAWS:
        raise ValueError(
            message(
                f"`num_samples` must be {DRAWS} with a detector, the draws of its scores",
                f"num_samples={plan.num_samples}",
            )
        )
    if in_float32(vae) is not vae:
        raise ValueError(
            message(
                "`detector` must be fitted with a VAE that computes in float32, as files do",
                "one of half precision",
                "Load it with the policy float32, and fit the detector again.",
            )
        )
    return detector


def check_score(criterion, endpoints):
    """Raise `ValueError` unless the graph can compute a score, and `score` is asked for.

    Args:
        criterion: str, the name of a score.
        endpoints: list of str.
    """
    from keras_vae import anomaly

    if not anomaly.scores.get(criterion).in_graph:
        legal = [repr(name) for name, kind in anomaly.SCORES.items() if kind.in_graph]
        raise ValueError(
            message(
                "The score of an exported detector must be one that the graph can compute, "
                + " or ".join(legal),
                repr(criterion),
                "Export a detector with such a score, or call this one from Python.",
            )
        )
    if "score" not in endpoints:
        raise ValueError(
            message(
                "A detector goes with the endpoint score",
                f"endpoints {', '.join(endpoints)}",
                "Add 'score' to the endpoints.",
            )
        )
