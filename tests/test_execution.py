"""However steps are run, they are the same steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import PlainEncoder

import keras_vae as kv
from keras_vae.training import execution

PLAIN = {"jit_compile": False, "steps_per_execution": 1}


class Steps(keras.callbacks.Callback):
    """What a callback sees after each batch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append((batch, int(self.model.step), sorted(logs)))


class Executions(Steps):
    hears_executions = True


def digits(batch_size=100, **options):
    return kv.data.load("digits", batch_size=batch_size, binarize="dynamic", **options)


def make_vae(network="mlp", **parts):
    """A VAE on the digits whose objective has a schedule to log."""
    encoder, decoder = (
        getattr(kv.networks, f"{network}_{side}")((8, 8, 1), 3, seed=seed)
        for side, seed in (("encoder", 0), ("decoder", 1))
    )
    objective = kv.objectives.ELBO(beta=kv.schedules.LinearWarmup(share=0.5))
    return kv.VAE(encoder, decoder, **{"objective": objective, "seed": 2, **parts})


def train(data, epochs=2, callbacks=(), vae=None, **options):
    vae = vae or make_vae()
    vae.compile(keras.optimizers.Adam(3e-3), **options)
    history = vae.fit(
        data.train,
        validation_data=data.validation,
        epochs=epochs,
        verbose=0,
        callbacks=[*callbacks],
    ).history
    return vae, history


def assert_same(one, other, tolerance=0.0):
    """Compare pairs of a VAE and a history."""
    assert list(one[1]) == list(other[1])
    for name, values in one[1].items():
        np.testing.assert_allclose(values, other[1][name], rtol=tolerance, atol=tolerance)
    for mine, theirs in zip(one[0].get_weights(), other[0].get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance)


@pytest.fixture(scope="module")
def plain():
    return train(digits(), **PLAIN)


