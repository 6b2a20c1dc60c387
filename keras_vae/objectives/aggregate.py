"""Objectives of the aggregate posterior q(z) = E_p(x)[q(z|x)], estimated from the batch."""

from keras import ops

from keras_vae import checks
from keras_vae.distributions import normal_log_prob
from keras_vae.objectives.base import Objective
from keras_vae.registry import register


@register
class BetaTC(Objective):
    """The KL in three parts, each with its weight: mutual information, total correlation, rest.

    KL(q(z|x) || p(z)) = log q(z|x)/q(z) + log q(z)/prod_d q(z_d) + log prod_d q(z_d)/p(z), in the
    mean over q (Chen et al. 2018, eq. 2, https://arxiv.org/abs/1802.04942). q(z) is estimated
    from the batch by stratified weights: 1/N for the example that z was drawn from, where N
    is `dataset_size`, and the rest in equal parts for the other examples.

    Args:
        dataset_size: int >= 2, the number of training examples, N.
        beta: float >= 0 or a `Schedule`, the weight of the total correlation.
        alpha: float >= 0, the weight of the mutual information.
        gamma: float >= 0, the weight of the dimension-wise KL.

    Raises:
        ValueError: if an argument is out of its range.
    """

    extra_names = ("mutual_information", "total_correlation", "dimension_wise_kl")
    needs_gaussian_posterior = True
    needs_factorized_prior = True

    def __init__(self, dataset_size=None, beta=6.0, alpha=1.0, gamma=1.0, **kwargs):
        super().__init__({"beta": beta}, **kwargs)
        self.dataset_size = checks.integer(
            "dataset_size",
            dataset_size,
            2,
            "Write BetaTC(dataset_size=data.num_train): the weights of the batch depend on it.",
        )
        self.alpha = checks.number("alpha", alpha, minimum=0)
        self.gamma = checks.number("gamma", gamma, minimum=0)

    def extra(self, terms):
        log_weights = self.log_weights(ops.shape(terms.z_mean)[0])[..., None]
        log_weights = ops.cast(log_weights, terms.z.dtype)
        # (K, i, j, D): draw i under the posterior of example j.
        each = normal_log_prob(terms.z[:, :, None], terms.z_mean, terms.z_log_var)
        log_q = ops.logsumexp(log_weights[..., 0] + ops.sum(each, axis=-1), axis=2)
        log_product = ops.sum(ops.logsumexp(log_weights + each, axis=2), axis=-1)
        parts = (terms.log_qz - log_q, log_q - log_product, log_product - terms.log_pz)
        means = (ops.mean(part, axis=0) for part in parts)
        return dict(zip(self.extra_names, means, strict=True))

    def log_weights(self, rows):
        """Return the log-weights of the posteriors of a batch in q(z): `(B, B)`, rows sum to one.

        Args:
            rows: int or scalar tensor, B.
        """
        rows = ops.cast(rows, "float32")
        own = ops.where(rows > 1, 1.0 / self.dataset_size, 1.0)
        other = (1.0 - 1.0 / self.dataset_size) / ops.maximum(rows - 1.0, 1.0)
        index = ops.arange(ops.cast(rows, "int32"))
        return ops.log(ops.where(index[:, None] == index, own, other))

    def call(self, terms, extra, training=None):
        information, correlation, rest = (extra[name] for name in self.extra_names)
        correlation = ops.multiply(self.value("beta", training), correlation)
        weighted = self.alpha * information + correlation
        return terms.reconstruction_loss + weighted + self.gamma * rest

    def get_config(self):
        names = ("dataset_size", "beta", "alpha", "gamma")
        return {**{name: getattr(self, name) for name in names}, **super().get_config()}


