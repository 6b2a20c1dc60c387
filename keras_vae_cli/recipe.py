"""How the command line loads the data and builds the VAE. Imported when a command runs."""

import math

import keras

import keras_vae as kv
from keras_vae import uses
from keras_vae_cli import parts
from keras_vae_cli.session import Session

_MIN_EPOCHS, _MIN_IMAGES = 10, 128_000
# The rows that have a label, beside a batch of those that have none.
_LABELLED_SHARE = 0.25


def load(source, load_options, options, progress):
    """Return the data of a run, and those that have a label where few have: a number, or data.

    Args:
        source: str, as `keras_vae.data.load` takes it.
        load_options: dict, for it.
        options: dict, of which `conditional` and `labelled` say what is learnt from labels.
        progress: bool, whether to show progress.
    """
    few = options["labelled"]
    own = options["conditional"] or uses.labels.is_count(few)
    data = kv.data.load(source, **load_options, labels=own, progress=progress)
    _check(data, load_options)
    if uses.labels.is_count(few):
        few = int(few)
    elif few:
        few = _load_few(few, load_options, progress)
    if own or few:
        _check_classes(_with_labels(data, few))
    return data, few


def _load_few(source, load_options, progress):
    chosen = {"labels": True, "validation_fraction": 0.0, "test_fraction": 0.0}
    try:
        return kv.data.load(source, **{**load_options, **chosen}, progress=progress)
    except ValueError as error:
        # Of two sources it does not tell which one is meant.
        raise ValueError(f"--labelled {source}: {error}") from error


def _with_labels(data, few):
    """Return the data whose labels are learnt from."""
    return few if isinstance(few, kv.data.ImageData) else data


def _check_classes(data):
    if data.num_classes < 2:
        raise ValueError(
            kv.checks.message(
                "Labels must be of at least 2 classes",
                f"{data.name!r}, with {data.num_classes}",
                "Leave --conditional and --labelled out: all examples are of one class.",
            )
        )


def _check_each_class(labels, classes):
    """Refuse classes without any label, which examples would be taken for nevertheless."""
    missing = sorted({*range(len(classes))} - {*labels.tolist()})
    if missing:
        named = ", ".join(classes[label] for label in missing[:10])
        raise ValueError(
            kv.checks.message(
                f"Each of the {len(classes)} classes must have an example with a label",
                f"none of {named}",
                "Number the classes from 0 on, without a gap.",
            )
        )


def _check(data, load_options):
    """Raise `ValueError` for data that a run cannot be made of."""
    if data.test is None:
        raise ValueError(
            kv.checks.message(
                "`test_fraction` must be > 0 for a source without a test part",
                f"test_fraction={load_options['test_fraction']}",
                "A run is judged by images that it was not trained on.",
            )
        )
    channels = data.event_shape[-1]
    if not is_table(data) and channels not in (1, 3, 4):
        raise ValueError(
            kv.checks.message(
                "Images must have 1, 3 or 4 channels",
                f"{channels} channels",
                "Convert them with --color-mode.",
            )
        )


def is_table(data):
    """Return whether loaded data are the rows of a table."""
    return isinstance(data, kv.data.TableData)


def _check_for_tables(options):
    """Refuse what images alone can have."""
    for name, legal in (
        ("likelihood", ("auto",)),
        ("network", ("mlp",)),
        ("prior", ("standard_normal", "gaussian_mixture", "real_nvp")),
        ("noise", ("none",)),
    ):
        if options[name] not in legal:
            raise ValueError(
                kv.checks.message(
                    f"--{name} must be {' or '.join(legal)} for a table",
                    options[name],
                    "Leave it out, with --recipe table.",
                )
            )


def prepare(data, few, load_options, options, workers):
    """Build the model and return the `Session` that trains it.

    Args:
        data, few: from `load`.
        load_options: dict, what it was loaded with.
        options: dict, of the model and the training, completed by `parts.complete`.
        workers: `keras_vae.workers.Workers`.
    """
    load_options = {**load_options, "source": data.location}
    if options["conditional"] or few:
        labelled = _with_labels(data, few)
        options["classes"] = labelled.class_names or [
            str(label) for label in range(labelled.num_classes)
        ]
    if is_table(data):
        _check_for_tables(options)
        options["likelihood"] = parts.TABULAR
    elif options["likelihood"] == "auto":
        # Grey pixels under a Bernoulli would give a cross-entropy, no likelihood.
        options["likelihood"] = "bernoulli" if data.is_binary else "gaussian"
    steps_per_epoch = math.ceil(data.num_train / data.batch_size)
    if options["epochs"] is None:
        options["epochs"] = max(_MIN_EPOCHS, math.ceil(_MIN_IMAGES / data.num_train))
    if options["warmup_epochs"] is None:
        share = options["warmup_share"] if parts.takes("warmup_epochs", options) else 0.0
        options["warmup_epochs"] = share * options["epochs"]
    del options["warmup_share"]
    train = data.train
    if few:
        rows = math.ceil(_LABELLED_SHARE * data.batch_size)
        train = kv.data.few_labels(data, few, rows, seed=options["seed"])
        _check_each_class(train.labelled[1], options["classes"])
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(options["mixed_precision"] or policy)
    try:
        vae = parts.build(data, options, steps_per_epoch)
    finally:
        keras.config.set_dtype_policy(policy)
    return Session(vae, data, train, load_options, options, workers)
