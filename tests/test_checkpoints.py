"""A training that is killed at any step and gone on with ends as one that never was."""

import json
import warnings

import keras
import numpy as np
import pytest

import keras_vae as kv
from keras_vae.callbacks import Checkpoint
from keras_vae.checkpoints import newest, paths

EPOCHS = 3
_MORE = [(1, False), (8, False), (13, False), (24, True)]


class Killed(Exception):
    """What ends a training in the midst."""


class KillAt(keras.callbacks.Callback):
    """End the training after so many steps, or in the validation after them."""

    def __init__(self, step, validating=None):
        super().__init__()
        self.step, self.validating = step, validating

    def on_train_batch_end(self, batch, logs=None):
        if self.validating is None and int(self.model.step) == self.step:
            raise Killed

    def on_test_batch_end(self, batch, logs=None):
        if self.validating is not None and int(self.model.step) == self.step:
            self.validating.save()
            raise Killed


class Training:
    """A training on the digits in whose state everything takes part that can."""

    def __init__(self, **parts):
        self.data = kv.data.load("digits", batch_size=200, binarize="dynamic")
        rate = keras.optimizers.schedules.CosineDecay(3e-3, 24)
        warmup = kv.schedules.LinearWarmup(share=0.6)
        self.vae = kv.VAE(
            kv.networks.mlp_encoder(self.data.image_shape, 3, units=(16,), seed=0),
            kv.networks.mlp_decoder(self.data.image_shape, 3, units=(16,), seed=1),
            **{"objective": kv.objectives.ELBO(beta=warmup), "seed": 2, **parts},
        )
        self.vae.compile(keras.optimizers.Adam(rate))

    def fit(self, *callbacks, data=None, epochs=EPOCHS):
        train, validation = data or (self.data.train, self.data.validation)
        return self.vae.fit(
            train, validation_data=validation, epochs=epochs, verbose=0, callbacks=[*callbacks]
        )

    def weights(self):
        return [np.array(weight) for weight in [*self.vae.weights, *self.vae.optimizer.variables]]


@pytest.fixture(scope="module")
def unbroken():
    training = Training()
    history = training.fit().history
    return training.weights(), history


def assert_equal(weights, others):
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_array_equal(one, other)


def kill(folder, at, validating=False, **options):
    """Train until a step, saving after each one."""
    checkpoint = Checkpoint(folder, **{"every_steps": 1, **options})
    with pytest.raises(Killed):
        Training().fit(checkpoint, KillAt(at, checkpoint if validating else None))


