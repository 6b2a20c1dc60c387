"""A VAE of x given a label, or any vector."""

from statistics import NormalDist
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_vae.checks import integer, message, number
from keras_vae.layers import Given
from keras_vae.model import VAE
from keras_vae.registry import register
from keras_vae.shapes import as_network


class Condition(NamedTuple):
    """What the networks take for labels, a float tensor `(B, C + 1)`."""

    value: object


@register
class ConditionalVAE(VAE):
    """Variational autoencoder of x given a label: p(x|z, label), q(z|x, label), p(z).

    Training maximises the bound on log p(x|label) (Sohn et al. 2015, eq. 4,
    https://papers.nips.cc/paper/5775). In a share of the examples the label is left out, so that
    the model also runs without one.

    Args:
        encoder: `keras.Model` of x and a condition, such as `networks.conditional_encoder` gives.
        decoder: `keras.Model` of z and a condition, such as `networks.conditional_decoder` gives.
        num_classes: int >= 2, the labels are 0 to num_classes - 1; None for labels that are
            vectors of floats.
        label_drop: float in [0, 1), the share of training examples whose label is left out; with
            0 the model needs one everywhere.
        **options: further arguments of `VAE`.

    Input shape:
        x `(B, *event)`, or a dict of `x` and `label`.

    Output shape:
        `(B, *event)`: the reconstruction.

    Raises:
        ValueError: if a part is unknown or the networks' shapes do not fit together.

    Example:

    >>> import numpy as np
    >>> from keras_vae import networks
    >>> shape, sizes = (8, 8, 1), {"latent_dim": 2, "condition_dim": 10}
    >>> vae = ConditionalVAE(
    ...     networks.conditional_encoder(networks.mlp_encoder, shape, **sizes),
    ...     networks.conditional_decoder(networks.mlp_decoder, shape, **sizes),
    ...     num_classes=10,
    ... )
    >>> vae.generate(4, label=7).shape
    TensorShape([4, 8, 8, 1])
    """

    _learns_from = "learns from x and labels, and is evaluated by both"
    _fit_fix = "Give labels: fit(x, labels), or kv.data.load(..., labels=True)."
    _needed = (
        "A label is needed, since training left none out (label_drop=0)",
        "none",
        "Give label= (--label), or train with label_drop=0.1 (--label-drop).",
    )

    def __init__(self, encoder, decoder, num_classes=None, label_drop=0.1, **options):
        encoder, decoder = as_network("encoder", encoder), as_network("decoder", decoder)
        _check_pair("encoder", encoder)
        _check_pair("decoder", decoder)
        self.num_classes = None if num_classes is None else integer("num_classes", num_classes, 2)
        fix = "With 1 no label would ever be seen."
        self.label_drop = number("label_drop", label_drop, minimum=0, below=1, fix=fix)
        widths = [network.inputs[1].shape[-1] for network in (encoder, decoder)]
        needed = num_classes + 1 if num_classes else widths[0]
        if widths != [needed, needed]:
            raise ValueError(
                message(
                    f"Encoder and decoder must take conditions of {needed} numbers, the last of "
                    "which says whether it is given",
                    f"{widths[0]} and {widths[1]}",
                    "Build both with networks.conditional_encoder and conditional_decoder, and "
                    "condition_dim as large as num_classes.",
                )
            )
        self.condition_dim = needed - 1
        super().__init__(encoder, decoder, **options)
        if not self.built:
            self.build((None, *encoder.inputs[0].shape[1:]))

    def at(self, label=None):
        """Return a VAE of p(x|label) that shares all parts, for all that can be done with one.

        Args:
            label: int, or vector `(C,)`; None for no label.

        Raises:
            ValueError: if it is no label of this VAE.
        """
        vector = ops.convert_to_numpy(self._condition(label, 1))[0].tolist()
        return VAE(
            *self._bound(self.event_shape, (self.latent_dim,), vector),
            likelihood=self.likelihood,
            prior=self.prior,
            posterior=self.posterior,
            seed=self.seed,
            dtype=self.dtype_policy,
            # p(z) is that of this VAE, whatever the label.
            parts={"_binds_prior": False},
        )

    def fit(self, x=None, y=None, *args, **options):
        """Train on x and labels as `VAE.fit` does.

        Raises:
            ValueError: if there are no labels, or one is none of this VAE's.
        """
        return super().fit(x, self._targets(x, y), *args, **options)

    def evaluate(self, x=None, y=None, *args, **options):
        return super().evaluate(x, self._targets(x, y), *args, **options)

    def predict(self, x, *args, **options):
        """Return reconstructions of x, an array, or of a dict of `x` and `label`."""
        if isinstance(x, dict):
            if "x" not in x or not {"x", "label"} >= set(x):
                raise ValueError(
                    message("`predict` takes x, or a dict of `x` and `label`", f"{list(x)}")
                )
            label = self.labels(x.get("label"), len(x["x"]))
            x = {"x": x["x"]} if label is None else {"x": x["x"], "label": label}
        return super().predict(x, *args, **options)

    def check_batch(self, x, y=None):
        super().check_batch(x)
        if y is not None:
            self.labels(y, len(y))

    def restyle(self, x, label, new_label):
        """Return x with another label, its style held: decoded from the centre of q(z|x, label).

        Args:
            x: array `(B, *event)`.
            label, new_label: one label for all, or B of them.

        Output shape:
            `(B, *event)`.
        """
        return self.decode(self.embed(x, label), new_label)

    def networks(self):
        event_shape, latent_dim = (
            tuple(network.inputs[0].shape[1:]) for network in (self.encoder, self.decoder)
        )
        return self._bound(event_shape, latent_dim, [0.0] * (self.condition_dim + 1))

    def labels(self, label, rows):
        """Return labels for so many rows, `(rows,)` int32 or `(rows, C)` float32, or None.

        Of classes -1 stands for no label.

        Args:
            label: None, int, or an array of B classes or vectors.
            rows: int, B.

        Raises:
            ValueError: if one is no label of this VAE, or there are more or fewer than rows.
        """
        if label is None:
            return None
        label = np.asarray(label)
        if self.num_classes:
            shape = (rows,)
            label = label[:, 0] if label.shape == (rows, 1) else label
            legal = label.dtype.kind in "iu" and label.size and label.ndim < 2
            if not legal or label.min() < -1 or label.max() >= self.num_classes:
                one_hot = label.ndim == 2 and label.shape[1] == self.num_classes
                raise ValueError(
                    message(
                        f"`label` must be one of the classes 0 to {self.num_classes - 1} that were "
                        "trained, or -1 for none",
                        f"{label.ravel()[:8]} of shape {label.shape} and type {label.dtype}",
                        "Turn one-hot labels into classes with numpy.argmax." if one_hot else "",
                    )
                )
        else:
            if label.dtype.kind not in "iuf" or not np.isfinite(label).all():
                raise ValueError(message("`label` must be a vector of finite numbers", f"{label}"))
            shape = (rows, self.condition_dim)
        if label.shape not in (shape, shape[1:]):
            raise ValueError(
                message(
                    f"`label` must be of shape {shape[1:]}, for all, or {shape}", f"{label.shape}"
                )
            )
        return np.broadcast_to(label, shape).astype("int32" if self.num_classes else "float32")

    @property
    def training_noise_dim(self):
        # By the last number the label is left out.
        return self.latent_dim + bool(self.label_drop)

    def terms(self, x, noise, training=False, gate=None, label=None):
        if noise.shape[-1] > self.latent_dim:
            kept = noise[0, :, -1:] >= NormalDist().inv_cdf(self.label_drop)
            label = self._condition(label, ops.shape(x)[0]) * ops.cast(kept, "float32")
            label, noise = Condition(label), noise[..., :-1]
        return super().terms(x, noise, training, gate, label)

    def _split(self, inputs):
        if isinstance(inputs, dict):
            return inputs["x"], inputs.get("label")
        return super()._split(inputs)

    def _own_options(self):
        return {"num_classes": self.num_classes, "label_drop": self.label_drop}

    def _given(self, x, y):
        if y is None:
            name = type(self).__name__
            raise ValueError(message(f"A {name} {self._learns_from}", "x alone", self._fit_fix))
        return {"label": ops.reshape(y, (-1,)) if self.num_classes else y}

    def blank(self, rows):
        return {"label": Condition(ops.zeros((rows, self.condition_dim + 1)))}

    def _targets(self, x, y):
        """Return the labels that `fit` and `evaluate` are given beside an array."""
        if y is not None:
            return self.labels(y, len(y))
        if hasattr(x, "shape"):
            self._given(x, None)
        return None

    def _beside(self, value, label, samples=1):
        rows = ops.shape(value)[0] // samples
        return [value, ops.tile(self._condition(label, rows), (samples, 1))]

    def _condition(self, label, rows):
        """Return what stands for labels: the class or the vector, and whether there is one.

        Args:
            label: None, one label or as many as rows, or the `Condition` itself.
            rows: int, or a tensor.

        Output shape:
            `(rows, C + 1)`.
        """
        width = self.condition_dim + 1
        if isinstance(label, Condition):
            return label.value
        if not ops.is_tensor(label) or hasattr(label, "numpy"):
            label = self.labels(None if label is None else np.asarray(label), rows)
            is_missing = label is None or (self.num_classes and label.min() < 0)
            if is_missing and not self.label_drop:
                raise ValueError(message(*self._needed))
        if label is None:
            return ops.zeros((rows, width))
        if not self.num_classes:
            return ops.concatenate([ops.cast(label, "float32"), ops.ones((rows, 1))], axis=-1)
        # By comparison: a one-hot operator counts -1 from the end in some runtimes.
        label = ops.cast(ops.reshape(label, (-1, 1)), "int32")
        chosen = ops.cast(label == np.arange(self.num_classes, dtype="int32"), "float32")
        return ops.concatenate([chosen, ops.sum(chosen, axis=-1, keepdims=True)], axis=-1)

    def _bound(self, event_shape, latent_dim, vector):
        x, z = keras.Input(event_shape, name="image"), keras.Input(latent_dim, name="z")
        return (
            keras.Model(x, self.encoder([x, Given(vector)(x)]), name="encoder"),
            keras.Model(z, self.decoder([z, Given(vector)(z)]), name="decoder"),
        )


def _check_pair(name, network):
    """Refuse a network that does not take a pair."""
    if len(getattr(network, "inputs", None) or ()) != 2:
        raise ValueError(
            message(
                f"`{name}` must be a Keras model of two inputs, {'xz'[name == 'decoder']} and a "
                "condition",
                f"one of {len(getattr(network, 'inputs', None) or ())}",
                f"Build it with keras_vae.networks.conditional_{name}.",
            )
        )
