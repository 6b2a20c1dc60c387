"""What `config.json` keeps of the data and the networks of a run, beyond its options."""

import collections

import numpy as np

_PARTS = ("encoder", "decoder", "classifier", "prior", "posterior", "likelihood")


def of_data(data):
    """Return what is known of loaded data.

    Args:
        data: what `keras_vae.data.load` gives.

    Returns:
        A dict of JSON values: `name`; `train`, `validation`, `test` and `skipped`, numbers of
        examples; `event_shape`; `is_binary`; `classes`, their number or None; `columns`, the names
        of those of a table or None; `crc32`, of the training examples, or of about 1,000 of them
        where they are streamed, 8 hexadecimal digits.
    """
    columns = getattr(data, "columns", None)
    return {
        "name": data.name,
        "train": data.num_train,
        "validation": data.num_validation,
        "test": data.num_test,
        "skipped": data.num_skipped,
        "event_shape": list(data.event_shape),
        "is_binary": bool(data.is_binary),
        "classes": data.num_classes,
        "columns": columns and [column.name for column in columns],
        "crc32": f"{data.checksum:08x}",
    }


def of_model(vae):
    """Return what the parts of a VAE are made of.

    Args:
        vae: `VAE`, built.

    Returns:
        A dict from the name of each part to a dict of its `class`, its `layers` (a dict from the
        class of those that have weights to their number) and its `parameters`; what a part shares
        with one before it is not counted again.
    """
    found, counted = {}, set()
    for name in _PARTS:
        part = getattr(vae, name, None)
        if part is None:
            continue
        weights = [weight for weight in part.weights if id(weight) not in counted]
        counted |= {id(weight) for weight in weights}
        found[name] = {
            "class": type(part).__name__,
            "layers": dict(collections.Counter(_kinds(part))),
            "parameters": int(sum(np.prod(weight.shape, dtype=int) for weight in weights)),
        }
    return found


def _kinds(part):
    """Yield the class of each layer of a network that has weights."""
    for layer in getattr(part, "layers", ()):
        if getattr(layer, "layers", None):
            yield from _kinds(layer)
        elif layer.weights:
            yield type(layer).__name__
