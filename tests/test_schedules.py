"""Schedules against NumPy, and what a real `fit` makes of their length."""

import json
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from keras_vae.objectives import ELBO
from keras_vae.schedules import CyclicalWarmup, LinearWarmup, SigmoidWarmup

STEPS = np.arange(0, 260)
kinds = pytest.mark.parametrize("kind", [LinearWarmup, SigmoidWarmup, CyclicalWarmup])


def sigmoid_rise(progress):
    low, high, curve = (1 / (1 + np.exp(-6.0 * place)) for place in (-1, 1, 2 * progress - 1))
    return (curve - low) / (high - low)


def cyclical(step, steps, cycles, ramp, initial, final):
    """Fu et al. 2019, eq. 6, in whole numbers: no rounding at the beginning of a cycle."""
    if step >= steps:
        return final
    place = (step * cycles) % steps / steps
    return initial + (final - initial) * min(place / ramp, 1.0)


def values_of(schedule, steps, total_steps=0):
    value = tf.function(lambda step: schedule(step, total_steps))
    return np.array([float(value(tf.constant(int(step), tf.int64))) for step in steps])


@pytest.mark.parametrize("length", [1, 7, 200])
def test_a_linear_warmup_equals_numpy(length):
    found = values_of(LinearWarmup(length, initial=0.5, final=3.0), STEPS)
    np.testing.assert_allclose(found, np.interp(STEPS, [0, length], [0.5, 3.0]), atol=1e-6)


@pytest.mark.parametrize("length", [1, 7, 200])
def test_a_sigmoid_warmup_equals_numpy(length):
    found = values_of(SigmoidWarmup(length, initial=2.0, final=0.5), STEPS)
    expected = 2.0 - 1.5 * sigmoid_rise(np.minimum(STEPS / length, 1))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found[0] == 2.0 and found[length] == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(("length", "cycles", "ramp"), [(200, 4, 0.5), (70, 7, 1), (99, 3, 0.3)])
def test_a_cyclical_warmup_equals_numpy(length, cycles, ramp):
    schedule = CyclicalWarmup(length, cycles=cycles, ramp=ramp, initial=0.1, final=1.5)
    expected = [cyclical(step, length, cycles, ramp, 0.1, 1.5) for step in STEPS.tolist()]
    np.testing.assert_allclose(values_of(schedule, STEPS), expected, atol=1e-5)


@given(length=st.integers(1, 400), cycles=st.integers(1, 12))
def test_each_cycle_begins_at_the_initial_value(length, cycles):
    schedule = CyclicalWarmup(length * cycles, cycles=cycles, initial=0.25, final=2.0)
    for cycle in range(cycles):
        assert float(schedule(cycle * length)) == pytest.approx(0.25, abs=1e-4)
    assert float(schedule(length * cycles)) == 2.0


@kinds
def test_a_share_is_that_many_of_the_steps_of_the_training(kind):
    by_share, by_steps = kind(share=0.25, final=2.0), kind(steps=50, final=2.0)
    found = values_of(by_share, STEPS[::3], total_steps=200)
    np.testing.assert_allclose(found, values_of(by_steps, STEPS[::3]), atol=1e-5)
    assert by_share.length(200) == by_steps.length(200) == 50


def test_a_fit_logs_the_value_asked_for_and_weighs_the_kl_by_it(make_vae, images):
    vae = make_vae(objective=ELBO(CyclicalWarmup(share=0.75, final=2.0, cycles=2)))
    fit = {"batch_size": 40, "epochs": 8, "verbose": 0}
    history = vae.fit(images, validation_data=images, **fit).history
    expected = values_of(CyclicalWarmup(steps=6, final=2.0, cycles=2), range(8))
    # One step an epoch, so that the logged value is that of the whole epoch.
    np.testing.assert_allclose(history["beta"], expected, atol=1e-6)
    assert len(set(np.round(history["beta"], 4))) >= 3
    parts = np.array(history["reconstruction_loss"]), np.array(history["kl_loss"])
    np.testing.assert_allclose(history["loss"], parts[0] + expected * parts[1], rtol=1e-5)
    # Validation takes the final value in every epoch.
    parts = np.array(history["val_reconstruction_loss"]), np.array(history["val_kl_loss"])
    np.testing.assert_allclose(history["val_loss"], parts[0] + 2.0 * parts[1], rtol=1e-5)


