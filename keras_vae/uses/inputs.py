"""The examples that a run is used on, as its model takes them."""

import os

from keras_vae import results
from keras_vae.checks import message
from keras_vae.data import examples as data_examples
from keras_vae.data import image_paths, table_examples
from keras_vae.files import fingerprint

_OF_TABLES = ("id_column", "label_column")


def open_examples(run, source, part=None, resize=False, binarize=None, event_shape=None, **options):
    """Return examples as a run's model takes them, to be read by their places.

    Args:
        run: `runs.Run`.
        source: "train", "validation" or "test" for that part of the run's own data; else what
            `keras_vae.data.load` takes, or an image file.
        part: str or None, the part of another source.
        resize: bool, whether images of another size or number of channels are converted.
        binarize: bool, whether pixels above a half are 1 and the others 0; None for what the run
            was trained on.
        event_shape: tuple, the shape that images must have; None for the model's.
        **options: `value_range`, `data_dir`, `skip_bad`, `progress` of images; `id_column` and
            `label_column` of tables.

    Returns:
        An object with a length, and `read(start, stop)` that gives x, ids and labels.

    Raises:
        ValueError: if the examples do not fit the model.
    """
    settings = run.config["data"]
    if binarize is None:
        binarize = settings.get("binarize", "none") != "none"
    own = isinstance(source, str) and source in data_examples.PARTS
    columns = run.vae.likelihood.columns
    given = {name: value for name, value in options.items() if value} | {"part": part}
    _refuse(given, own, columns is not None, resize)
    if own:
        data = run.load_data(progress=options.get("progress", False))
        if source not in data.parts:
            raise ValueError(
                message(f"The run must have a {source} part", f"only {', '.join(data.parts)}")
            )
        _check_own(run, source, event_shape)
        return data_examples.PartExamples(
            [data.parts[source]], binarize, data.class_names, data.num_classes is not None
        )
    if columns is None:
        return data_examples.open_images(
            source, event_shape or run.vae.event_shape, part, binarize, resize, **options
        )
    named = {name: options.get(name) or settings.get(name) for name in _OF_TABLES}
    return table_examples.open_table(source, columns, **named)


def own_examples(run, part, limit):
    """Yield x of about `limit` examples of a part of a run's data, of its label's if it has one.

    Raises:
        ValueError: if there are none.
    """
    examples = open_examples(run, part)
    if run.label is None:
        yield from examples.sample(limit)
        return
    count = 0
    for x in examples.of_class(run.label, limit):
        count += len(x)
        yield x
    if not count:
        raise ValueError(
            message(
                f"The run's {part} part must have examples of the label",
                "none",
                "Leave the label out.",
            )
        )


def _check_own(run, source, event_shape):
    if event_shape not in (None, tuple(run.vae.event_shape)):
        raise ValueError(
            message(
                f"INPUT must hold images of shape {event_shape}",
                f"the {source} part of the run's own data, of shape {run.vae.event_shape}",
            )
        )


def _refuse(given, own, is_table, resize):
    """Refuse options that would do nothing."""
    given = given | {"resize": resize}
    names = [] if is_table else _OF_TABLES
    if is_table or own:
        names = [*names, "part", "resize", "value_range", "skip_bad"]
    if own:
        names = [*names, *_OF_TABLES]
    for name in names:
        if given.get(name):
            of = "the run's own data" if own else "a table" if is_table else "images"
            raise ValueError(
                message(f"`{name}` must be left out for {of}", f"{name}={given[name]!r}")
            )


def identity(run, source):
    """Return JSON values that change with what a source holds, as far as that can be seen."""
    if not isinstance(source, str | os.PathLike):
        import joblib

        return [type(source).__name__, joblib.hash(source)]
    if source in data_examples.PARTS:
        return [source, identity(run, f"{run.config['data'].get('source')}")]
    if not os.path.exists(source):
        return str(source)
    path = os.path.abspath(source)
    files = image_paths([path]) if os.path.isdir(path) else [path]
    return [path, fingerprint(files)]


def check_out(source, out):
    """Raise `ValueError` if results cannot be written there, or what is there is what is read."""
    results.check(out)
    check_other(source, out)


def check_other(source, out):
    """Raise `ValueError` if what is to be written is what is read."""
    is_path = isinstance(source, str | os.PathLike)
    if is_path and os.path.exists(out) and os.path.exists(source) and os.path.samefile(source, out):
        raise ValueError(
            message(
                "What is written must be another file than INPUT", f"{out}", "Choose another name."
            )
        )
