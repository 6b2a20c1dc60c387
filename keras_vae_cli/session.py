"""A training of the command line: its parts, its signals, and what it leaves."""

import contextlib
import importlib.metadata
import signal
import sys
import time
import warnings

import click
import keras

import keras_vae as kv
from keras_vae import facts
from keras_vae.callbacks import NAN_CAUSES, Checkpoint, StopOnNaN
from keras_vae.workers import Asking
from keras_vae_cli import output, parts

_METRIC_SAMPLES = 5
_PICTURES = 20
_PACKAGES = ("keras-vae", "keras", "tensorflow", "numpy")
# The parts of a training, each with checkpoints of its own.
_FIRST, _FINISH = "first", "finish"
_INTERRUPT, _TERMINATE = 1, 2


class Session:
    """A training: the model, its data, and what has come of it so far.

    Args:
        vae: compiled `VAE`.
        data: what `keras_vae.data.load` gives.
        train: the batches to train on, of `data.train` or made of them.
        load_options: dict, what the data were loaded with.
        options: dict, of the model and the training.
        workers: `keras_vae.workers.Workers`.

    Attributes:
        interrupted: bool, whether Ctrl-C ended the training.
        nan_epoch: int or None, the epoch (from 0) whose loss was not finite.
        history: dict from name to a list of one number an epoch.
    """

    def __init__(self, vae, data, train, load_options, options, workers):
        self.vae, self.data, self.workers = vae, data, workers
        self._train = train
        self.interrupted = False
        self.nan_epoch = None
        self._load_options, self._options = load_options, options
        self._checkpoints, self._seconds = [], None

    @property
    def history(self):
        histories = [checkpoint.history for checkpoint in self._checkpoints]
        names = {name: None for history in histories for name in history}
        return {
            name: [value for history in histories for value in history.get(name, [])]
            for name in names
        }

    @property
    def seed(self):
        """The seed of all random numbers."""
        return self._options["seed"]

    @property
    def epochs(self):
        """The epochs that were asked for."""
        return self._options["epochs"] + self._options["finish_epochs"]

    @property
    def epochs_done(self):
        """Whole epochs so far."""
        return len(self.history.get("loss", []))

    def check_learnt(self):
        """Raise if there is nothing worth writing: no step was made, or no good epoch."""
        if self.interrupted and not (self.epochs_done or int(self.vae.step.numpy())):
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
                "initial_beta",
                "warmup",
                "warmup_epochs",
                "mixed_precision",
                "deterministic",
            )
            if name in options
        }
        training |= {
            "epochs_done": self.epochs_done,
            "interrupted": self.interrupted,
            "not_finite_in_epoch": None if self.nan_epoch is None else self.nan_epoch + 1,
            "seconds": self._seconds,
        }
        return {
            "seed": options.pop("seed"),
            "data": self._load_options,
            "model": options,
            "training": training,
            "examples": facts.of_data(self.data),
            "networks": facts.of_model(self.vae),
            "versions": {name: importlib.metadata.version(name) for name in _PACKAGES},
        }

    def fit(self, training, every_steps=None, every_minutes=None, watchers=()):
        """Train; Ctrl-C ends the training but not the command, SIGTERM both.

        Args:
            training: `keras_vae.trainings.Training`, where checkpoints go.
            every_steps, every_minutes: see `keras_vae.callbacks.Checkpoint`.
            watchers: callbacks that show what happens.
        """
        first, start = self._options["epochs"], time.monotonic()

        def checkpoint(part):
            self._checkpoints.append(Checkpoint(training.part(part), every_steps, every_minutes))
            file = [_HistoryFile(training.folder, self)] if self.workers.is_chief else []
            return [self._checkpoints[-1], *file]

        try:
            with _between_steps(self.workers) as signals, warnings.catch_warnings():
                # The command says it itself, at the end.
                warnings.filterwarnings("ignore", "Training stopped", RuntimeWarning)
                self._fit(0, first, [*checkpoint(_FIRST), signals, *watchers])
                if self._options["finish_epochs"] and self.nan_epoch is None:
                    self.vae = parts.build_finish(self.vae, self._options, len(self.data.train))
                    callbacks = [*checkpoint(_FINISH), signals, *watchers]
                    self._fit(first, self.epochs, callbacks)
        except (KeyboardInterrupt, SystemExit):
            # One that came a second time has cut a step short.
            if not signals.forced:
                self._checkpoints[-1].save()
            self.interrupted = True
        if not training.resumes:
            # What went before a resumption is not known.
            self._seconds = round(time.monotonic() - start, 1)
        self.interrupted |= signals.heard == _INTERRUPT
        if signals.heard == _TERMINATE:
            if self.workers.is_chief:
                click.echo("Terminated: the same command with --resume goes on.", err=True)
            sys.exit(output.TERMINATED)

    def _fit(self, start, end, callbacks):
        guard = StopOnNaN()
        try:
            self.vae.fit(
                self._train,
                validation_data=self.data.validation,
                initial_epoch=start,
                epochs=end,
                verbose=0,
                callbacks=[guard, *callbacks],
            )
        finally:
            self.nan_epoch = guard.stopped_epoch

    def write(self, run, progress):
        """Write the model and its history, and unless Ctrl-C is pressed metrics and pictures."""
        history, seed = self.history, self.seed
        with _without_interrupts():
            kv.runs.write_model(run, self.vae, history)
        if not self.interrupted:
            try:
                metrics = kv.evaluation.evaluate(
                    self.vae, self.data.test, _METRIC_SAMPLES, seed=seed, progress=progress
                )
                run.write_metrics(metrics)
                images, labels = kv.evaluation.first_labelled(self.vae, self.data.test, _PICTURES)
                kv.runs.write_pictures(run, self.vae, history, images, seed, labels)
            except KeyboardInterrupt:
                self.interrupted = True
        run.config.update(self.config)


