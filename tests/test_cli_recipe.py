"""What a training of the command line does when it goes wrong half-way."""

import os
import signal

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import runs, trainings
from keras_vae.workers import Workers
from keras_vae_cli import parts, recipe, train, trainer


@pytest.fixture
def session():
    """A training of three epochs of 12 steps on the digits."""
    # As click gives them: what has no default is None.
    options = train.train.make_context("train", ["digits", "--out", "run"]).params
    options |= {"recipe": "textbook", "epochs": 3, "network": "mlp", "latent_dim": 2}
    options = parts.complete(options)
    load = {name: options[name] for name in trainer._DATA_OPTIONS}
    names = ("source", "out", "overwrite", "resume", "quiet", *trainer._DATA_OPTIONS)
    options = {name: value for name, value in options.items() if name not in names}
    loaded = {**load, "shuffle_seed": options["seed"]}
    found = recipe.load("digits", loaded, options, progress=False)
    return recipe.prepare(*found, load, options, Workers(tf.distribute.get_strategy()))


@pytest.fixture
def training(tmp_path):
    with trainings.Training(tmp_path / "run", {}) as training:
        yield training


@pytest.mark.slow
def test_a_loss_that_overflows_in_the_second_epoch_leaves_the_first(session, training):
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([15], [1e-3, 1e30])
    session.vae.compile(keras.optimizers.Adam(rate))
    session.fit(training)
    assert session.nan_epoch == 1
    session.check_learnt()
    with runs.create(training.path, session.config) as run:
        session.write(run, progress=False)
    opened = runs.load(run.path)
    assert all(np.isfinite(weight).all() for weight in opened.vae.get_weights())
    assert opened.config["training"]["not_finite_in_epoch"] == 2
    assert "no longer finite in epoch 2" in (run.path / "README.md").read_text()
    assert run.metrics["elbo"] > -100


def test_ctrl_c_during_the_evaluation_keeps_the_training(session, training):
    session.fit(training)
    session.data.test = _interrupted(session.data.test)
    with runs.create(training.path, session.config) as run:
        session.write(run, progress=False)
    assert session.interrupted and runs.load(run.path).config["training"]["interrupted"]
    assert runs.load(run.path).config["training"]["epochs_done"] == 3
    assert runs.load(run.path).vae.latent_dim == 2


@pytest.mark.slow
def test_ctrl_c_before_the_last_epochs_keeps_the_first(session, training, monkeypatch):
    build = parts.build_finish

    def pressed(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return build(*arguments)

    session._options["finish_epochs"] = 2
    monkeypatch.setattr(parts, "build_finish", pressed)
    session.fit(training)
    session.check_learnt()
    with runs.create(training.path, session.config) as run:
        session.write(run, progress=False)
    training = runs.load(run.path).config["training"]
    assert training["interrupted"] and training["epochs_done"] == 3


def test_ctrl_c_at_the_end_of_the_last_epoch_is_heard(session, training, monkeypatch):
    write = runs.write_history

    def pressed(path, history):
        write(path, history)
        if len(history["loss"]) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(runs, "write_history", pressed)
    session.fit(training)
    assert session.interrupted and session.epochs_done == 3


@pytest.mark.parametrize("name", ["inverse_autoregressive", "coupling"])
def test_the_seed_is_that_of_a_flow_too(name):
    def weights(seed):
        posterior = parts.posterior({"posterior": name, "seed": seed})
        posterior.build((None, 4), 3)
        return np.concatenate([np.ravel(weight) for weight in posterior.flow.get_weights()])

    np.testing.assert_array_equal(weights(3), weights(3))
    assert (weights(3) != weights(4)).any()


def _interrupted(dataset):
    yield from dataset.take(1)
    raise KeyboardInterrupt
