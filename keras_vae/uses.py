"""What a trained run is used for, over inputs of any size: embed, score, detect, and rows.

Each writes a row of results for each example, in shards that a restart goes on with.
"""

import contextlib
import functools
import math
import os
import pathlib
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_vae import bounds, plotting, random, results
from keras_vae.checks import integer, message
from keras_vae.data import examples as data_examples
from keras_vae.data import image_paths
from keras_vae.files import fingerprint
from keras_vae.results import read_column
from keras_vae.shards import row_bytes

DETECTORS = "detectors"
# What a detector learns from and is calibrated with, and what a density is compared with, at most.
_LEARNT, _CALIBRATED, _COMPARED = 20_000, 10_000, 2_000
# The quantile of the nats of abnormal pixels that is shown as full red.
_FULL_RED = 0.99


class Written(NamedTuple):
    """What was written.

    Attributes:
        path: `pathlib.Path`.
        count: int, rows.
        done, kept: ints, the shards that were written, and that were there.
        facts: dict of numbers about the rows.
    """

    path: pathlib.Path
    count: int
    done: int
    kept: int
    facts: dict


def open_examples(run, source, part=None, resize=False, **options):
    """Return examples as a run's model takes them, to be read by their places.

    Args:
        run: `runs.Run`.
        source: "train", "validation" or "test" for that part of the run's own data; else what
            `keras_vae.data.load` takes, or an image file.
        part: str or None, the part of another source.
        resize: bool, whether images of another size or number of channels are converted.
        **options: `value_range`, `data_dir`, `skip_bad`, `progress` of images; `id_column` and
            `label_column` of tables.

    Returns:
        An object with a length, and `read(start, stop)` that gives x, ids and labels.

    Raises:
        ValueError: if the examples do not fit the model.
    """
    settings = run.config["data"]
    binarize = settings.get("binarize", "none") != "none"
    if isinstance(source, str) and source in data_examples.PARTS:
        data = run.load_data(progress=options.get("progress", False))
        if source not in data.parts:
            raise ValueError(
                message(f"The run must have a {source} part", f"only {', '.join(data.parts)}")
            )
        return data_examples.PartExamples(
            [data.parts[source]], binarize, data.class_names, data.num_classes is not None
        )
    columns = getattr(run.vae.likelihood, "columns", None)
    of_tables = {name: options.pop(name, None) for name in ("id_column", "label_column")}
    if columns is None:
        return data_examples.open_images(
            source, run.vae.event_shape, part, binarize, resize, **options
        )
    given = {name: value or settings.get(name) for name, value in of_tables.items()}
    return data_examples.open_table(source, columns, **given)


def embed(run, source, out, progress=False, **options):
    """Write the centre of q(z|x) of each example; arguments as of `open_examples`.

    Args:
        out: str or path that ends in .npz, .parquet or .csv, or without a suffix a folder.
        progress: bool, whether to show a bar.

    Returns:
        `Written`; the columns are `id`, `label` where there are labels, and `z`.
    """
    results.check(out)
    examples = open_examples(run, source, **options)

    def make(batch, first):
        return {"z": _in_parts(lambda x: ops.convert_to_numpy(run.vae.embed(x)), batch.x)}

    return _write(run, examples, source, out, {"verb": "embed"}, make, progress, options)


def score(run, source, out, num_samples=100, seed=0, progress=False, **options):
    """Write how likely each example is: log p(x), importance-weighted, and what it compares to.

    Args:
        out, progress, options: see `embed`.
        num_samples: int >= 2, draws of z for each example.
        seed: int >= 0; example i draws from (seed, i).

    Returns:
        `Written`; the columns are `log_prob` in nats, its `standard_error` over the draws,
        `bits_per_dim` where x is discrete, and `share_less_likely`: the share of up to 2,000
        training examples that are less likely. A row of a table without any value has none.
    """
    integer("num_samples", num_samples, 2)
    seed = random.check_seed(seed)
    results.check(out)
    examples = open_examples(run, source, **options)
    learnt = np.concatenate(list(open_examples(run, "train").sample(_COMPARED)))
    usual = np.sort(bounds.log_prob(run.vae, learnt, num_samples, seed))
    nats_per_bit = math.prod(run.vae.event_shape) * math.log(2.0)

    def make(batch, first):
        seeds = random.row_seeds(seed, len(batch.x), first_row=first)
        found = bounds.estimate(run.vae, batch.x, num_samples, seeds)
        result = {
            "log_prob": found.log_prob,
            # Of the logarithm of a mean, by its first derivative.
            "standard_error": np.sqrt(
                np.maximum(1.0 / found.effective_samples - 1.0 / num_samples, 0.0)
            ),
        }
        if run.vae.likelihood.is_discrete and not run.vae.likelihood.is_grey(batch.x).any():
            result["bits_per_dim"] = -found.log_prob / nats_per_bit
        result["share_less_likely"] = np.searchsorted(usual, found.log_prob) / len(usual)
        return _without_empty(batch.x, result)

    key = {"verb": "score", "num_samples": num_samples, "seed": seed}
    written = _write(run, examples, source, out, key, make, progress, options)
    log_prob = read_column(written.path, "log_prob").astype("float64")
    written.facts["log_prob"] = float(np.nanmean(log_prob))
    return written


