"""What training minimises: a function of the terms of the bound, per example."""

from typing import NamedTuple

import keras
from keras import ops

from keras_vae import checks, schedules
from keras_vae.registry import Part, register, resolve


class Terms(NamedTuple):
    """The terms of the bound for a batch of B examples and K draws of z, in nats.

    Attributes:
        log_px: `(K, B)`, log p(x|z).
        log_pz: `(K, B)`, log p(z).
        log_qz: `(K, B)`, log q(z|x).
        kl: `(B,)`, KL(q(z|x) || p(z)) in closed form, or None.
        z: `(K, B, D)`.
        z_mean: `(B, D)`.
        z_log_var: `(B, D)`.
    """

    log_px: object
    log_pz: object
    log_qz: object
    kl: object
    z: object
    z_mean: object
    z_log_var: object

    @property
    def kl_estimate(self):
        """The KL `(B,)`: closed form where there is one, else the mean over the draws."""
        return self.kl if self.kl is not None else ops.mean(self.log_qz - self.log_pz, axis=0)

    @property
    def reconstruction_loss(self):
        """-E_q[log p(x|z)], `(B,)`: the mean over the draws."""
        return -ops.mean(self.log_px, axis=0)


class Objective(Part):
    """Base class of what training minimises: `objective(terms)` gives `(B,)`.

    A layer, since it may hold variables. With `training=True` a schedule takes its value at the
    current step, and counts it; otherwise the final one.

    Attributes:
        num_samples: int, how many draws of z it wants for each example.
    """

    num_samples = 1

    def __call__(self, terms, training=None):
        # Keras's own looks for the shape of each term, and the KL may be none.
        return self.call(terms, training=training)

    def report(self):
        """Return what training logs besides the loss: a dict from name to a scalar tensor."""
        return {}


@register
class ELBO(Objective):
    """-ELBO = -E_q[log p(x|z)] + beta KL(q(z|x) || p(z)).

    Args:
        beta: float >= 0 or a `Schedule`, the weight of the KL: 1 gives the bound of Kingma &
            Welling 2014 (eq. 3, https://arxiv.org/abs/1312.6114), others the beta-VAE of Higgins
            et al. 2017 (eq. 4, https://openreview.net/forum?id=Sy2fzU9gl).
        free_bits: float >= 0, nats: the batch mean of the KL is not pushed below it (Kingma et
            al. 2016, eq. 15, with all latent units in one group, https://arxiv.org/abs/1606.04934).

    Input shape:
        `Terms`.

    Output shape:
        `(B,)`, nats.

    Raises:
        ValueError: if an argument is negative.
    """

    def __init__(self, beta=1.0, free_bits=0.0, **kwargs):
        super().__init__(**kwargs)
        self.beta = schedules.get("beta", beta)
        self.free_bits = checks.number(
            "free_bits", free_bits, minimum=0, fix="Use 0 for the plain ELBO."
        )
        self.step = None
        if isinstance(self.beta, schedules.Schedule):
            self.step = self.add_weight(
                name="step", shape=(), dtype="int32", initializer="zeros", trainable=False
            )

    def call(self, terms, training=None):
        kl = terms.kl_estimate
        if self.free_bits:
            kl = ops.where(ops.mean(kl) > self.free_bits, kl, self.free_bits)
        loss = terms.reconstruction_loss + self._weight(training) * kl
        if training and self.step is not None:
            self.step.assign_add(1)
        return loss

    def report(self):
        return {} if self.step is None else {"beta": self._weight(training=True)}

    def _weight(self, training):
        if self.step is None:
            return self.beta
        return self.beta(self.step) if training else self.beta.final

    def get_config(self):
        beta = self.beta
        if isinstance(beta, schedules.Schedule):
            beta = keras.saving.serialize_keras_object(beta)
        return {**super().get_config(), "beta": beta, "free_bits": self.free_bits}


NAMES = {"elbo": ELBO}


def get(value):
    """Return the objective that a name, an instance or a config stands for."""
    return resolve("objective", value, Objective, NAMES)
