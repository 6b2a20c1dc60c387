"""How the command line builds, trains and describes a VAE. Imported when a command runs."""

import contextlib
import importlib.metadata
import math
import signal
import warnings

import keras

import keras_vae as kv
from keras_vae.callbacks import NAN_CAUSES, StopOnNaN
from keras_vae_cli import parts

_MIN_EPOCHS, _MIN_IMAGES = 10, 128_000
_METRIC_SAMPLES = 5
_PICTURES = 20
_PACKAGES = ("keras-vae", "keras", "tensorflow", "numpy")


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
    return Session(vae, data, load_options, options, steps_per_epoch)


class Session:
    """A training: the model, its data, and what has come of it so far.

    Attributes:
        interrupted: bool, whether Ctrl-C ended the training.
        nan_epoch: int or None, the epoch (from 0) whose loss was not finite.
    """

    def __init__(self, vae, data, load_options, options, steps_per_epoch):
        self.vae, self.data = vae, data
        self.interrupted = False
        self.nan_epoch = None
        self._history = keras.callbacks.History()
        self._load_options, self._options = load_options, options
        self._steps_per_epoch = steps_per_epoch

    @property
    def epochs(self):
        """The epochs that were asked for."""
        return self._options["epochs"] + self._options["finish_epochs"]

    @property
    def epochs_done(self):
        """Whole epochs so far."""
        return len(self._history.history.get("loss", []))

    def check_learnt(self):
        """Raise if there is nothing worth writing: no step was made, or no good epoch."""
        if self.interrupted and not (self.epochs_done or int(self.vae.step)):
            raise KeyboardInterrupt
        if self.nan_epoch == 0:
            raise ValueError(
                f"The loss was not finite in the first epoch, so that nothing was learnt and "
                f"nothing is written. {NAN_CAUSES}"
            )

    @property
    def config(self):
        """The sections of the run's configuration."""
        given = self._options.items()
        options = {name: value for name, value in given if parts.takes(name, self._options)}
        training = {
            name: options.pop(name)
            for name in (
                "epochs",
                "finish_epochs",
                "optimizer",
                "learning_rate",
                "learning_rate_schedule",
                "warmup",
                "warmup_epochs",
                "mixed_precision",
            )
            if name in options
        }
        training |= {
            "epochs_done": self.epochs_done,
            "interrupted": self.interrupted,
            "not_finite_in_epoch": None if self.nan_epoch is None else self.nan_epoch + 1,
        }
        return {
            "seed": options.pop("seed"),
            "data": self._load_options,
            "model": options,
            "training": training,
            "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        }

    def fit(self, verbose):
        """Train; Ctrl-C ends the training but not the command."""
        first = self._options["epochs"]
        try:
            with _interrupt_between_steps() as interruption, warnings.catch_warnings():
                # The command says it itself, at the end.
                warnings.filterwarnings("ignore", "Training stopped", RuntimeWarning)
                self._fit(0, first, interruption, verbose)
                if self._options["finish_epochs"] and self.nan_epoch is None:
                    self.vae = parts.build_finish(self.vae, self._options, self._steps_per_epoch)
                    self._fit(first, self.epochs, interruption, verbose)
        except KeyboardInterrupt:
            self.interrupted = True
        self.interrupted |= interruption.pressed

    def _fit(self, start, end, interruption, verbose):
        guard = StopOnNaN()
        try:
            self.vae.fit(
                self.data.train,
                validation_data=self.data.validation,
                initial_epoch=start,
                epochs=end,
                verbose=verbose,
                callbacks=[self._history, guard, interruption],
            )
        finally:
            self.nan_epoch = guard.stopped_epoch

    def write(self, run, progress):
        """Write the model and its history, and unless Ctrl-C is pressed metrics and pictures."""
        history, seed = self._history.history, self._options["seed"]
        with _without_interrupts():
            kv.runs.write_model(run, self.vae, history)
        if not self.interrupted:
            try:
                metrics = kv.evaluation.evaluate(
                    self.vae, self.data.test, _METRIC_SAMPLES, seed=seed, progress=progress
                )
                run.write_metrics(metrics)
                images = kv.evaluation.first_examples(self.data.test, _PICTURES)
                kv.runs.write_pictures(run, self.vae, history, images, seed)
            except KeyboardInterrupt:
                self.interrupted = True
        run.config.update(self.config)


class _Interruption(keras.callbacks.Callback):
    """Raise `KeyboardInterrupt` after a step if Ctrl-C was pressed during it."""

    def __init__(self):
        super().__init__()
        self.pressed = False

    def press(self, *_):
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True

    def on_train_batch_end(self, batch, logs=None):
        if self.pressed:
            raise KeyboardInterrupt

    on_test_batch_end = on_train_batch_end


@contextlib.contextmanager
def _without_interrupts():
    """Ignore Ctrl-C while what was learnt is written."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _interrupt_between_steps():
    """Hold Ctrl-C back until a step is over: TensorFlow may crash where a step is cut short."""
    interruption = _Interruption()
    before = signal.signal(signal.SIGINT, interruption.press)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, before)
