"""What the public names of the packages are, and what their docstrings lack."""

import inspect
import re
import types

# Keras calls these, and says what they are.
_OF_KERAS = {"build", "call", "compute_output_shape", "fit", "from_config", "get_config", "predict"}
_GIVES = re.compile(r"Output shape:|\b[Rr]eturns?\b|\bYields?\b|: a list of|[Ss]ee `")
_TELLS_NOTHING = re.compile(r"^\s*(pass|raise .*|return|return self)\s*$")


def public(*packages):
    """Return the public functions, classes and methods of packages and of their public modules.

    Args:
        *packages: modules.

    Returns:
        dict from a dotted name to the function or class, each once.
    """
    found, seen, modules = {}, set(), list(packages)
    for module in modules:
        for name in _names(module):
            value = getattr(module, name)
            if isinstance(value, types.ModuleType):
                modules += [value] if value not in modules else []
            elif (inspect.isclass(value) or inspect.isfunction(value)) and id(value) not in seen:
                seen.add(id(value))
                found[f"{module.__name__}.{name}"] = value
                found |= _methods(f"{module.__name__}.{name}", value)
    return found


def lacking(name, value):
    """Return what the docstring of a public name lacks, a list of str.

    Args:
        name: str, its dotted name.
        value: function or class.
    """
    text = inspect.getdoc(value) if not inspect.isclass(value) else value.__dict__.get("__doc__")
    if not (text or "").strip():
        return [f"{name} has no docstring"]
    if inspect.isclass(value):
        function = value.__dict__.get("__init__")
        return _arguments(name, function, text) if inspect.isfunction(function) else []
    gives = any(
        re.match(r"\s*(return|yield) (?!self$)\S", line) and not _TELLS_NOTHING.match(line)
        for line in inspect.getsource(value).splitlines()
    )
    silent = [f"{name} does not say what it gives"] if gives and not _GIVES.search(text) else []
    return _arguments(name, value, text) + silent


def _arguments(name, function, text):
    """Return the arguments that have no line under Args, unless the text sends the reader on."""
    if re.search(r"\b([Aa]s (for|in|of)|[Ss]ee|those of) `", text):
        return []
    told = set()
    for line in re.findall(r"^ +([\w*, ]+): ", text, re.MULTILINE):
        told |= {word.strip(" *") for word in line.split(",")}
    return [
        f"{name} does not tell of {argument.name}"
        for argument in inspect.signature(function).parameters.values()
        if argument.name not in told | {"self", "cls", "kwargs"} and "Input shape:" not in text
    ]


def _names(module):
    if hasattr(module, "__all__"):
        return module.__all__
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def _methods(prefix, value):
    if not inspect.isclass(value):
        return {}
    methods = {}
    for name, member in vars(value).items():
        member = getattr(member, "__func__", member)
        own = inspect.isfunction(member) and not name.startswith("_")
        # Where it overrides another, that one says what it is.
        told = any(getattr(base, name, None) is not None for base in value.__mro__[1:])
        if own and name not in _OF_KERAS and (member.__doc__ or not told):
            methods[f"{prefix}.{name}"] = member
    return methods
