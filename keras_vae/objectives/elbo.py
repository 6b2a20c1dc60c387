"""The evidence lower bound and the importance-weighted one."""

from keras import ops

from keras_vae import checks
from keras_vae.distributions import log_mean_exp
from keras_vae.objectives.base import Objective
from keras_vae.registry import register


@register
class ELBO(Objective):
    """-ELBO = -E_q[log p(x|z)] + beta KL(q(z|x) || p(z)).

    Args:
        beta: float >= 0 or a `Schedule`, the weight of the KL: 1 gives the bound of Kingma &
            Welling 2014 (eq. 3, https://arxiv.org/abs/1312.6114), others the beta-VAE of Higgins
            et al. 2017 (eq. 4, https://openreview.net/forum?id=Sy2fzU9gl).
        free_bits: float >= 0, nats: the batch mean of the KL is not pushed below it (Kingma et
            al. 2016, eq. 15, with all latent units in one group, https://arxiv.org/abs/1606.04934).
        capacity: None, float >= 0 or a `Schedule`, nats: in place of the KL, its distance from
            this is penalised (Burgess et al. 2018, eq. 8, https://arxiv.org/abs/1804.03599).

    Input shape:
        `Terms`.

    Output shape:
        `(B,)`, nats.

    Raises:
        ValueError: if an argument is negative, or free_bits and capacity are both given.
    """

    def __init__(self, beta=1.0, free_bits=0.0, capacity=None, **kwargs):
        scheduled = {"beta": beta} if capacity is None else {"beta": beta, "capacity": capacity}
        super().__init__(scheduled, **kwargs)
        if capacity is None:
            self.capacity = None
        self.free_bits = checks.number(
            "free_bits", free_bits, minimum=0, fix="Use 0 for the plain ELBO."
        )
        if self.free_bits and capacity is not None:
            raise ValueError(
                checks.message(
                    "Only one of `free_bits` and `capacity` can be given",
                    f"free_bits={free_bits!r}, capacity={capacity!r}",
                    "free_bits lets the KL fall to a floor, capacity holds it at a value.",
                )
            )

    def call(self, terms, extra, training=None):
        kl = terms.kl_estimate
        if self.free_bits:
            kl = ops.where(ops.mean(kl) > self.free_bits, kl, self.free_bits)
        if self.capacity is not None:
            kl = ops.abs(ops.subtract(kl, self.value("capacity", training)))
        return terms.reconstruction_loss + ops.multiply(self.value("beta", training), kl)

    def get_config(self):
        config = super().get_config()
        own = {name: getattr(self, name) for name in ("beta", "free_bits", "capacity")}
        return {**own, **config}


@register
class IWAE(Objective):
    """The importance-weighted bound: -log 1/K sum_k p(x, z_k) / q(z_k|x).

    Burda et al. 2016, eq. 8, https://arxiv.org/abs/1509.00519. With one draw it is -ELBO, the KL
    estimated from that draw.

    Args:
        num_samples: int >= 1, K, the draws of z for each example.
        doubly_reparameterized: bool, whether the encoder's gradient is the one of Tucker et al.
            2019, eq. 8, https://arxiv.org/abs/1810.04152: the weights squared, and no gradient
            through the parameters of q in log q(z|x). It has less noise where K is large.

    Raises:
        ValueError: if `num_samples` is below 1.
    """

    def __init__(self, num_samples=5, doubly_reparameterized=False, **kwargs):
        super().__init__(**kwargs)
        self.num_samples = checks.integer("num_samples", num_samples, 1)
        self.doubly_reparameterized = bool(doubly_reparameterized)
        self.weighs_latent_gradient = self.doubly_reparameterized
        self.needs_gaussian_posterior = self.doubly_reparameterized

    def call(self, terms, extra, training=None):
        return -log_mean_exp(terms.log_weights)

    def latent_gradient_weight(self, terms):
        """Return what the gradient on each z is multiplied with on its way to the encoder.

        The loss gives each z its normalised weight; the estimator wants its square.

        Args:
            terms: `Terms` of K draws and B examples.

        Output shape:
            `(K, B)`.
        """
        return ops.stop_gradient(ops.softmax(terms.log_weights, axis=0))

    def get_config(self):
        own = {
            "num_samples": self.num_samples,
            "doubly_reparameterized": self.doubly_reparameterized,
        }
        return {**super().get_config(), **own}
