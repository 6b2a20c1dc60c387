"""What a training of the command line does when it goes wrong half-way."""

import keras
import numpy as np
import pytest

from keras_vae import runs
from keras_vae_cli import parts, recipe, train


@pytest.fixture
def session():
    """A training of three epochs of 12 steps on the digits."""
    # As click gives them: what has no default is None.
    options = train.train.make_context("train", ["digits", "--out", "run"]).params
    options |= {"recipe": "textbook", "epochs": 3, "network": "mlp", "latent_dim": 2}
    options = parts.complete(options)
    load = {name: options[name] for name in train._DATA_OPTIONS}
    names = ("source", "out", "overwrite", "quiet", *train._DATA_OPTIONS)
    options = {name: value for name, value in options.items() if name not in names}
    return recipe.prepare("digits", load, options, progress=False)


def test_a_loss_that_overflows_in_the_second_epoch_leaves_the_first(session, tmp_path):
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([15], [1e-3, 1e30])
    session.vae.compile(keras.optimizers.Adam(rate))
    session.fit(verbose=0)
    assert session.nan_epoch == 1
    session.check_learnt()
    with runs.create(tmp_path / "run", session.config) as run:
        session.write(run, progress=False)
    opened = runs.load(run.path)
    assert all(np.isfinite(weight).all() for weight in opened.vae.get_weights())
    assert opened.config["training"]["not_finite_in_epoch"] == 2
    assert "no longer finite in epoch 2" in (run.path / "README.md").read_text()
    assert run.metrics["elbo"] > -100


def test_ctrl_c_during_the_evaluation_keeps_the_training(session, tmp_path):
    session.fit(verbose=0)
    session.data.test = _interrupted(session.data.test)
    with runs.create(tmp_path / "run", session.config) as run:
        session.write(run, progress=False)
    assert session.interrupted and runs.load(run.path).config["training"]["interrupted"]
    assert runs.load(run.path).config["training"]["epochs_done"] == 3
    assert runs.load(run.path).vae.latent_dim == 2


def _interrupted(dataset):
    yield from dataset.take(1)
    raise KeyboardInterrupt
