"""The labels of a run's model: by their names, and a run whose model is given one."""

import dataclasses
import zlib

import numpy as np

from keras_vae.checks import message
from keras_vae.semi_supervised import SemiSupervisedVAE

_MOST_SHOWN, _LONGEST = 20, 60


def classes(run):
    """Return the names of the classes that a run's model was trained with, a list of str.

    Args:
        run: `runs.Run`.

    Raises:
        ValueError: if it was trained without labels.
    """
    if not has_labels(run):
        raise ValueError(
            message(
                "A label is for a run that was trained with labels",
                f"{run.name}, which was not",
                "Train one with --conditional, or leave the label out.",
            )
        )
    if run.vae.num_classes is None:
        raise ValueError(
            message("The run's labels must be classes", "vectors", "Use the model in Python.")
        )
    names = run.config["model"].get("classes")
    return names or [str(label) for label in range(run.vae.num_classes)]


def name_of(run):
    """Return the name of the class that a run's model is given, or None; see `at`."""
    if run.label is None:
        return None
    names = run.config["model"].get("classes")
    return names[run.label] if names else str(run.label)


def has_labels(run):
    """Return whether a run's model was trained with labels.

    Args:
        run: `runs.Run`.
    """
    return run.vae.takes_labels


def knows_labels(run):
    """Return whether a run's own data have the labels that its model takes.

    Args:
        run: `runs.Run`.
    """
    few = run.config["model"].get("labelled")
    # Else the labels are those of another source.
    return has_labels(run) and (not few or is_count(few))


def is_count(labelled):
    """Return whether `labelled` of a run's model counts labels, rather than naming a source.

    Args:
        labelled: str, or None.
    """
    return bool(labelled) and labelled.isascii() and labelled.isdigit()


def labels_of(run, names, whose="A label", fix=""):
    """Return the labels `(N,)` of class names, int32; -1 of None.

    Args:
        run: `runs.Run`.
        names: list of str, int or None: the names of classes, or where none has that name its
            place among them.
        whose, fix: str, for the error.

    Raises:
        ValueError: if one was not trained.
    """
    known = classes(run)
    places = {str(place): place for place in range(len(known))}
    places |= {str(name): place for place, name in enumerate(known)}
    wrong = sorted({str(name) for name in names if name is not None and str(name) not in places})
    if wrong:
        raise ValueError(
            message(f"{whose} must be one that was trained ({_shown(known)})", _shown(wrong), fix)
        )
    found = [-1 if name is None else places[str(name)] for name in names]
    return np.array(found, np.int32)


def _shown(names):
    """Return some names so that blanks in them are seen."""
    texts = [f"'{name}'"[:_LONGEST] for name in names[:_MOST_SHOWN]]
    more = len(names) - len(texts)
    return ", ".join(texts) + (f" and {more} more" if more else "")


def at(run, name=None):
    """Return a run whose model is given a label, and that takes x alone.

    What it compares with, of the run's own data, are the examples of that label.

    Args:
        run: `runs.Run`.
        name: str or int, a class; None for none, of any run, by which a `SemiSupervisedVAE`, that
            sums labels out, is not changed.

    Raises:
        ValueError: if the run was trained without labels, or without this one.
    """
    if name is None and (not has_labels(run) or isinstance(run.vae, SemiSupervisedVAE)):
        return run
    label = None if name is None else int(labels_of(run, [name])[0])
    bound = dataclasses.replace(run, label=label)
    bound.vae = run.vae.at(label)
    # What was made with another label is not this run's.
    bound.checksum = run.checksum
    if label is not None:
        bound.checksum = zlib.crc32(f"label {label}".encode(), run.checksum)
    return bound