def test_a_resumed_fit_counts_the_steps_before_and_those_to_come(make_vae, images):
    vae = make_vae(objective=ELBO(LinearWarmup(share=0.5)))
    fit = {"batch_size": 20, "verbose": 0}
    first = vae.fit(images, epochs=1, **fit).history["beta"]
    more = vae.fit(images, initial_epoch=1, epochs=4, **fit).history["beta"]
    # Two steps in all at first: a warm-up of one. Then eight in all: one of four.
    np.testing.assert_allclose(first, [1.0])
    np.testing.assert_allclose(more, [0.75, 1.0, 1.0])


def test_a_warmup_that_outlasts_the_training_is_warned_of(make_vae, images):
    vae = make_vae(objective=ELBO(LinearWarmup(5)))
    message = r"`beta` takes 5 steps, and the training ends after 2: it never reaches 1\."
    with pytest.warns(UserWarning, match=message):
        vae.fit(images, batch_size=20, epochs=1, verbose=0)
    # The steps so far count: with three more, the fifth is reached.
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        vae.fit(images, batch_size=20, initial_epoch=1, epochs=3, verbose=0)


@pytest.mark.filterwarnings("error:.shuffle=True")
def test_a_share_of_data_of_unknown_length_is_refused_and_steps_are_not(make_vae, images):
    def generator():
        for _ in range(3):
            yield (images[:20],)

    vae = make_vae(objective=ELBO(LinearWarmup(share=0.5)))
    message = r"`beta` needs the length of the training.*Give steps_per_epoch to fit, or steps"
    with pytest.raises(ValueError, match=message):
        vae.fit(generator(), verbose=0)
    unknown = tf.data.Dataset.from_tensor_slices(images).batch(20).filter(lambda x: True)
    with pytest.raises(ValueError, match=message):
        vae.fit(unknown, verbose=0)
    known = vae.fit(generator(), steps_per_epoch=3, verbose=0).history
    np.testing.assert_allclose(known["beta"], [1.0])
    assert int(vae.objective.total_steps) == 3


@kinds
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"One of `steps` and `share` must be given"),
        ({"steps": 3, "share": 0.5}, r"One of `steps` and `share` .*steps=3, share=0\.5"),
        ({"steps": 0}, r"`steps` must be an integer >= 1"),
        ({"share": 1.5}, r"`share` must be > 0 and <= 1"),
        ({"steps": 3, "final": -1}, r"`final` must be >= 0"),
        ({"steps": 3, "initial": float("nan")}, r"`initial` must be >= 0"),
    ],
)
def test_bad_arguments_are_refused(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**options)


@pytest.mark.parametrize("options", [{"cycles": 0}, {"ramp": 0}, {"ramp": 1.1}])
def test_bad_cycles_are_refused(options):
    with pytest.raises(ValueError, match=r"`(cycles|ramp)` must be"):
        CyclicalWarmup(10, **options)


@pytest.mark.parametrize(
    "schedule",
    [
        SigmoidWarmup(share=0.3, initial=0.2, final=4.0),
        CyclicalWarmup(50, cycles=3, ramp=0.7, final=2.0),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_the_config_of_an_objective_keeps_its_schedule(schedule):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(ELBO(schedule))))
    copy = keras.saving.deserialize_keras_object(config).beta
    assert type(copy) is type(schedule) and copy is not schedule
    found, expected = (values_of(each, STEPS, total_steps=99) for each in (copy, schedule))
    np.testing.assert_array_equal(found, expected)
