"""`fit` as a Keras user knows it: every form of data, callbacks, histories and options."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vae as kv
from keras_vae.objectives import ELBO

KEYS = {"loss", "reconstruction_loss", "kl_loss"}
ROWS = {"shuffle": False, "batch_size": 20, "verbose": 0}


def dataset_of(*arrays):
    slices = tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0])
    return slices.batch(20)


def forms(x):
    """Each form in which data may come, as the arguments of `fit`."""
    y, weight = np.arange(len(x)), np.ones(len(x), "float32")
    return {
        "array": (x,),
        "array_and_y": (x, y),
        "tuple_x": ((x,),),
        "tuple_x_y": ((x, y),),
        "tuple_x_y_weight": ((x, y, weight),),
        "dataset_x": (dataset_of(x),),
        "dataset_tuple_x": (dataset_of(x).map(lambda x: (x,)),),
        "dataset_x_y": (dataset_of(x, y),),
        "dataset_float64": (dataset_of(x.astype("float64")),),
        "dataset_x_y_weight": (dataset_of(x, y, weight),),
        "generator": (((x[start : start + 20],) for start in (0, 20)),),
    }


def fit_form(vae, form, images):
    rows = ROWS if form.startswith(("array", "tuple")) else {"verbose": 0}
    return vae.fit(*forms(images)[form], **rows).history


@pytest.fixture(scope="module")
def expected_history(make_vae, images):
    return make_vae().fit(images, epochs=1, **ROWS).history


@pytest.mark.parametrize("form", list(forms(np.zeros((1, 1)))))
def test_every_form_of_data_trains_alike(form, make_vae, images, expected_history):
    history = fit_form(make_vae(), form, images)
    assert history == {name: pytest.approx(value) for name, value in expected_history.items()}
    assert set(history) == KEYS | {"learning_rate"}


@pytest.fixture(scope="module")
def still_vae(make_vae):
    """A VAE that training does not change."""
    return make_vae(optimizer=keras.optimizers.SGD(0.0))


@pytest.mark.parametrize("form", [f for f in forms(np.zeros((1, 1))) if f != "generator"])
def test_every_form_of_validation_data_gives_the_elbo_of_the_weights(form, still_vae, images):
    data = forms(images)[form]
    data = data[0] if len(data) == 1 else data
    history = still_vae.fit(images, validation_data=data, **ROWS).history
    expected = -still_vae.elbo(images, seed=2).mean()
    assert history["val_loss"][0] == pytest.approx(expected, rel=1e-5)
    assert set(history) == KEYS | {f"val_{name}" for name in KEYS} | {"learning_rate"}


def test_loss_is_the_sum_of_its_parts_and_falls(make_vae, images):
    history = make_vae().fit(np.tile(images, (15, 1, 1, 1)), epochs=2, **ROWS).history
    total = np.add(history["reconstruction_loss"], history["kl_loss"])
    np.testing.assert_allclose(history["loss"], total, rtol=1e-5)
    assert history["loss"][-1] < history["loss"][0] - 1


def test_history_averages_over_examples_not_batches(still_vae, images):
    losses = []
    still_vae.step.assign(0)
    for part in (images[:30], images[30:]):
        still_vae.reset_metrics()
        losses.append(still_vae.train_on_batch(part, return_dict=True)["loss"])
    still_vae.step.assign(0)
    history = still_vae.fit(images, batch_size=30, shuffle=False, verbose=0).history
    assert history["loss"][0] == pytest.approx(0.75 * losses[0] + 0.25 * losses[1], rel=1e-5)


def test_trackers_begin_each_epoch_anew(still_vae, images):
    """An epoch is a step here, whose loss depends on its noise alone."""
    still_vae.step.assign(0)
    options = {"batch_size": 40, "shuffle": False, "verbose": 0}
    losses = still_vae.fit(images, epochs=3, **options).history["loss"]
    for step, loss in enumerate(losses):
        still_vae.step.assign(step)
        alone = still_vae.fit(images, **options).history["loss"]
        assert alone == [pytest.approx(loss, rel=1e-6)]
    assert len(set(losses)) == 3


def test_the_same_seeds_give_the_same_history_and_weights_bit_for_bit(make_vae, images):
    runs = []
    for seed in (2, 2, 3):
        vae = make_vae(seed=seed)
        history = vae.fit(images, epochs=2, validation_data=images, **ROWS).history
        runs.append((history, np.concatenate([np.ravel(w) for w in vae.get_weights()])))
    assert runs[0][0] == runs[1][0]
    np.testing.assert_array_equal(runs[0][1], runs[1][1])
    assert runs[0][0]["loss"] != runs[2][0]["loss"]


@pytest.mark.parametrize("seed", [-(2**63), 2**64 - 1])
def test_seeds_of_64_bits_train_and_evaluate(seed, make_vae, images):
    vae = make_vae(seed=seed)
    history = vae.fit(images, validation_data=images, **ROWS).history
    assert history["val_loss"][0] == pytest.approx(-vae.elbo(images, seed=seed).mean(), rel=1e-5)


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1, 1.5, "1", True])
def test_a_seed_that_is_no_64_bit_integer_is_refused(seed, make_vae):
    with pytest.raises(ValueError, match=r"`seed` must be .*Received: seed="):
        make_vae(seed=seed)


@pytest.mark.parametrize("options", [{"steps_per_execution": 4}, {"run_eagerly": True}], ids=str)
def test_compile_options_change_no_weight(options, make_vae, images):
    expected, vae = make_vae(), make_vae(compile_options=options)
    for model in (expected, vae):
        model.fit(images, batch_size=10, epochs=2, shuffle=False, verbose=0)
    for value, target in zip(vae.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(value, target, atol=1e-6)


def test_gradient_accumulation_takes_the_mean_of_its_steps(make_vae, images):
    def optimizer(**options):
        return keras.optimizers.SGD(0.1, **options)

    vae = make_vae(optimizer=optimizer(gradient_accumulation_steps=2), objective=ELBO(1.0))
    before = vae.get_weights()
    vae.fit(images, batch_size=20, shuffle=False, verbose=0)
    steps = []
    for step, rows in enumerate((images[:20], images[20:])):
        single = make_vae(optimizer=optimizer(), objective=ELBO(1.0))
        single.optimizer.build(single.trainable_variables)
        single.step.assign(step)
        single.train_on_batch(rows)
        steps.append(single.get_weights())
    for start, first, second, result in zip(before, *steps, vae.get_weights(), strict=True):
        # Seed-generator states are integers, which no gradient moves.
        if result.dtype == np.float32:
            np.testing.assert_allclose(result, start + (first + second - 2 * start) / 2, atol=1e-6)


def test_early_stopping_watches_val_loss_and_restores_the_best(make_vae, images):
    stop = keras.callbacks.EarlyStopping(
        "val_loss", patience=1, min_delta=0.02, restore_best_weights=True
    )
    vae = make_vae(optimizer=keras.optimizers.Adam(0.5))
    history = vae.fit(images, epochs=100, validation_data=images, callbacks=[stop], **ROWS).history
    assert 2 <= len(history["val_loss"]) < 100
    assert stop.best == pytest.approx(-vae.elbo(images, seed=2).mean(), rel=1e-5)


def test_a_checkpoint_holds_the_epoch_of_the_best_val_loss(make_vae, images, tmp_path):
    path = tmp_path / "best.keras"
    checkpoint = keras.callbacks.ModelCheckpoint(path, monitor="val_loss", save_best_only=True)
    vae = make_vae(optimizer=keras.optimizers.Adam(0.5))
    history = vae.fit(
        images, epochs=4, validation_data=images, callbacks=checkpoint, **ROWS
    ).history
    restored = keras.models.load_model(path)
    result = restored.evaluate(images, verbose=0, return_dict=True)["loss"]
    assert result == pytest.approx(min(history["val_loss"]), rel=1e-5)


@pytest.mark.parametrize(
    "argument", [{"loss": "mse"}, {"metrics": ["mae"]}, {"weighted_metrics": ["mae"]}], ids=str
)
def test_compiling_with_a_loss_or_metrics_is_refused_with_the_reason(argument, make_vae):
    (name,) = argument
    with pytest.raises(ValueError, match=f"compile\\({name}=.*negative ELBO.*Received: {name}="):
        make_vae(compile_options=argument)


def test_sample_weights_weigh_the_validation_loss_too(still_vae, images):
    weight = np.linspace(0, 2, 40, dtype="float32")
    elbo = still_vae.elbo(images, seed=2)
    result = still_vae.evaluate(dataset_of(images, weight, weight), verbose=0, return_dict=True)
    assert result["loss"] == pytest.approx(-(weight * elbo).mean(), rel=1e-5)
    unweighted = result["reconstruction_loss"] + result["kl_loss"]
    assert unweighted == pytest.approx(-elbo.mean(), rel=1e-5)


def test_every_part_that_learns_is_trained(make_vae, images):
    vae = make_vae(likelihood=kv.likelihoods.Gaussian("learned"))
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in vae.trainable_variables]
    vae.fit(images, epochs=2, **ROWS)
    assert any(v is vae.likelihood.log_var for v in vae.trainable_variables)
    for value, start in zip(vae.trainable_variables, before, strict=True):
        assert not np.array_equal(keras.ops.convert_to_numpy(value), start)


@pytest.mark.parametrize("form", list(forms(np.zeros((1, 1)))))
@pytest.mark.parametrize("action", ["fit", "evaluate", "validation"])
@pytest.mark.parametrize(
    ("bad", "says"), [(2.0, "in \\[0, 1\\] for Bernoulli"), (np.nan, "finite")]
)
def test_values_without_a_likelihood_are_refused_in_every_form(
    bad, says, action, form, still_vae, images
):
    outside = images.copy()
    outside[3] = bad
    data = forms(outside)[form]
    before = int(still_vae.step)
    with pytest.raises(ValueError, match=says):
        if action == "fit":
            still_vae.fit(*data, verbose=0)
        elif action == "evaluate":
            still_vae.evaluate(*data, verbose=0)
        else:
            data = data[0] if len(data) == 1 else data
            still_vae.fit(images, validation_data=data, verbose=0)
    assert int(still_vae.step) == before


class Batches(keras.utils.PyDataset):
    """Batches of arrays in order."""

    def __init__(self, *batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


@pytest.mark.slow
@pytest.mark.parametrize("action", ["fit", "evaluate", "validation"])
@pytest.mark.parametrize("form", ["dataset", "generator", "PyDataset"])
def test_a_later_batch_outside_the_support_is_refused_before_its_step(
    form, action, make_vae, images
):
    vae, other = (make_vae(likelihood="continuous_bernoulli") for _ in range(2))
    batches = [images[:20], images[20:], 2.0 * images[:20]]
    data = {
        "dataset": tf.data.Dataset.from_tensor_slices(np.concatenate(batches)).batch(20),
        "generator": ((batch,) for batch in batches),
        "PyDataset": Batches(*batches),
    }[form]
    with pytest.raises(ValueError, match=r"in \[0, 1\].*2"):
        if action == "fit":
            vae.fit(data, verbose=0, **({"shuffle": False} if form == "PyDataset" else {}))
        elif action == "evaluate":
            vae.evaluate(data, verbose=0)
        else:
            vae.fit(images, batch_size=20, shuffle=False, validation_data=data, verbose=0)
    if action != "evaluate":
        other.fit(images, batch_size=20, shuffle=False, verbose=0)
    for weight, expected in zip(vae.trainable_weights, other.trainable_weights, strict=True):
        np.testing.assert_allclose(weight, expected, atol=1e-6)


@pytest.mark.parametrize("form", ["array", "dataset_x"])
def test_no_data_at_all_are_refused(form, still_vae, images):
    with pytest.raises(ValueError, match="must hold examples"):
        still_vae.fit(*forms(images[:0])[form], verbose=0)
