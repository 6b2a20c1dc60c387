"""The one table of formats: where each puts its files and how exact it has to be."""

import dataclasses

from export.errors import close_names, message

# Largest difference between the z of an exported `generate` and of the Keras model.
Z_TOLERANCE = 1e-6


@dataclasses.dataclass(frozen=True)
class Format:
    """One row of the table.

    Attributes:
        name: str, as in `export(formats=...)`.
        path: str, where an export stands below the export folder; `{precision}` and `{version}`
            are filled in.
        tolerances: dict from precision to the largest error of an output other than z, as a part
            of the largest magnitude of that output in the Keras model, or of 1 if that is less.
    """

    name: str
    path: str
    tolerances: dict

    @property
    def is_versioned(self):
        """Whether a new export stands beside the earlier ones rather than in their place."""
        return "{version}" in self.path


FORMATS = {
    row.name: row
    for row in (
        Format("saved_model", "saved_model/{version}", {"float32": 1e-5}),
        Format("tflite", "tflite/model_{precision}.tflite", {"float32": 1e-5}),
    )
}


def resolve(names):
    """Return the rows of the table for the names of formats, each once and in their order.

    Args:
        names: str, or an iterable of str.

    Raises:
        ValueError: if a name is unknown, or there is none.
    """
    names = [names] if isinstance(names, str) else list(names)
    legal = ", ".join(repr(name) for name in FORMATS)
    if not names:
        raise ValueError(message(f"`formats` must name at least one of {legal}", "none"))
    for name in names:
        if name not in FORMATS:
            fix = close_names(name, FORMATS)
            raise ValueError(message(f"`formats` must be among {legal}", repr(name), fix))
    return [FORMATS[name] for name in dict.fromkeys(names)]