@register
class InfoVAE(Objective):
    """-E_q[log p(x|z)] + (1 - alpha) KL(q(z|x) || p(z)) + mmd_weight MMD(q(z), p(z)).

    Zhao et al. 2019, eq. 6, https://arxiv.org/abs/1706.02262, with mmd_weight for their
    alpha + lambda - 1. MMD is the squared maximum mean discrepancy, its unbiased estimate from
    the batch (Gretton et al. 2012, eq. 3, https://jmlr.org/papers/v13/gretton12a.html), with the
    kernel exp(-||z - z'||^2 / 2D).

    Args:
        alpha: float in [0, 1], the share of the KL that is left out; 1 gives the MMD-VAE.
        mmd_weight: float >= 0.

    Raises:
        ValueError: if an argument is out of its range.
    """

    extra_names = ("mmd",)
    wants_prior_draws = True

    def __init__(self, alpha=0.0, mmd_weight=10.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = checks.number("alpha", alpha, minimum=0, maximum=1)
        self.mmd_weight = checks.number("mmd_weight", mmd_weight, minimum=0)

    def extra(self, terms):
        prior = ops.broadcast_to(terms.z_prior, ops.shape(terms.z))
        mmd = _within(terms.z) + _within(prior) - 2.0 * _mean(_kernel(terms.z, prior))
        # One row alone has nothing to be compared with.
        mmd = ops.where(ops.shape(terms.z)[1] > 1, ops.mean(mmd), 0.0)
        return {"mmd": ops.broadcast_to(mmd, ops.shape(terms.log_px)[1:])}

    def call(self, terms, extra, training=None):
        kl = (1.0 - self.alpha) * terms.kl_estimate
        return terms.reconstruction_loss + kl + self.mmd_weight * extra["mmd"]

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha, "mmd_weight": self.mmd_weight}


@register
class DIP(Objective):
    """-ELBO + off_diagonal sum_i!=j C_ij^2 + diagonal sum_i (C_ii - 1)^2, C the means' covariance.

    DIP-VAE I of Kumar et al. 2018, eq. 6, https://arxiv.org/abs/1711.00848: the latent means of
    the batch are to be uncorrelated and of variance one.

    Args:
        off_diagonal: float >= 0, the weight of the covariances.
        diagonal: float >= 0, the weight of the variances.

    Raises:
        ValueError: if an argument is negative.
    """

    extra_names = ("dip",)
    needs_gaussian_posterior = True
    needs_factorized_prior = True

    def __init__(self, off_diagonal=10.0, diagonal=100.0, **kwargs):
        super().__init__(**kwargs)
        self.off_diagonal = checks.number("off_diagonal", off_diagonal, minimum=0)
        self.diagonal = checks.number("diagonal", diagonal, minimum=0)

    def extra(self, terms):
        centred = terms.z_mean - ops.mean(terms.z_mean, axis=0)
        rows = ops.cast(ops.shape(centred)[0], centred.dtype)
        covariance = ops.matmul(ops.transpose(centred), centred) / rows
        variances = ops.diagonal(covariance)
        correlated = ops.sum(ops.square(covariance)) - ops.sum(ops.square(variances))
        penalty = self.off_diagonal * correlated
        penalty = penalty + self.diagonal * ops.sum(ops.square(variances - 1.0))
        # One row alone has no covariance.
        penalty = ops.where(rows > 1, penalty, 0.0)
        return {"dip": ops.broadcast_to(penalty, ops.shape(terms.log_px)[1:])}

    def call(self, terms, extra, training=None):
        return terms.reconstruction_loss + terms.kl_estimate + extra["dip"]

    def get_config(self):
        own = {"off_diagonal": self.off_diagonal, "diagonal": self.diagonal}
        return {**super().get_config(), **own}


def _kernel(z, other):
    """Return the kernel between all rows of two sets `(K, B, D)`: `(K, B, B)`."""
    products = ops.matmul(z, ops.swapaxes(other, -1, -2))
    squares = ops.sum(ops.square(z), axis=-1)[..., :, None]
    distances = squares + ops.sum(ops.square(other), axis=-1)[..., None, :] - 2.0 * products
    return ops.exp(-distances / (2.0 * z.shape[-1]))


def _mean(kernel):
    return ops.mean(kernel, axis=(-2, -1))


def _within(z):
    """Return the mean kernel between different rows of a set `(K, B, D)`: `(K,)`."""
    kernel = _kernel(z, z)
    rows = ops.cast(ops.shape(z)[1], z.dtype)
    others = ops.sum(kernel, axis=(-2, -1)) - rows
    return others / ops.maximum(rows * (rows - 1.0), 1.0)
