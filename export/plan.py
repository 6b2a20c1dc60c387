"""What is to be exported: the arguments of `export`, checked, and what each file can carry."""

import dataclasses
import numbers

from export import formats
from export.errors import message

_NO_IMAGES = "its ranges are calibrated on training images, and none were given"
_NO_LABELS = "the range of its label is calibrated on training labels, and none were given"
# What to do about it.
_FIXES = {
    _NO_IMAGES: "Give training images as `data`, or add 'decode' to the endpoints.",
    _NO_LABELS: "Give batches of training images and labels as `data`.",
}


@dataclasses.dataclass(frozen=True)
class Plan:
    """The choices of an export.

    Attributes:
        targets: tuple of `formats.Target`, the files to write.
        endpoints: tuple of str.
        uint8: bool, whether images come out as integers from 0 to 255.
        num_samples: int, the draws of z behind a `score`.
        batch_sizes: tuple of int, those that a TFLite file has beside 1.
        allow_flex: bool, whether a TFLite file may need TensorFlow's own operators.
        detector: None, or the fitted `keras_vae.anomaly.AnomalyDetector` whose score and threshold
            `score` gives too.
    """

    targets: tuple
    endpoints: tuple = formats.DEFAULT_ENDPOINTS
    uint8: bool = False
    num_samples: int = 16
    batch_sizes: tuple = ()
    allow_flex: bool = False
    detector: object = None

    def carried(self, target, event_shape, has_images, lacks_labels=False):
        """Return what one file can carry.

        Args:
            target: `formats.Target`.
            event_shape: tuple of int.
            has_images: bool, whether there are images to calibrate with.
            lacks_labels: bool, whether there would have to be labels to calibrate with.

        Returns:
            tuple of the endpoints that go in, and a dict from each other one to the reason.

        Raises:
            ValueError: if nothing is left.
        """
        precision = formats.PRECISIONS[target.precision]
        left_out = {}
        for name in self.endpoints:
            if name in target.format.cannot:
                left_out[name] = f"{target.format.name} has no operator that writes PNG"
            elif name in precision.cannot:
                left_out[name] = "its sampler and sums need floats"
            elif name == "score" and self.detector is not None and target.precision != "float32":
                left_out[name] = "its scores are not those that the threshold was calibrated for"
            elif name == "decode_png" and (len(event_shape) != 3 or event_shape[-1] not in (1, 3)):
                left_out[name] = f"{event_shape} is no image of one or three channels"
            elif precision.is_calibrated and lacks_labels:
                left_out[name] = _NO_LABELS
            elif precision.is_calibrated and reads_images(name) and not has_images:
                left_out[name] = _NO_IMAGES
        kept = tuple(name for name in self.endpoints if name not in left_out)
        if not kept:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
            raise ValueError(
                message(
                    f"A {target.format.name} file in {target.precision} must carry an endpoint",
                    f"none that it can ({reasons})",
                    next(
                        (_FIXES[why] for why in left_out.values() if why in _FIXES),
                        "Add 'decode' to the endpoints.",
                    ),
                )
            )
        return kept, left_out


def reads_images(endpoint):
    """Whether an endpoint takes images."""
    return "image" in formats.ENDPOINTS[endpoint].inputs


def check(
    formats_,
    precisions=("float32",),
    endpoints=formats.DEFAULT_ENDPOINTS,
    uint8=False,
    num_samples=16,
    batch_sizes=(),
    allow_flex=False,
):
    """Return the `Plan` of the arguments of `export`.

    Raises:
        ValueError: if a name is unknown, a number out of its range, or an option acts on none of
            the formats.
    """
    targets = tuple(formats.targets(formats_, precisions))
    if not isinstance(batch_sizes, (tuple, list)):
        raise ValueError(message("`batch_sizes` must be a tuple of integers", f"{batch_sizes!r}"))
    batch_sizes = tuple(dict.fromkeys(_integer("batch_sizes", size, 2) for size in batch_sizes))
    given = {
        "uint8": _switch("uint8", uint8),
        "batch_sizes": batch_sizes,
        "allow_flex": _switch("allow_flex", allow_flex),
    }
    for name, value in given.items():
        having = [row.name for row in formats.FORMATS.values() if name in row.options]
        if value and not any(name in target.format.options for target in targets):
            raise ValueError(
                message(
                    f"`{name}` is an option of {', '.join(having)}",
                    ", ".join(target.format.name for target in targets),
                    f"Add {' or '.join(map(repr, having))} to the formats, or leave {name} out.",
                )
            )
    integer_files = [
        target.precision for target in targets if formats.PRECISIONS[target.precision].is_calibrated
    ]
    if uint8 and "full_int8" in integer_files:
        raise ValueError(
            message(
                "`uint8` is an option of files whose outputs are floats otherwise",
                "precision full_int8, whose images are 8-bit integers already",
                "Leave uint8 out, or choose the precision int8.",
            )
        )
    if allow_flex and integer_files:
        raise ValueError(
            message(
                "`allow_flex` is an option of the precisions float32, float16 and dynamic",
                ", ".join(integer_files),
                "Leave allow_flex out, or choose one of these.",
            )
        )
    return Plan(
        targets,
        tuple(formats.names("endpoints", endpoints, formats.ENDPOINTS)),
        uint8,
        _integer("num_samples", num_samples, 1),
        batch_sizes,
        allow_flex,
    )


def _integer(name, value, minimum, maximum=10_000):
    is_integer = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_integer or not minimum <= value <= maximum:
        expectation = f"`{name}` must be of integers from {minimum} to {maximum}"
        raise ValueError(message(expectation, f"{value!r}"))
    return int(value)


def _switch(name, value):
    if not isinstance(value, bool):
        raise ValueError(message(f"`{name}` must be True or False", f"{name}={value!r}"))
    return value
