"""A VAE that learns classes from few labels and many examples without."""

import math

import numpy as np
from keras import ops

from keras_vae import bounds, random
from keras_vae.checks import message, number
from keras_vae.conditional import Condition, ConditionalVAE
from keras_vae.likelihoods.base import first_largest
from keras_vae.objectives import ELBO
from keras_vae.registry import register
from keras_vae.shapes import as_network


@register
class SemiSupervisedVAE(ConditionalVAE):
    """Classifier q(y|x) and VAE p(x|z, y) learnt together, most of the labels being unknown.

    The model M2 of Kingma et al. 2014 (https://arxiv.org/abs/1406.5298). Of an example with a label
    y training maximises the bound on log p(x|y), that of eq. 6 without the constant log p(y), and
    log q(y|x), weighted (eq. 9); of one without it that on log p(x), the label being summed over by
    q(y|x) (eq. 7). On draws of z of another VAE in place of x (`kv.data.few_labels(...,
    through=vae)`) it is M1+M2.

    Args:
        encoder: `keras.Model` of x and a label, as of a `ConditionalVAE`.
        decoder: `keras.Model` of z and a label.
        classifier: `keras.Model`, x to logits `(B, C)` of the C >= 2 classes; their number is that
            of the classes.
        classification_weight: float >= 0, nats a nat: the weight of -log q(y|x) beside -ELBO.
        **options: further arguments of `VAE`; the objective must be an `ELBO`.

    Input shape:
        x `(B, *event)`, or a dict of `x` and `label`. Labels are int, -1 where there is none.

    Output shape:
        `(B, *event)`: the reconstruction, by the label or by the most likely class.

    Raises:
        ValueError: if a part is unknown or the networks' shapes do not fit together.

    Example:

    >>> import numpy as np
    >>> from keras_vae import networks
    >>> shape, sizes = (8, 8, 1), {"latent_dim": 2, "condition_dim": 3}
    >>> vae = SemiSupervisedVAE(
    ...     networks.conditional_encoder(networks.mlp_encoder, shape, **sizes),
    ...     networks.conditional_decoder(networks.mlp_decoder, shape, **sizes),
    ...     classifier=networks.mlp_classifier(shape, 3),
    ... )
    >>> vae.classify(np.zeros((4, *shape), "float32")).shape
    (4, 3)
    """

    _own_terms = ("classification_loss", "accuracy")
    _learns_from = "learns from x and labels, -1 where there is none"
    _fit_fix = "Fit with kv.data.few_labels(data, (x, y)), or fit(x, labels)."
    # Training never leaves a label out, so that the networks know nothing of that.
    _needed = (
        "A label is needed to decode z by p(x|z, y)",
        "none",
        "Give label= (--label); classify(x) tells that of an x.",
    )

    def __init__(self, encoder, decoder, classifier, classification_weight=10.0, **options):
        classifier = as_network("classifier", classifier)
        # Keras does not know it of a model that is not built.
        shape = getattr(classifier, "output_shape", None)
        if not isinstance(shape, tuple) or len(shape) != 2 or (shape[1] or 0) < 2:
            raise ValueError(
                message(
                    "`classifier` must give logits (B, C) of at least 2 classes",
                    f"output shape {shape}",
                    "Build it with keras_vae.networks.mlp_classifier, or end it with a dense layer "
                    "without activation.",
                )
            )
        parts = {"classifier": classifier}
        super().__init__(encoder, decoder, shape[1], label_drop=0.0, parts=parts, **options)
        if any(
            getattr(part, "scale", 0) == "optimal" for part in self.likelihood._flatten_layers()
        ):
            raise ValueError(
                message(
                    "The scale of `likelihood` must be learned by gradients, since images are "
                    "decoded by every label",
                    "scale='optimal'",
                    "Use Gaussian('learned'), or 'per_element'.",
                )
            )
        if not isinstance(self.objective, ELBO):
            raise ValueError(
                message(
                    "`objective` must be an ELBO, of which labels can be summed out",
                    type(self.objective).__name__,
                    'Use objective="elbo", or kv.objectives.ELBO(beta=...).',
                )
            )
        weight = number("classification_weight", classification_weight, minimum=0)
        self.classification_weight = weight

    def classify(self, x, batch_size=500):
        """Return q(y|x).

        Args:
            x: array `(B, *event)`.
            batch_size: int >= 1, examples at a time.

        Output shape:
            `(B, C)`, a NumPy array of probabilities.
        """
        x = bounds.check_batch(self, x)
        rows = (x[start : start + batch_size] for start in range(0, len(x), batch_size))
        return np.concatenate([np.exp(self._log_qy(some)) for some in rows])

    def encode(self, x, training=False, label=None):
        """Return q(z|x, label); without a label, that of the most likely class.

        Args:
            x: float array `(B, *event)`.
            training: bool, whether encoder and classifier are in training.
            label: None, or classes `(B,)` int32, of which -1 stands for none.
        """
        x = ops.convert_to_tensor(x, "float32")
        label = self._or_likely(x, label)
        return super().encode(x, training=training, label=label)

    def reconstruction_params(self, x, label=None):
        return super().reconstruction_params(x, self._or_likely(x, label))

    def drawn_labels(self, label, seeds):
        """Return labels for row seeds `(B,)`: those given, and draws of p(y) where they lack.

        Args:
            label: None, or classes `(B,)` int32, of which -1 stands for none.
            seeds: int32 array `(B,)`, row seeds.
        """
        uniforms = random.uniforms(seeds, 1, stream=random.CLASSES)[:, 0]
        drawn = ops.cast(uniforms * self.num_classes, "int32")
        drawn = ops.minimum(drawn, self.num_classes - 1)
        return drawn if label is None else ops.where(label < 0, drawn, label)

    def terms(self, x, noise, training=False, gate=None, label=None):
        """Return the `Terms`, by the label of each example, or summed over q(y|x) without one.

        Args:
            x: float tensor `(B, *event)`.
            noise: standard normal tensor `(K, B, D)`.
            training: bool, whether networks and likelihood are in training.
            gate: None, or a function of z, see `VAE.terms`.
            label: None, or classes `(B,)` int32, of which -1 stands for none.
        """
        classes, rows = self.num_classes, ops.shape(x)[0]
        # The draws of an example may be those of all.
        noise = ops.broadcast_to(noise, (ops.shape(noise)[0], rows, self.latent_dim))
        log_qy = self._log_qy(x, training)
        label = ops.full((rows,), -1) if label is None else ops.reshape(label, (-1,))
        label = ops.cast(label, "int32")
        unknown = label[:, None] < 0
        weights = ops.where(unknown, ops.exp(log_qy), ops.one_hot(label, classes))

        each = super().terms(
            ops.repeat(x, classes, axis=0),
            ops.repeat(noise, classes, axis=1),
            training,
            gate,
            Condition(ops.tile(self._every_condition, (rows, 1))),
        )

        def by_class(value):
            return ops.reshape(value, (*ops.shape(value)[:-1], rows, classes))

        def mean(value):
            return ops.sum(weights * by_class(value), axis=-1)

        log_px, log_pz = mean(each.log_px), mean(each.log_pz)
        # The weights of importance sampling are summed over classes exactly, by p(y) or the label.
        prior = ops.where(unknown, -math.log(classes), ops.log(ops.one_hot(label, classes)))
        log_weights = ops.logsumexp(by_class(each.log_weights) + prior, axis=-1)
        # KL(q(y|x) || p(y)), where the label is unknown.
        kl = ops.sum(ops.where(unknown, weights * (log_qy + math.log(classes)), 0.0), axis=-1)
        first = ops.arange(rows) * classes + ops.argmax(weights, axis=-1)
        return each._replace(
            log_px=log_px,
            log_pz=log_pz,
            log_qz=log_px + log_pz - log_weights,
            kl=mean(each.kl_estimate) + kl,
            z=ops.take(each.z, first, axis=1),
            z_mean=ops.take(each.z_mean, first, axis=0),
            z_log_var=ops.take(each.z_log_var, first, axis=0),
            log_qy=log_qy,
            label=label,
        )

    def _split(self, inputs):
        x, label = super()._split(inputs)
        return x, self._or_likely(x, label)

    def _given(self, x, y):
        return {} if y is None else super()._given(x, y)

    def _training_terms(self, x, given, place, noise=None):
        if not given:
            super()._given(x, None)
        return super()._training_terms(x, given, place, noise)

    def _own_options(self):
        weight = self.classification_weight
        return {"classifier": self.classifier, "classification_weight": weight}

    def _loss_of(self, terms, training=None):
        loss, extra = super()._loss_of(terms, training)
        known = terms.label >= 0
        own = ops.one_hot(terms.label, self.num_classes) * terms.log_qy
        extra["classification_loss"] = -ops.sum(own, axis=-1)
        right = known & (ops.cast(ops.argmax(terms.log_qy, axis=-1), "int32") == terms.label)
        extra["accuracy"] = ops.cast(right, "float32")
        return loss + self.classification_weight * extra["classification_loss"], extra

    def _counted(self, name, terms):
        if name in self._own_terms:
            return ops.cast(terms.label >= 0, "float32")
        return super()._counted(name, terms)

    def blank(self, rows):
        return {}

    @property
    def _every_condition(self):
        classes = self.num_classes
        return np.concatenate([np.eye(classes), np.ones((classes, 1))], axis=1).astype("float32")

    def _log_qy(self, x, training=False):
        return ops.log_softmax(ops.cast(self.classifier(x, training=training), "float32"))

    def _or_likely(self, x, label):
        """Return the `Condition` of x: of labels given, and of the most likely class without."""
        if isinstance(label, Condition):
            return label
        rows = ops.shape(x)[0]
        logits = ops.cast(self.classifier(x, training=False), "float32")
        chosen = ops.cast(first_largest(logits), "int32")
        if label is not None:
            if not ops.is_tensor(label) or hasattr(label, "numpy"):
                label = self.labels(np.asarray(label), rows)
            label = ops.cast(ops.reshape(label, (-1,)), "int32")
            chosen = ops.where(label < 0, chosen, label)
        return Condition(self._condition(chosen, rows))
