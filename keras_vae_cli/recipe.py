"""How the command line loads the data and builds the VAE. Imported when a command runs."""

import math

import keras

import keras_vae as kv
from keras_vae_cli import parts
from keras_vae_cli.session import Session

_MIN_EPOCHS, _MIN_IMAGES = 10, 128_000


def prepare(source, load_options, options, progress):
    """Load the data, build the model and return the `Session` that trains it.

    Args:
        source: str, as `keras_vae.data.load` takes it.
        load_options: dict, for it.
        options: dict, of the model and the training, completed by `parts.complete`.
        progress: bool, whether to show progress.
    """
    load_options = {**load_options, "shuffle_seed": options["seed"]}
    data = kv.data.load(source, **load_options, progress=progress)
    load_options["source"] = data.location
    if data.test is None:
        raise ValueError(
            kv.checks.message(
                "`test_fraction` must be > 0 for a source without a test part",
                f"test_fraction={load_options['test_fraction']}",
                "A run is judged by images that it was not trained on.",
            )
        )
    if data.image_shape[-1] not in (1, 3, 4):
        raise ValueError(
            kv.checks.message(
                "Images must have 1, 3 or 4 channels",
                f"{data.image_shape[-1]} channels",
                "Convert them with --color-mode.",
            )
        )
    if options["likelihood"] == "auto":
        # Grey pixels under a Bernoulli would give a cross-entropy, no likelihood.
        options["likelihood"] = "bernoulli" if data.is_binary else "gaussian"
    steps_per_epoch = math.ceil(data.num_train / data.batch_size)
    if options["epochs"] is None:
        options["epochs"] = max(_MIN_EPOCHS, math.ceil(_MIN_IMAGES / data.num_train))
    if options["warmup_epochs"] is None:
        share = options["warmup_share"] if parts.takes("warmup_epochs", options) else 0.0
        options["warmup_epochs"] = share * options["epochs"]
    del options["warmup_share"]
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(options["mixed_precision"] or policy)
    try:
        vae = parts.build(data, options, steps_per_epoch)
    finally:
        keras.config.set_dtype_policy(policy)
    return Session(vae, data, load_options, options)
