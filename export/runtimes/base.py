"""The one interface over exported files: what is checked and named the same in all of them."""

import abc
from typing import NamedTuple

import numpy as np

from export import labels, rows
from export.errors import message
from export.formats import ENDPOINTS, LABEL


class Encoded(NamedTuple):
    """The parameters of q(z|x) for a batch: `z_mean` and `z_log_var`, each `(B, D)`."""

    z_mean: np.ndarray
    z_log_var: np.ndarray


class Generated(NamedTuple):
    """Images `(n, *event)` and the draws of z `(n, D)` that they are the images of."""

    image: np.ndarray
    z: np.ndarray


class Scored(NamedTuple):
    """Nats of each image, `(B,)`: the negative ELBO and its two parts, which add up to it.

    Of a file with a detector also its score, its threshold, and 1 where the score lies above it.
    """

    negative_elbo: np.ndarray
    reconstruction_loss: np.ndarray
    kl_loss: np.ndarray
    anomaly_score: np.ndarray | None = None
    threshold: np.ndarray | None = None
    is_anomaly: np.ndarray | None = None


class Runtime(abc.ABC):
    """An exported file, loaded. It takes and gives NumPy arrays.

    Attributes:
        path: `pathlib.Path` of the file or folder.
        endpoints: tuple of str, those of `formats.ENDPOINTS` that it has.
        metadata: dict, what the file says of itself; empty for one that says nothing.
        labels: `export.labels.Labels`, what its labels are, or None if it takes none.
        batch_sizes: tuple of int, the batch sizes that it is made for; empty where any will do.
    """

    batch_sizes = ()

    def __init__(self, path, row_shapes, metadata):
        self.path = path
        if not isinstance(metadata or {}, dict):
            raise not_exported(path, "metadata that are damaged")
        self.metadata = metadata or {}
        self.labels = labels.Labels.of(self.metadata)
        self._row_shapes = row_shapes
        self.endpoints = tuple(name for name in ENDPOINTS if name in row_shapes)
        for name in self.endpoints:
            if sorted(row_shapes[name]) != sorted(ENDPOINTS[name].takes(self.labels is not None)):
                raise not_exported(path, f"`{name}` with inputs {sorted(row_shapes[name])}")
        if not self.endpoints:
            raise not_exported(path, f"signatures {sorted(row_shapes)}")

    def __repr__(self):
        return f"<{self.path}: {', '.join(self.endpoints)}>"

    def decode(self, z, label=None):
        """Return images `(B, *event)`, the means of p(x|z), for z `(B, D)`.

        They are floats, or integers from 0 to 255 where the file was exported so.

        Args:
            z: float array `(B, D)`.
            label: of a file that takes labels one for all rows, or B of them: classes, of which -1
                or None stands for none, or vectors.

        Raises:
            ValueError: if the file has no `decode`, z is of another shape or not finite, a label
                is none of the model's, or one is missing that the file needs.
        """
        return self.run("decode", z=z, label=label)["image"]

    def encode(self, image, label=None):
        """Return `Encoded(z_mean, z_log_var)` for images `(B, *event)`.

        Labels and errors are as in `decode`.
        """
        outputs = self.run("encode", image=image, label=label)
        return Encoded(outputs["z_mean"], outputs["z_log_var"])

    def reconstruct(self, image, label=None):
        """Return the decoded centre of q(z|x) for images `(B, *event)`.

        Labels and errors are as in `decode`.
        """
        return self.run("reconstruct", image=image, label=label)["image"]

    def generate(self, n=None, temperature=1.0, seed=None, label=None):
        """Generate images from draws of the prior, those of `VAE.generate` for the same seed.

        A file without `generate` decodes draws that are made here, where its prior is a standard
        normal one.

        Args:
            n: None or int >= 1, how many; None for one, or one for each row seed.
            temperature: float >= 0, which scales the spread of the prior, or n of them.
            seed: None, an int, or the row seeds: a list or array of int32.
            label: as in `decode`.

        Returns:
            `Generated(image, z)`.

        Raises:
            ValueError: if the file has no `generate`, or an argument is out of its range.
        """
        seeds = rows.as_row_seeds(seed, n)
        temperature = _as_array("temperature", temperature, np.float32)
        fits = temperature.shape in ((), seeds.shape)
        if not fits or not np.all(np.isfinite(temperature)) or np.any(temperature < 0):
            expectation = f"`temperature` must be a number >= 0, or {len(seeds)} of them"
            raise ValueError(message(expectation, f"temperature={temperature.tolist()}"))
        temperature = np.broadcast_to(temperature, seeds.shape)
        if "generate" not in self.endpoints and self._draws_normals():
            z = rows.standard_normal(seeds, self.metadata["latent_dim"], temperature)
            return Generated(self.decode(z, label), z)
        outputs = self.run("generate", seed=seeds, temperature=temperature, label=label)
        return Generated(outputs["image"], outputs["z"])

    def _draws_normals(self):
        """Whether the file can decode, and z is to be drawn from a standard normal prior."""
        prior = self.metadata.get("prior", {}).get("class")
        return "decode" in self.endpoints and prior == "StandardNormal"

    def score(self, image, label=None):
        """Return `Scored`, in nats, for images `(B, *event)`: unlikely ones score high.

        Given a label they are nats of p(x|label). Labels and errors are as in `decode`.
        """
        outputs = self.run("score", image=image, label=label)
        return Scored(**outputs)

    def decode_png(self, z, label=None):
        """Return a PNG file, bytes, for each row of z `(B, D)`; the rest is as in `decode`."""
        return list(self.run("decode_png", z=z, label=label)["image_bytes"])

    def run(self, endpoint, label=None, **inputs):
        """Run an endpoint on arrays, each of the same number of rows.

        Args:
            endpoint: str, such as "decode".
            label: as in `decode`.
            **inputs: arrays `(B, ...)` by the endpoint's names of inputs.

        Returns:
            dict from name to array.

        Raises:
            ValueError: if the file has no such endpoint, or an array does not fit or is not
                finite.
        """
        if endpoint not in self.endpoints:
            legal = ", ".join(self.endpoints)
            raise ValueError(message(f"{self.path} has the endpoints {legal}", f"`{endpoint}`"))
        shapes, names = self._row_shapes[endpoint], ENDPOINTS[endpoint].inputs
        if set(inputs) != set(names):
            expectation = f"`{endpoint}` takes {', '.join(shapes)}"
            raise ValueError(message(expectation, ", ".join(inputs) or "nothing"))
        checked = {name: self._check(name, inputs[name], shapes[name]) for name in names}
        if len(set(map(len, checked.values()))) > 1:
            received = ", ".join(f"{len(value)} of {name}" for name, value in checked.items())
            raise ValueError(message(f"`{endpoint}` takes inputs of equally many rows", received))
        if self.labels is None:
            labels.refuse(label, self.path)
        else:
            count = len(checked[names[0]])
            checked[LABEL] = self.labels.check(label, count, endpoint, self.path)
        return self._run(endpoint, checked)

    @abc.abstractmethod
    def _run(self, endpoint, inputs):
        """Return the dict of outputs for inputs that were checked."""

    def _check(self, name, value, row_shape):
        if name == "seed":
            value = rows.as_row_seeds(np.atleast_1d(value))
        is_row = name == "image" and self.metadata.get("columns")
        if name == "image" and not is_row:
            self._refuse_bytes(_as_array(name, value, None))
        value = _as_array(name, value, np.int32 if name == "seed" else np.float32)
        if value.shape[1:] != row_shape or not value.ndim or not len(value):
            expected = ", ".join(("B", *map(str, row_shape)))
            fix = "Add the batch axis with [None]." if value.shape == row_shape else ""
            expectation = f"{self.path} takes `{name}` of shape ({expected}) with B >= 1"
            raise ValueError(message(expectation, f"shape {value.shape}", fix))
        # Of a row of a table NaN is what is missing.
        legal = np.isfinite(value) | np.isnan(value) if is_row else np.isfinite(value)
        if not legal.all():
            count = np.count_nonzero(~legal)
            expectation = f"{self.path} takes `{name}` of finite numbers"
            raise ValueError(message(expectation, f"{count} of NaN or infinity"))
        return np.ascontiguousarray(value)

    def _refuse_bytes(self, image):
        if image.dtype.kind in "iu" and image.size and image.max() > 1:
            raise ValueError(
                message(
                    f"{self.path} takes `image` of floats, pixels from 0 to 1",
                    f"{image.dtype} up to {image.max()}",
                    "Divide by 255.",
                )
            )


def _as_array(name, value, dtype):
    try:
        return np.asarray(value, dtype)
    except (TypeError, ValueError) as error:
        expectation = f"`{name}` must be an array of numbers, its rows of one length"
        raise ValueError(message(expectation, f"{name}={value!r}")) from error


def not_exported(path, received):
    """Return the `ValueError` of a file that is none of this package's.

    Args:
        path: `pathlib.Path` of the file.
        received: str, what it is instead.
    """
    return ValueError(
        message(
            f"{path} must be a file that this package exported", received, "Export the model again."
        )
    )