# An epoch has fourteen batches of 100 and one of 55.
@pytest.mark.parametrize("steps", [4, 15, 40])
def test_several_steps_an_execution_are_the_same_steps(plain, steps):
    heard = Executions()
    found = train(digits(), callbacks=[heard], jit_compile=False, steps_per_execution=steps)
    assert_same(found, plain)
    assert [step for _, step, _ in heard.seen][-1] == 30 and len(heard.seen) == 2 * -(-15 // steps)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 4, 14, 15, 40])
def test_a_loop_that_xla_compiles_makes_the_same_steps(plain, steps):
    heard = Executions()
    found = train(digits(), callbacks=[heard], jit_compile=True, steps_per_execution=steps)
    assert_same(found, plain, tolerance=1e-5)
    assert [step for _, step, _ in heard.seen][-1] == 30 and len(heard.seen) == 2 * -(-15 // steps)
    assert heard.seen[0][2] == ["beta", "kl_loss", "loss", "reconstruction_loss"]


def test_data_that_are_fetched_in_the_step_are_those_of_the_data_set(plain):
    # Eager steps take batches from the data set itself.
    assert_same(train(digits(), run_eagerly=True), plain, tolerance=1e-5)


@pytest.mark.slow
def test_a_second_fit_takes_the_data_that_it_is_given():
    x = np.random.default_rng(0).integers(0, 256, (700, 8, 8, 1)).astype(np.uint8)
    other = kv.data.load(x, batch_size=100, validation_fraction=0, test_fraction=0)

    def twice(fit, **options):
        vae, _ = train(digits(), **options)
        other.set_epoch(0)
        fit(vae)
        return vae.get_weights()

    def with_array(vae):
        vae.fit(np.concatenate(list(other.train)), batch_size=100, shuffle=False, verbose=0)

    def with_data(vae):
        vae.fit(other.train, epochs=1, verbose=0)

    expected = twice(with_array, **PLAIN)
    for found in (twice(with_data, **PLAIN), twice(with_data, jit_compile=True)):
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_second_fit_traces_nothing_anew(jit_compile):
    vae, data = make_vae(), digits()
    vae.compile(jit_compile=jit_compile)
    vae.fit(data.train, epochs=8, verbose=0)
    function, traced = vae.train_function, []
    vae.objective.report = lambda report=vae.objective.report: traced.append(1) or report()
    vae.fit(data.train, epochs=8, verbose=0)
    assert vae.train_function is function and not traced


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_second_compile_trains_with_its_own_optimizer(jit_compile):
    vae, data = make_vae(), digits()
    for rate in (1e-3, 0.0):
        vae.compile(keras.optimizers.Adam(rate), jit_compile=jit_compile)
        before = [np.array(weight) for weight in vae.trainable_weights]
        vae.fit(data.train, verbose=0)
        changes = [abs(a - b).max() for a, b in zip(before, vae.trainable_weights, strict=True)]
        assert (max(changes) > 0) == (rate > 0)


@pytest.mark.slow
def test_a_training_that_keras_restores_takes_the_epochs_that_are_left(plain, tmp_path):
    class Killed(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        train(digits(), callbacks=[backup, Killed()], **PLAIN)
    found, history = train(digits(), callbacks=[backup], **PLAIN)
    assert history["loss"] == plain[1]["loss"][1:]
    assert_same((found, {}), (plain[0], {}))


class DoingNothing(kv.VAE):
    def train_step(self, data):
        return {"loss": self.step.value + 1}


def test_a_train_step_of_a_subclass_is_taken():
    parts = make_vae()
    vae = DoingNothing(parts.encoder, parts.decoder, seed=0)
    _, history = train(digits(), vae=vae)
    assert history["loss"] == [1, 1] and int(vae.step) == 0


def test_after_a_training_there_are_batches_and_predictions():
    vae, data = make_vae(), digits()
    vae.compile()
    x = np.concatenate(list(data.test))
    vae.predict(x, verbose=0)
    vae.fit(data.train, epochs=8, verbose=0)
    assert vae.steps_per_execution > 1
    assert keras.tree.flatten(vae.predict(x, verbose=0))[0].shape[0] == len(x)
    assert np.isfinite(vae.train_on_batch(x[:100])).all() and int(vae.step) == 121


@pytest.mark.slow
@pytest.mark.parametrize(
    "strategy",
    [lambda: tf.distribute.OneDeviceStrategy("CPU:0"), lambda: tf.distribute.MirroredStrategy()],
)
def test_a_training_within_the_scope_of_one_device(plain, strategy):
    with strategy().scope():
        found = train(digits(), **PLAIN)
    assert_same(found, plain, tolerance=1e-5)


def test_a_callback_that_looks_at_the_data_changes_nothing(plain):
    data = digits()
    look = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: next(iter(data.train)))
    assert_same(train(data, callbacks=[look], **PLAIN), plain)


def test_weights_of_classes_are_keras_own_affair():
    vae, data = make_vae(), digits(labels=True)
    vae.compile(keras.optimizers.SGD(0.0), steps_per_execution=1)
    losses = [
        vae.fit(data.train, verbose=0, class_weight=weights).history["loss"][0]
        for weights in (None, dict.fromkeys(range(10), 2.0))
    ]
    assert losses[1] == pytest.approx(2 * losses[0], rel=0.05)


def test_the_first_and_slow_look_does_not_decide_the_length_of_an_execution(monkeypatch):
    vae = make_vae()
    vae.compile()
    seconds = iter([0.4, 0.01])
    monkeypatch.setattr(execution, "_forward_seconds", lambda *_: next(seconds))
    execution.choose(vae, vae._asked, digits().train, None, 100, [])
    assert vae.steps_per_execution == 25


@pytest.mark.slow
def test_steps_of_an_epoch_that_the_user_counts_are_those():
    vae, data = make_vae(), digits()
    vae.compile()
    vae.fit(data.train, epochs=2, verbose=0)
    heard = Steps()
    vae.fit(data.train, epochs=3, steps_per_epoch=5, verbose=0, callbacks=[heard])
    assert [step for _, step, _ in heard.seen] == list(range(31, 46))
    vae.fit(data.train, epochs=20, steps_per_epoch=5, verbose=0)
    assert int(vae.step) == 145 and vae.steps_per_execution == 1


def test_after_a_training_the_data_stand_at_the_next_epoch():
    vae, data = make_vae(), digits()
    vae.compile(jit_compile=False, steps_per_execution=4)
    vae.fit(data.train, epochs=2, verbose=0)
    assert data.epoch == 2


def test_a_callback_of_batches_hears_of_every_step():
    heard = Steps()
    vae, _ = train(digits(), epochs=8, callbacks=[heard])
    assert vae.steps_per_execution == 1
    assert [step for _, step, _ in heard.seen] == list(range(1, 121))


@pytest.mark.parametrize(
    ("make", "one_step"),
    [
        (lambda path: keras.callbacks.EarlyStopping("loss"), False),
        (lambda path: keras.callbacks.ModelCheckpoint(path / "a.weights.h5"), False),
        (lambda path: keras.callbacks.ModelCheckpoint(path / "a.keras", save_freq=3), True),
        (lambda path: keras.callbacks.BackupAndRestore(path / "b"), False),
        (lambda path: keras.callbacks.BackupAndRestore(path / "b", save_freq=3), True),
        (lambda path: keras.callbacks.TerminateOnNaN(), False),
        (lambda path: keras.callbacks.LambdaCallback(on_epoch_end=print), False),
        (lambda path: keras.callbacks.LambdaCallback(on_train_batch_end=print), True),
        (lambda path: kv.callbacks.Checkpoint(path), False),
        (lambda path: Steps(), True),
    ],
)
def test_one_step_an_execution_where_a_callback_wants_every_batch(make, one_step, tmp_path):
    vae = make_vae()
    vae.compile()
    data = digits().train
    execution.choose(vae, vae._asked, data, None, 100, [make(tmp_path)])
    assert (vae.steps_per_execution == 1) == one_step


@pytest.mark.parametrize(
    ("vae", "epochs", "xla"),
    [
        (lambda: make_vae(), 200, True),
        (lambda: make_vae(), 100, False),
        (lambda: make_vae("conv"), 200, False),
        (lambda: make_vae(prior="real_nvp"), 200, False),
        (lambda: make_vae(objective=kv.objectives.InfoVAE()), 200, False),
    ],
)
def test_xla_is_taken_where_it_was_measured_to_help(vae, epochs, xla):
    vae = vae()
    vae.compile()
    execution.choose(vae, vae._asked, digits().train, None, epochs, [])
    assert vae.jit_compile == xla


def test_networks_of_unknown_layers_are_left_alone():
    vae = kv.VAE(PlainEncoder(3), kv.networks.mlp_decoder((8, 8, 1), 3, seed=1), seed=2)
    vae.build((None, 8, 8, 1))
    vae.compile()
    execution.choose(vae, vae._asked, digits().train, None, 10_000, [])
    assert not vae.jit_compile


def test_what_the_user_asks_for_is_taken_and_kept(tmp_path):
    vae = make_vae()
    vae.compile(jit_compile=False, steps_per_execution=7)
    execution.choose(vae, vae._asked, digits().train, None, 10_000, [Steps()])
    assert (vae.jit_compile, vae.steps_per_execution) == (False, 7)
    vae.compile()
    assert vae.get_compile_config()["steps_per_execution"] == "auto"
    vae.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    assert loaded.get_compile_config() == vae.get_compile_config()
