"""Find anomalies among examples, with a detector that a run keeps."""

import contextlib
import functools
import pathlib

import numpy as np

from keras_vae import plotting
from keras_vae.checks import integer
from keras_vae.results import read_column
from keras_vae.runs import DETECTORS
from keras_vae.uses.inputs import check_out, open_examples, own_examples
from keras_vae.uses.writing import without_empty, write

# What a detector learns from and is calibrated with, at most.
_LEARNT, _CALIBRATED = 20_000, 10_000
# The quantile of the nats of abnormal pixels that is shown as full red.
_FULL_RED = 0.99


def detector(run, criterion="combined", progress=False, false_alarm_rate=None):
    """Return the `AnomalyDetector` of a run, fitted to its training and validation data.

    It is kept in the run's folder, so that only the first call takes its time. Of a run that is
    given a label (`uses.at`) normal examples are those of that label.

    Args:
        run: `runs.Run`.
        criterion: str, see `anomaly.AnomalyDetector`.
        progress: bool, whether to show bars.
        false_alarm_rate: None, or float in (0, 1), to which its threshold is set.

    Raises:
        ValueError: if the run has no validation data, or too few for the rate.
    """
    from keras_vae import anomaly

    anomaly.scores.get(criterion)
    # By another name than once, when a label's detectors were calibrated with examples of all.
    of_label = "" if run.label is None else f"-label{run.label}"
    path = run.path / DETECTORS / f"{criterion}{of_label}-{run.checksum:08x}.npz"
    found = None
    if path.is_file():
        # A damaged one is made anew.
        with contextlib.suppress(ValueError):
            found = anomaly.load(path, run.vae)
    if found is None:
        found = _fitted(run, criterion, progress, false_alarm_rate)
        # A run that may not be written to is used all the same.
        with contextlib.suppress(OSError):
            found.save(path)
    return found if false_alarm_rate is None else found.set_false_alarm_rate(false_alarm_rate)


def _fitted(run, criterion, progress, false_alarm_rate):
    from keras_vae import anomaly

    held_out = np.concatenate(list(own_examples(run, "validation", _CALIBRATED)))
    if false_alarm_rate is not None:
        anomaly.thresholds.place(len(held_out), false_alarm_rate)
    found = anomaly.AnomalyDetector(run.vae, criterion)
    found.fit(own_examples(run, "train", _LEARNT), progress=progress)
    return found.calibrate(held_out, progress=progress)


def detect(
    run,
    source,
    out,
    false_alarm_rate=0.01,
    criterion="combined",
    num_maps=20,
    progress=False,
    **options,
):
    """Write whether each example is an anomaly, at a rate of false alarms that is kept.

    Args:
        out, progress, options: see `embed`.
        false_alarm_rate: float in (0, 1), the share of normal examples that may be called so.
        criterion: str, see `anomaly.AnomalyDetector`.
        num_maps: int >= 0, the most abnormal images that are drawn, each above a map of where, in
            a PNG file beside `out`.

    Returns:
        `Written`; the columns are `score`, lower where more abnormal, `p_value` and `is_anomaly`,
        and of tables `abnormal_column`, its `abnormal_nats` beyond the usual, and
        `unseen_categories`. A row of a table without any value has none.
    """
    from keras_vae import anomaly

    integer("num_maps", num_maps, 0)
    check_out(source, out)
    examples = open_examples(run, source, **options)
    found = detector(run, criterion, progress, false_alarm_rate)
    columns = run.vae.likelihood.columns

    def make(batch, first):
        scores = found.score_samples(batch.x)
        result = {
            "score": scores,
            "p_value": anomaly.thresholds.p_values(scores, found.calibration_scores_),
            "is_anomaly": scores < found.threshold_,
        }
        if columns is not None:
            result = without_empty(batch.x, result)
            result |= _of_columns(columns, found.explain(batch.x), batch.x)
        return result

    key = {"verb": "detect", "false_alarm_rate": false_alarm_rate, "criterion": criterion}
    written = write(run, examples, source, out, key, make, progress, options)
    written.facts.update(_facts(written.path, columns is not None))
    if columns is None and num_maps:
        scores = read_column(written.path, "score")
        _draw(found, examples, np.argsort(scores, kind="stable")[:num_maps], written)
    return written


def _facts(path, is_table):
    """Return the numbers that are said of a file of detections."""
    facts = {"anomalies": int(read_column(path, "is_anomaly").sum())}
    if is_table:
        facts["unseen_categories"] = int(read_column(path, "unseen_categories").sum())
        empty = np.isnan(read_column(path, "score").astype("float64"))
        facts["rows_without_values"] = int(empty.sum())
    return facts


def maps_path(out):
    """Return where the maps of the most abnormal images go that are written to `out`.

    Args:
        out: str or `pathlib.Path` of the file or folder of results.
    """
    out = pathlib.Path(out)
    return out.with_name(f"{out.stem}_maps.png")


def _of_columns(columns, nats, x):
    """Return which column of each row is the most abnormal one, and how many were never seen."""
    worst = nats.argmax(axis=1)
    names = np.array([column.name for column in columns])[worst]
    unseen = [
        x[:, index] == len(column.categories)
        for index, column in enumerate(columns)
        if column.is_categorical
    ]
    return {
        "abnormal_column": np.where(nats.max(axis=1) > 0, names, ""),
        "abnormal_nats": nats[np.arange(len(nats)), worst],
        "unseen_categories": functools.reduce(np.add, unseen, np.zeros(len(x), np.int64)),
    }


def _draw(found, examples, places, written):
    from keras_vae import anomaly

    # In the order in which they come: a stream is read once, and not for each of them.
    found_at = {place: examples.read(place, place + 1).x for place in sorted(places.tolist())}
    images = np.concatenate([found_at[place] for place in places.tolist()])
    if images.shape[-1] not in (1, 3, 4):
        return
    nats = found.explain(images)
    limit = max(float(np.quantile(nats.sum(axis=-1), _FULL_RED)), 1e-6)
    coloured = np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images[..., :3]
    path = maps_path(written.path)
    plotting.pixels.save_pairs(coloured, anomaly.maps.heat(images, nats, limit), path)
    written.facts["maps"] = str(path)
