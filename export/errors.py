"""The wording of errors, for modules that must not import Keras."""

import difflib


def message(expectation, received, fix=""):
    """Return the text of an error: what was expected, what was received, what to do.

    Args:
        expectation: str, a sentence that names the argument or the file.
        received: str, such as "z of shape (3,)".
        fix: str, what to do about it.
    """
    return f"{expectation}. Received: {received.rstrip('.')}. {fix}".rstrip()


def close_names(value, options):
    """Return "Did you mean ...?" with the names in `options` near `value`, or ""."""
    near = difflib.get_close_matches(str(value), list(options), n=3)
    return f"Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""
