"""Argument checks, and the one wording of the errors that they raise.

Every message says what is wrong, what was expected, what was received and how to mend it.
"""

import difflib
import math
import numbers


def message(expectation, received, fix=""):
    """Return the text of an error: what was expected, what was received, what to do.

    Args:
        expectation: str, a sentence that names the argument, such as "`beta` must be >= 0".
        received: str, such as "beta=-1.0".
        fix: str, what to do about it.
    """
    text = f"{expectation.rstrip('.')}. Received: {received}."
    return f"{text} {fix}" if fix else text


def integer(name, value, minimum, fix=""):
    """Return `value` as an int, or raise `ValueError` if it is not an integer >= `minimum`.

    What needs more than 31 bits is refused too: no array has such a side.
    """
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_integer or not minimum <= value < 2**31:
        expected = f"`{name}` must be an integer >= {minimum}"
        if is_integer and value >= 2**31:
            expected += " and below 2**31"
        raise ValueError(message(expected, f"{name}={value!r}", fix))
    return int(value)


def number(name, value, minimum=None, maximum=None, above=None, below=None, fix=""):
    """Return `value` as a float, or raise `ValueError` if it is not a number in the range.

    A number must be finite, and in the range of float32.

    Args:
        name: str, the argument's name.
        value: the value to check.
        minimum, maximum: floats, inclusive bounds.
        above, below: floats, exclusive bounds.
        fix: str, what to do about it.
    """
    bounds = [
        (minimum, ">=", lambda v, bound: v >= bound),
        (above, ">", lambda v, bound: v > bound),
        (maximum, "<=", lambda v, bound: v <= bound),
        (below, "<", lambda v, bound: v < bound),
    ]
    bounds = [bound for bound in bounds if bound[0] is not None]
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    is_number = is_number and math.isfinite(value) and abs(value) < 1e38
    if not is_number or not all(holds(value, bound) for bound, _, holds in bounds):
        expected = " and ".join(f"{sign} {bound:g}" for bound, sign, _ in bounds) or "a number"
        raise ValueError(message(f"`{name}` must be {expected}", f"{name}={value!r}", fix))
    return float(value)


def choice(name, value, options):
    """Return `value`, or raise `ValueError` with the close names if it is not one of `options`."""
    options = list(options)
    if value in options:
        return value
    legal = ", ".join(repr(option) for option in options)
    raise ValueError(
        message(
            f"`{name}` must be one of {legal}", f"{name}={value!r}", close_names(value, options)
        )
    )


def close_names(value, options):
    """Return "Did you mean ...?" with the names in `options` near `value`, or ""."""
    near = difflib.get_close_matches(str(value), [str(option) for option in options], n=3)
    return f"Did you mean {' or '.join(repr(name) for name in near)}?" if near else ""


def file_format(path, value, name, version, fix):
    """Raise `ValueError` unless the dict that a file holds is of this format and version."""
    found = value.get("format"), value.get("format_version")
    if found != (name, version):
        raise ValueError(
            message(
                f"{path} must be of the format {name!r}, version {version}",
                f"format {found[0]!r}, version {found[1]!r}",
                fix,
            )
        )
