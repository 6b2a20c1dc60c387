"""Every part by its name, as an instance and from its config; wrong ones are refused."""

import inspect
import json

import keras
import numpy as np
import pytest

import keras_vae as kv
from keras_vae import flows, layers, likelihoods, objectives, posteriors, priors, restore, schedules
from keras_vae.columns import Column
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
# Those that a name alone does not describe, and what their messages ask for.
INCOMPLETE = {"categorical": "num_categories", "beta_tc": "dataset_size"}
COLUMNS = [
    Column("weight", center=70.0, scale=10.0, count=9),
    Column("kind", "categorical", categories=("cat", "dog"), count=9),
]
# Each registered class with arguments that are not its defaults.
INSTANCES = [
    Bernoulli(name="pixels", trainable=False),
    Gaussian(0.25),
    Gaussian("learned", name="shared"),
    Gaussian("per_element"),
    Gaussian("optimal"),
    likelihoods.ContinuousBernoulli(name="grey"),
    likelihoods.DiscretizedLogistic(num_components=3, levels=16),
    likelihoods.Categorical(5, ordinal=True),
    likelihoods.Product([Gaussian(0.5), likelihoods.Categorical(5)], sizes=[2, 1]),
    priors.StandardNormal(name="p_z"),
    priors.GaussianMixture(7, seed=3),
    priors.VampPrior(7, initial_mean=0.5, value_range=(-1.0, 1.0), seed=3),
    priors.RealNVP(3, units=(8,), seed=3),
    flows.CouplingFlow(3, units=(8,), seed=3),
    flows.InverseAutoregressiveFlow(3, units=(8, 4), seed=3),
    posteriors.DiagonalGaussian(name="q_z"),
    posteriors.FlowPosterior(flows.CouplingFlow(3, units=(8,))),
    objectives.IWAE(7, doubly_reparameterized=True),
    objectives.BetaTC(50, beta=LinearWarmup(share=0.5), alpha=2.0, gamma=3.0),
    objectives.InfoVAE(0.5, mmd_weight=2.0),
    objectives.DIP(2.0, diagonal=3.0),
    ELBO(capacity=5.0),
    schedules.SigmoidWarmup(share=0.25),
    schedules.CyclicalWarmup(steps=70, cycles=3, ramp=0.25),
    ELBO(3.0, free_bits=0.5, name="bound"),
    ELBO(LinearWarmup(70, initial=0.2, final=4.0)),
    LinearWarmup(70, initial=0.2, final=4.0),
    layers.Sampling(seed=3, name="draw"),
    layers.TableFeatures(COLUMNS, name="features"),
    layers.Beside(name="beside"),
    layers.Given([0.5, 1.0], name="label"),
    restore.Noise("masking", 0.25, seed=3, name="noise"),
    likelihoods.Tabular(COLUMNS, name="rows"),
]


def registered_classes():
    """The public classes of the package that a file may name, but for the model itself."""
    modules = [likelihoods, priors, objectives, posteriors, schedules, layers, flows, restore]
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
    named = {
        type(module.get(name))
        for module in MODULES.values()
        for name in module.NAMES
        if name not in INCOMPLETE
    }
    assert named <= registered_classes()


@pytest.mark.parametrize(("name", "argument"), INCOMPLETE.items())
def test_a_name_that_says_too_little_is_refused_with_what_is_missing(name, argument):
    module = likelihoods if name in likelihoods.NAMES else objectives
    with pytest.raises(ValueError, match=f"`{argument}` must be .*=None.* Write "):
        module.get(name)


@pytest.mark.parametrize("instance", INSTANCES, ids=identity)
def test_a_config_survives_json_and_gives_an_equal_part(instance):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(instance)))
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is type(instance) and copy is not instance
    assert copy.get_config() == instance.get_config()
    # The constructor's arguments are attributes, scikit-learn's way.
    for name in inspect.signature(type(instance).__init__).parameters.keys() - {"self", "kwargs"}:
        if name == "pseudo_inputs":
            continue  # They are in the weights, with what they became.
        value = getattr(copy, name)
        if name == "likelihoods":
            assert [type(part) for part in value] == [Gaussian, likelihoods.Categorical]
        elif isinstance(value, (schedules.Schedule, flows.Flow)):
            assert value.get_config() == getattr(instance, name).get_config()
        else:
            assert value == getattr(instance, name) and name in instance.get_config()


@pytest.mark.parametrize(
    ("argument", "name"), [pair for pair in NAMES if pair[1] not in INCOMPLETE]
)
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
    for instance in INSTANCES:
        if not isinstance(instance, schedules.Schedule):
            config = instance.get_config()
            del config["dtype"]
            part = type(instance).from_config(config)
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


def test_a_name_that_is_taken_is_refused():
    class Gaussian(likelihoods.Gaussian):
        pass

    with pytest.raises(ValueError, match=r"its own.*Gaussian of .*test_registry.*gaussian.*Rename"):
        kv.registry.register(Gaussian)
    assert keras.saving.get_registered_object("keras_vae>Gaussian") is likelihoods.Gaussian