class _HistoryFile(keras.callbacks.Callback):
    """Write the history of the training so far after each epoch."""

    def __init__(self, folder, session):
        super().__init__()
        self._path, self._session = folder / kv.runs.HISTORY, session

    def on_epoch_end(self, epoch, logs=None):
        # A disk that is full is said by the checkpoint.
        with contextlib.suppress(OSError):
            kv.runs.write_history(self._path, self._session.history)


class _Signals(keras.callbacks.Callback):
    """Heed Ctrl-C and SIGTERM once a step is over, and at once if they come again.

    Args:
        workers: `keras_vae.workers.Workers`, who all heed what one of them has heard.

    Attributes:
        heard: `_INTERRUPT` or `_TERMINATE` once one of them has come, else 0.
        forced: bool, whether one of them came again.
    """

    hears_executions = True

    def __init__(self, workers):
        super().__init__()
        self._asking = Asking(workers)
        self.heard, self.forced = 0, False
        self._received = 0

    def interrupt(self, *_):
        self._hear(_INTERRUPT)

    def terminate(self, *_):
        self._hear(_TERMINATE)

    def _hear(self, what):
        # What another worker has heard does not count: its signal comes here a moment later.
        self.forced = self._received == what
        self._received = what
        self.heard = max(self.heard, what)
        if self.forced:
            self._stop()

    def _stop(self):
        if self.heard == _TERMINATE:
            sys.exit(output.TERMINATED)
        raise KeyboardInterrupt

    def on_train_batch_end(self, batch, logs=None):
        agreed = self._asking.highest(self.heard)
        if agreed:
            self.heard = agreed
            self._stop()

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
def _between_steps(workers):
    """Hold signals back until a step is over: TensorFlow may crash where a step is cut short."""
    signals = _Signals(workers)
    handlers = {signal.SIGINT: signals.interrupt, signal.SIGTERM: signals.terminate}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
