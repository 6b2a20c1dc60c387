"""`load`: from the name of a source to its datasets."""

from keras_vae import checks
from keras_vae.columns import as_columns
from keras_vae.data import pixels
from keras_vae.data.loaded import ImageData, TableData
from keras_vae.data.sources import Options, open_source
from keras_vae.data.tables import TableOptions

_BINARIZE = ("none", "threshold", "dynamic")


def load(
    source,
    batch_size=128,
    *,
    image_size=None,
    binarize="none",
    validation_fraction=0.1,
    test_fraction=0.1,
    labels=False,
    shuffle_seed=0,
    value_range=None,
    color_mode=None,
    cache="auto",
    skip_bad=False,
    data_dir=None,
    progress=True,
    label_column=None,
    id_column=None,
    drop_columns=(),
    categorical_columns=(),
    columns=None,
):
    """Return datasets of images in [0, 1], or of the rows of a table, for training and test.

    The order of the training images in epoch e and their dynamic binarisation depend on
    (`shuffle_seed`, e, position) alone. Which images are in which part does not depend on
    `shuffle_seed`.

    Args:
        source: one of
            - "digits": scikit-learn's 8x8 handwritten digits, which need no network;
            - the name of a TensorFlow Datasets image set: "mnist", "fashion_mnist", "cifar10", ...;
            - the path of a folder of PNG, JPEG, BMP or GIF images, with or without one subfolder a
              class, with or without subfolders train, validation (or val) and test;
            - the path of a .npz file (keys x_train, y_train, x_test, y_test; or x, y; or images,
              labels; or one array) or of a .npy file;
            - arrays x, (x, y) or ((x_train, y_train), (x_test, y_test)), x being (N, H, W) or
              (N, H, W, C);
            - a table: the path of a .csv or .parquet file, or of a .npy or .npz file of an array
              of two axes, a `pandas.DataFrame`, a `pyarrow.Table`, a dict of columns, an array
              (N, columns), or (rows, y). Texts become categories, and what is missing NaN; see
              `likelihoods.Tabular`. A table is read into memory.
            A known name comes before a folder of that name, which "./name" means.
        batch_size: int >= 1, images in a batch; the last batch of an epoch may be smaller.
        image_size: int or (height, width) >= 1, to resize to, in 8 bits; None keeps the size.
        binarize: "none"; "threshold", which gives 1 above 0.5; or "dynamic", which draws each pixel
            with its value as the probability, anew in each training epoch and once and for all for
            validation and test.
        validation_fraction: float in [0, 1), share of the training images that is set apart if
            the source has no validation part. With 0 there is no validation part.
        test_fraction: float in [0, 1), share of all images, if the source has no test part.
        labels: bool, whether batches are (x, y), y being int32 classes, in place of x.
        shuffle_seed: int >= 0, of order and binarisation.
        value_range: (low, high) of the raw pixels of arrays; None means (0, 255) for integers,
            (0, 1) for floats and booleans.
        color_mode: "grayscale" or "rgb" to convert the images; None keeps their channels.
        cache: True keeps the decoded images in memory, False reads them for each batch, "auto"
            keeps them up to 1 GiB.
        skip_bad: bool, whether unreadable files of a folder are left out and counted.
        data_dir: folder of TensorFlow Datasets; None means the environment variable TFDS_DATA_DIR,
            or that library's own default.
        progress: bool, whether slow work shows a bar on stderr.
        label_column: str, the column of a table that holds the classes, which is none of x.
        id_column: str, the column that names the rows, which is none of x.
        drop_columns: tuple of str, other columns that are left out.
        categorical_columns: tuple of str, columns of numbers that name categories.
        columns: `keras_vae.columns.Column`s by which a table is coded, such as those of a trained
            model; None to learn them from the training rows.

    Returns:
        `ImageData`, or `TableData` of a table, whose scales are learnt from its training rows.

    Raises:
        ValueError: for illegal arguments and damaged or unfit images.
        DataUnavailableError: a `ValueError`, if a set is not on disk and there is no network.

    Example:
        >>> from keras_vae import data
        >>> digits = data.load("digits", batch_size=64, binarize="dynamic")
        >>> digits.image_shape, digits.num_train, digits.num_validation, digits.num_test
        ((8, 8, 1), 1455, 162, 180)
        >>> next(iter(digits.test)).shape
        TensorShape([64, 8, 8, 1])
    """
    batch_size = checks.integer("batch_size", batch_size, 1)
    checks.choice("binarize", binarize, _BINARIZE)
    shuffle_seed = checks.integer("shuffle_seed", shuffle_seed, 0)
    if cache is not True and cache is not False:
        checks.choice("cache", cache, ["auto", True, False])
    if color_mode is not None:
        checks.choice("color_mode", color_mode, pixels.COLOR_CHANNELS)
    table = TableOptions(
        label_column,
        id_column,
        _names(drop_columns),
        _names(categorical_columns),
        None if columns is None else as_columns(columns),
    )
    options = Options(
        _image_size(image_size),
        color_mode,
        None if value_range is None else pixels.check_value_range(value_range),
        checks.number("validation_fraction", validation_fraction, minimum=0, below=1),
        checks.number("test_fraction", test_fraction, minimum=0, below=1),
        cache,
        skip_bad,
        data_dir,
        progress,
        table,
    )
    opened = open_source(source, options)
    if opened.columns:
        _refuse_for_tables(image_size=image_size, color_mode=color_mode, binarize=binarize)
    if labels:
        _check_labels(opened)
    kind = TableData if opened.columns else ImageData
    return kind(
        opened,
        batch_size=batch_size,
        binarize=binarize,
        labels=bool(labels),
        shuffle_seed=shuffle_seed,
    )


def _check_labels(opened):
    if opened.num_classes is None:
        raise ValueError(
            checks.message(
                "labels=True (--conditional, --labelled) needs a source with labels",
                f"{opened.name!r}, which has none",
                "Leave it out, or give arrays (x, y), or a folder with one subfolder a class.",
            )
        )


def _names(value):
    return (value,) if isinstance(value, str) else tuple(value or ())


def _refuse_for_tables(**given):
    for name, value in given.items():
        if value not in (None, "none"):
            raise ValueError(
                checks.message(
                    f"`{name}` must be left out for a table",
                    f"{name}={value!r}",
                    "Rows are no images.",
                )
            )


def _image_size(image_size):
    if image_size is None:
        return None
    size = image_size if isinstance(image_size, tuple | list) else (image_size, image_size)
    try:
        height, width = (checks.integer("image_size", side, 1) for side in size)
    except ValueError:
        raise ValueError(
            checks.message(
                "`image_size` must be an integer >= 1 or a pair (height, width) of them",
                f"image_size={image_size!r}",
                "Example: image_size=32 or image_size=(32, 24).",
            )
        ) from None
    return height, width
