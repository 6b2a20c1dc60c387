"""A row of results for each example, with its id and its label."""

import pathlib
from typing import NamedTuple

import numpy as np

from keras_vae import results
from keras_vae.shards import row_bytes
from keras_vae.uses.inputs import identity


class Written(NamedTuple):
    """What was written.

    Attributes:
        path: `pathlib.Path`.
        count: int, rows.
        done, kept: ints, the shards that were written, and that were there.
        facts: dict of numbers about the rows.
    """

    path: pathlib.Path
    count: int
    done: int
    kept: int
    facts: dict


def write(run, examples, source, out, key, make, progress, options):
    """Write what `make` gives for each batch, with ids and labels, and return `Written`."""
    given = {name: value for name, value in options.items() if name != "progress"}
    key |= {"model": run.checksum, "input": identity(run, source), "options": given}
    # Examples, what is made of them, and what is decoded from them.
    writer = results.Results(out, key, len(examples), 4 * row_bytes(run.vae.event_shape))

    def make_rows(start, stop):
        batch = examples.read(start, stop)
        named = {"id": batch.ids, "label": batch.labels}
        made = make(batch, start)
        # A table may have columns of these names itself.
        named = {
            f"row_{name}" if name in made else name: values
            for name, values in named.items()
            if values is not None
        }
        return {**named, **made}

    done, kept = writer.write(make_rows, progress)
    return Written(writer.path, len(examples), done, kept, {})


def without_empty(x, result):
    """Return results with none for the rows that have no value at all."""
    empty = np.isnan(x).reshape(len(x), -1).all(axis=1)
    return {
        name: values & ~empty if values.dtype == bool else np.where(empty, np.nan, values)
        for name, values in result.items()
    }