def detector(run, criterion="combined", progress=False):
    """Return the `AnomalyDetector` of a run, fitted to its training and validation data.

    It is kept in the run's folder, so that only the first call takes its time.

    Args:
        run: `runs.Run`.
        criterion: str, see `anomaly.AnomalyDetector`.
        progress: bool, whether to show bars.

    Raises:
        ValueError: if the run has no validation data.
    """
    from keras_vae import anomaly

    anomaly.get(criterion)
    path = run.path / DETECTORS / f"{criterion}-{run.checksum:08x}.npz"
    if path.is_file():
        # A damaged one is made anew.
        with contextlib.suppress(ValueError):
            return anomaly.load(path, run.vae)
    calibration = open_examples(run, "validation").sample(_CALIBRATED)
    found = anomaly.AnomalyDetector(run.vae, criterion)
    found.fit(open_examples(run, "train").sample(_LEARNT), progress=progress)
    found.calibrate(np.concatenate(list(calibration)), progress=progress)
    found.save(path)
    return found


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
    results.check(out)
    examples = open_examples(run, source, **options)
    found = detector(run, criterion, progress)
    found.set_false_alarm_rate(false_alarm_rate)
    columns = getattr(run.vae.likelihood, "columns", None)

    def make(batch, first):
        scores = found.score_samples(batch.x)
        result = {
            "score": scores,
            "p_value": anomaly.p_values(scores, found.calibration_scores_),
            "is_anomaly": scores < found.threshold_,
        }
        if columns is not None:
            result = _without_empty(batch.x, result)
            result |= _of_columns(columns, found.explain(batch.x), batch.x)
        return result

    key = {"verb": "detect", "false_alarm_rate": false_alarm_rate, "criterion": criterion}
    written = _write(run, examples, source, out, key, make, progress, options)
    written.facts["anomalies"] = int(read_column(written.path, "is_anomaly").sum())
    if columns is None and num_maps:
        scores = read_column(written.path, "score")
        _draw(found, examples, np.argsort(scores, kind="stable")[:num_maps], written)
    elif columns is not None:
        written.facts["unseen_categories"] = int(
            read_column(written.path, "unseen_categories").sum()
        )
        empty = np.isnan(read_column(written.path, "score").astype("float64"))
        written.facts["rows_without_values"] = int(empty.sum())
    return written


def generate_rows(run, out, count, temperature=1.0, seed=0, progress=False):
    """Write rows of a table that a run's model generates: means, and the likeliest categories.

    Args:
        out, progress: see `embed`.
        count: int >= 1.
        temperature, seed: see `generation.generate`.
    """

    def make(start, stop):
        seeds = random.row_seeds(seed, stop - start, first_row=start)
        rows = run.vae.generate(stop - start, temperature=temperature, seed=seeds)
        return {"id": np.arange(start, stop), **_table(run, rows)}

    key = {"verb": "generate", "model": run.checksum, "seed": seed, "temperature": temperature}
    writer = results.Results(out, key, count, 4 * row_bytes(run.vae.event_shape))
    return Written(writer.path, count, *writer.write(make, progress), {})


def reconstruct_rows(run, source, out, progress=False, **options):
    """Write the reconstruction of each row of a table, which has a value in every column.

    Arguments and result are those of `embed`.
    """
    results.check(out)
    examples = open_examples(run, source, **options)

    def make(batch, first):
        return _table(run, run.vae.reconstruct(batch.x))

    return _write(run, examples, source, out, {"verb": "reconstruct"}, make, progress, options)


def maps_path(out):
    """Return where the maps of the most abnormal images go that are written to `out`."""
    out = pathlib.Path(out)
    return out.with_name(f"{out.stem}_maps.png")


def _write(run, examples, source, out, key, make, progress, options):
    """Write what `make` gives for each batch, with ids and labels, and return `Written`."""
    given = {name: value for name, value in options.items() if name != "progress"}
    key |= {"model": run.checksum, "input": _identity(source), "options": given}
    # Examples, what is made of them, and what is decoded from them.
    writer = results.Results(out, key, len(examples), 4 * row_bytes(run.vae.event_shape))

    def make_rows(start, stop):
        batch = examples.read(start, stop)
        named = {"id": batch.ids, "label": batch.labels}
        named = {name: values for name, values in named.items() if values is not None}
        return {**named, **make(batch, start)}

    done, kept = writer.write(make_rows, progress)
    return Written(writer.path, len(examples), done, kept, {})


def _identity(source):
    """Return JSON values that change with what a source holds, as far as that can be seen."""
    if not isinstance(source, str | os.PathLike) or not os.path.exists(source):
        return str(source)
    path = os.path.abspath(source)
    files = image_paths([path]) if os.path.isdir(path) else [path]
    return [path, fingerprint(files)]


def _in_parts(function, x, rows=512):
    parts = range(0, len(x), rows)
    return np.concatenate([function(x[start : start + rows]) for start in parts])


def _table(run, rows):
    """Return rows as a dict of the columns that they stand for."""
    rows = ops.convert_to_numpy(rows)
    columns = run.vae.likelihood.columns
    return {one.name: np.array(one.decode(rows[:, i])) for i, one in enumerate(columns)}


def _without_empty(x, result):
    """Return results with none for the rows that have no value at all."""
    empty = np.isnan(x).reshape(len(x), -1).all(axis=1)
    return {
        name: values & ~empty if values.dtype == bool else np.where(empty, np.nan, values)
        for name, values in result.items()
    }


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

    images = np.concatenate([examples.read(place, place + 1).x for place in places.tolist()])
    if images.shape[-1] not in (1, 3, 4):
        return
    nats = found.explain(images)
    limit = max(float(np.quantile(nats.sum(axis=-1), _FULL_RED)), 1e-6)
    coloured = np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images[..., :3]
    path = maps_path(written.path)
    plotting.save_pairs(coloured, anomaly.heat(images, nats, limit), path)
    written.facts["maps"] = str(path)