# An epoch has eight steps: within one, before its last, after its last, between two.
@pytest.mark.parametrize(
    ("at", "validating"),
    [
        (7, False),
        (16, True),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in _MORE),
    ],
)
def test_a_training_that_goes_on_equals_one_that_never_stopped(tmp_path, unbroken, at, validating):
    kill(tmp_path, at, validating)
    training, checkpoint = Training(), Checkpoint(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        training.fit(checkpoint)
    weights, history = unbroken
    assert checkpoint.history == history
    assert_equal(training.weights(), weights)


@pytest.mark.slow
def test_a_training_that_ends_again_and_again_equals_one_that_never_stopped(tmp_path, unbroken):
    for at in (3, 5, 11, 23):
        kill(tmp_path, at)
    training, checkpoint = Training(), Checkpoint(tmp_path)
    training.fit(checkpoint)
    assert checkpoint.history == unbroken[1]
    assert_equal(training.weights(), unbroken[0])


@pytest.mark.slow
def test_other_data_go_on_between_epochs(tmp_path):
    def arrays():
        x = np.concatenate(list(kv.data.load("digits", binarize="threshold").test))
        return x, x[:20]

    unbroken = Training()
    history = unbroken.fit(data=arrays(), epochs=2).history
    # Five steps an epoch, in an order that Keras draws: only its end can be gone on from.
    with pytest.raises(Killed):
        Training().fit(Checkpoint(tmp_path, every_steps=1), KillAt(8), data=arrays())
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000001-000000000.npz"]
    checkpoint = Checkpoint(tmp_path)
    Training().fit(checkpoint, data=arrays(), epochs=2)
    assert [len(values) for values in checkpoint.history.values()] == [2] * len(history)


@pytest.mark.slow
def test_a_finished_training_has_nothing_left_and_more_epochs_go_on(tmp_path, unbroken):
    first = Training()
    first.fit(Checkpoint(tmp_path))
    again = Training()
    assert again.fit(Checkpoint(tmp_path)).history == {}
    assert_equal(again.weights(), unbroken[0])
    longer = Checkpoint(tmp_path)
    Training().fit(longer, epochs=EPOCHS + 1)
    assert len(longer.history["loss"]) == EPOCHS + 1


@pytest.mark.slow
def test_a_training_that_was_stopped_early_stays_stopped(tmp_path):
    stop = keras.callbacks.EarlyStopping("loss", min_delta=1e9)
    Training().fit(Checkpoint(tmp_path), stop)
    training = Training()
    with pytest.warns(UserWarning, match="stopped early, after 2 epochs"):
        training.fit(Checkpoint(tmp_path))
    assert int(training.vae.step) == 16


@pytest.mark.slow
def test_old_ones_go_once_a_new_one_is_whole(tmp_path):
    kill(tmp_path, 13, keep=3)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"checkpoint-000001-{batch:09d}.npz" for batch in (3, 4, 5)]


@pytest.mark.slow
def test_damaged_ones_do_not_push_the_whole_ones_out(tmp_path):
    kill(tmp_path, 12)
    for path in paths(tmp_path):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(Killed), pytest.warns(UserWarning, match="damaged"):
        Training().fit(Checkpoint(tmp_path, every_steps=1), KillAt(3))
    assert len(paths(tmp_path)) == 2
    assert newest(tmp_path)[0]["place"] == [0, 3]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["history", "shapes", "list"])
def test_one_that_lacks_something_is_passed_over(tmp_path, what):
    kill(tmp_path, 12)
    for path in paths(tmp_path):
        with np.load(path) as file:
            arrays = dict(file)
        name = next(name for name, value in arrays.items() if value.dtype.kind == "U")
        meta = json.loads(str(arrays.pop(name)))
        if what == "shapes":
            arrays.popitem()
        elif what == "list":
            meta = [meta]
        else:
            del meta[what]
        np.savez(path, **arrays, **{name: np.array(json.dumps(meta))})
    with pytest.warns(UserWarning) as warned:
        assert newest(tmp_path) is None
    said = [str(warning.message) for warning in warned]
    assert sum("is damaged" in text for text in said) == 2 and "begins anew" in said[-1]


def test_steps_of_an_epoch_and_checkpoints_are_refused(tmp_path):
    training = Training()
    with pytest.raises(ValueError, match=r"whole epochs.*steps_per_epoch=5.*Leave"):
        training.vae.fit(training.data.train, steps_per_epoch=5, callbacks=[Checkpoint(tmp_path)])


@pytest.mark.slow
def test_a_stop_that_comes_after_the_last_checkpoint_is_kept(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    Training().fit(Checkpoint(tmp_path, every_steps=8), Stop())
    with pytest.warns(UserWarning, match="stopped early, after 2 epochs"):
        Training().fit(Checkpoint(tmp_path))


@pytest.mark.slow
def test_other_data_cannot_go_on_in_the_midst_of_an_epoch(tmp_path):
    kill(tmp_path, 3)
    training = Training()
    x = np.concatenate(list(training.data.train))
    with pytest.raises(
        ValueError, match=r"goes on with data of .*ndarray.*after batch 3 of epoch 1"
    ):
        training.fit(Checkpoint(tmp_path), data=(x, None))


@pytest.mark.slow
def test_a_damaged_one_is_passed_over(tmp_path, unbroken):
    kill(tmp_path, 13)
    last = max(tmp_path.iterdir())
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 0xFF
    last.write_bytes(content)
    training = Training()
    with pytest.warns(UserWarning, match=f"{last.name} is damaged"):
        training.fit(Checkpoint(tmp_path))
    assert_equal(training.weights(), unbroken[0])


@pytest.mark.slow
@pytest.mark.parametrize("size", [0, 10, 1000])
def test_one_that_was_cut_off_is_passed_over(tmp_path, size):
    kill(tmp_path, 13)
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:size])
    with pytest.warns(UserWarning, match="is damaged"):
        assert newest(tmp_path) is None


