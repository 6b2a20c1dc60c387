"""Every example in a docstring of the package gives what it says."""

import doctest
import importlib
import inspect
import pkgutil

import pytest
from public_names import lacking, public

import export
import export.runtimes.base
import keras_vae

TRAINING = ("keras_vae.anomaly.detector", "keras_vae.estimators")
MODULES = sorted(module.name for module in pkgutil.walk_packages(keras_vae.__path__, "keras_vae."))


@pytest.mark.parametrize("name", [name for name in MODULES if name not in TRAINING])
def test_the_examples_give_what_they_say(name):
    _run_examples(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINING)
def test_the_examples_that_train_for_long_give_what_they_say(name):
    _run_examples(name)


def _run_examples(name):
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
    for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name)):
        runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)


@pytest.mark.parametrize("name", ["keras_vae", *MODULES])
def test_public_classes_and_functions_say_what_they_are(name):
    module = importlib.import_module(name)
    public = [
        value
        for key, value in vars(module).items()
        if not key.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    ]
    silent = [
        getattr(value, "__qualname__", name)
        for value in (module, *public)
        if not (value.__doc__ or "").strip()
    ]
    assert not silent


def test_each_public_name_says_what_it_takes_and_gives():
    names = public(keras_vae, export, export.runtimes.base)
    assert {"keras_vae.VAE.generate", "keras_vae.anomaly.AnomalyDetector", "export.export"} <= {
        *names
    }
    assert not [line for name, value in names.items() for line in lacking(name, value)]


def _silent(x, factor=2):
    """Scale x.

    Args:
        x: float.
    """
    return x * factor


def test_what_a_docstring_lacks_is_listed():
    assert lacking("f", _silent) == ["f does not tell of factor", "f does not say what it gives"]


def test_there_are_examples_to_run():
    finder = doctest.DocTestFinder(exclude_empty=True)
    tests = [
        test
        for name in MODULES
        for test in finder.find(importlib.import_module(name))
        if test.examples
    ]
    assert {"keras_vae.model.VAE", "keras_vae.random.normals"} <= {test.name for test in tests}
