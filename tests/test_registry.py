"""Every part by its name, as an instance and from its config; wrong ones are refused."""

import inspect
import json

import keras
import numpy as np
import pytest

import keras_vae as kv
from keras_vae import layers, likelihoods, objectives, posteriors, priors, schedules
from keras_vae.likelihoods import Bernoulli, Gaussian
from keras_vae.objectives import ELBO
from keras_vae.schedules import LinearWarmup

MODULES = {
    "likelihood": likelihoods,
    "prior": priors,
    "objective": objectives,
    "posterior": posteriors,
}
NAMES = [(argument, name) for argument, module in MODULES.items() for name in module.NAMES]
# Each registered class with arguments that are not its defaults.
INSTANCES = [
    Bernoulli(name="pixels", trainable=False),
    Gaussian(0.25),
    Gaussian("learned", name="shared"),
    Gaussian("per_element"),
    priors.StandardNormal(name="p_z"),
    posteriors.DiagonalGaussian(name="q_z"),
    ELBO(3.0, free_bits=0.5, name="bound"),
    ELBO(LinearWarmup(70, initial=0.2, final=4.0)),
    LinearWarmup(70, initial=0.2, final=4.0),
    layers.Sampling(seed=3, name="draw"),
]


def registered_classes():
    """The public classes of the package that a file may name, but for the model itself."""
    modules = [likelihoods, priors, objectives, posteriors, schedules, layers]
    classes = {
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and not inspect.isabstract(value)
    }
    return {
        cls for cls in classes if keras.saving.get_registered_name(cls).startswith("keras_vae>")
    }


def identity(value):
    return f"{type(value).__name__}-{getattr(value, 'scale', '') or getattr(value, 'name', '')}"


def test_every_registered_class_is_among_the_instances_and_every_named_one_is_registered():
    assert registered_classes() == {type(instance) for instance in INSTANCES}
    assert {module.NAMES[name] for module in MODULES.values() for name in module.NAMES} <= (
        registered_classes()
    )


@pytest.mark.parametrize("instance", INSTANCES, ids=identity)
def test_a_config_survives_json_and_gives_an_equal_part(instance):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(instance)))
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is type(instance) and copy is not instance
    assert copy.get_config() == instance.get_config()
    # The constructor's arguments are attributes, scikit-learn's way.
    for name in inspect.signature(type(instance).__init__).parameters.keys() - {"self", "kwargs"}:
        value = getattr(copy, name)
        if isinstance(value, schedules.Schedule):
            assert value.get_config() == getattr(instance, name).get_config()
        else:
            assert value == getattr(instance, name) and name in instance.get_config()


@pytest.mark.parametrize(("argument", "name"), NAMES)
def test_a_name_an_instance_and_a_config_stand_for_the_same(argument, name):
    module = MODULES[argument]
    instance = module.NAMES[name]()
    assert type(module.get(name)) is type(instance)
    assert module.get(instance) is instance
    from_config = module.get(keras.saving.serialize_keras_object(instance))
    assert type(from_config) is type(instance)
    assert from_config.get_config() == instance.get_config()


@pytest.mark.parametrize(("argument", "name"), NAMES)
def test_a_misspelt_name_is_refused_with_the_close_one(argument, name, make_vae):
    misspelt = name[:-1] + "x"
    message = f"`{argument}` must be one of .*Received: {argument}='{misspelt}'.*mean '{name}'"
    with pytest.raises(ValueError, match=message):
        make_vae(**{argument: misspelt})


@pytest.mark.parametrize("argument", list(MODULES))
@pytest.mark.parametrize("value", [None, 3, Bernoulli, keras.layers.Dense(2)], ids=str)
def test_an_object_of_another_kind_is_refused_by_name(argument, value, make_vae):
    with pytest.raises(ValueError, match=f"`{argument}` must be one of .*Received: {argument}="):
        make_vae(**{argument: value})


@pytest.mark.parametrize("argument", list(MODULES))
def test_a_part_of_another_kind_is_refused_by_name(argument, make_vae):
    other = priors.StandardNormal() if argument != "prior" else Bernoulli()
    with pytest.raises(ValueError, match=f"`{argument}` must be one of "):
        make_vae(**{argument: other})


@pytest.mark.parametrize("policy", ["mixed_float16", "float64"])
def test_parts_compute_in_float32_whatever_the_policy(policy):
    keras.config.set_dtype_policy(policy)
    for cls in registered_classes() - {LinearWarmup}:
        part = cls()
        assert part.compute_dtype == part.variable_dtype == "float32"
    learned = Gaussian("learned")
    assert learned.log_var.dtype == "float32"


def test_a_model_takes_configs_of_networks_too(make_vae, images):
    vae = make_vae()
    configs = {
        name: keras.saving.serialize_keras_object(getattr(vae, name))
        for name in ("encoder", "decoder", *MODULES)
    }
    copy = kv.VAE(**configs, seed=2)
    copy.set_weights(vae.get_weights())
    np.testing.assert_array_equal(copy(images), vae(images))