def test_what_a_killed_process_left_half_written_goes(tmp_path):
    kill(tmp_path, 3)
    (tmp_path / ".partial-1-checkpoint-000000-000000004.npz").write_bytes(b"half")
    assert newest(tmp_path)[0]["place"] == [0, 3]
    assert not list(tmp_path.glob(".partial*"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"objective": "iwae"}, "objective 'ELBO' where the model has 'IWAE'"),
        ({"prior": "real_nvp"}, "prior 'StandardNormal' where the model has 'RealNVP'"),
    ],
)
def test_one_of_another_model_is_refused(tmp_path, parts, words):
    kill(tmp_path, 3)
    training = Training(**parts)
    before = [np.array(weight) for weight in training.vae.weights]
    with pytest.raises(ValueError, match="must be one of this model") as caught:
        training.fit(Checkpoint(tmp_path))
    assert words in str(caught.value)
    assert_equal(training.vae.weights, before)


def test_one_of_another_version_is_refused(tmp_path):
    kill(tmp_path, 3)
    for path in tmp_path.iterdir():
        with np.load(path) as file:
            arrays = dict(file)
        meta = {**json.loads(str(arrays["meta"])), "format_version": 99}
        np.savez(path, **{**arrays, "meta": np.array(json.dumps(meta))})
    with pytest.raises(ValueError, match="version 99"):
        newest(tmp_path)


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    class Break(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if int(self.model.step) == 12:
                weight = self.model.trainable_weights[0]
                weight.assign(np.full(weight.shape, np.nan))

    training, checkpoint = Training(), Checkpoint(tmp_path, every_steps=1, keep=100)
    with pytest.warns(RuntimeWarning, match="not finite in epoch 2"):
        training.fit(checkpoint, Break())
    for path in tmp_path.iterdir():
        with np.load(path) as file:
            assert all(np.isfinite(file[name]).all() for name in file.files if name != "meta")
    assert not list(tmp_path.glob("checkpoint-000001-00000000[5-9]*"))


@pytest.mark.parametrize(("minutes", "count"), [(1e-9, 24), (60.0, 2)])
def test_one_is_taken_after_so_many_minutes_and_at_the_first_and_the_last_epoch(
    minutes, count, tmp_path
):
    Training().fit(Checkpoint(tmp_path, every_minutes=minutes, keep=100))
    assert len(list(tmp_path.glob("checkpoint-*"))) == count


def test_a_full_disk_costs_a_checkpoint_and_not_the_training(tmp_path, monkeypatch):
    real, calls = np.savez, []

    def full_at_times(file, **arrays):
        calls.append(file)
        if len(calls) % 2:
            file.write(b"half")
            raise OSError(28, "No space left on device")
        real(file, **arrays)

    monkeypatch.setattr(np, "savez", full_at_times)
    training = Training()
    with pytest.warns(RuntimeWarning, match=r"No space left on device.*goes on"):
        training.fit(Checkpoint(tmp_path, every_steps=5))
    assert int(training.vae.step) == 24
    assert all(path.name.startswith("checkpoint-") for path in tmp_path.iterdir())
    assert newest(tmp_path) is not None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"every_steps": 0}, "`every_steps`"),
        ({"every_minutes": -1}, "`every_minutes`"),
        ({"keep": 0}, "`keep`"),
    ],
)
def test_bad_input(tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        Checkpoint(tmp_path, **options)
