"""The examples that a run is used on, as its model takes them."""

import os

from keras_vae.checks import message
from keras_vae.data import examples as data_examples
from keras_vae.data import image_paths, table_examples
from keras_vae.files import fingerprint


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
    return table_examples.open_table(source, columns, **given)


def identity(source):
    """Return JSON values that change with what a source holds, as far as that can be seen."""
    if not isinstance(source, str | os.PathLike) or not os.path.exists(source):
        return str(source)
    path = os.path.abspath(source)
    files = image_paths([path]) if os.path.isdir(path) else [path]
    return [path, fingerprint(files)]
