"""The aggregate posterior q(z) = 1/N sum_n q(z|x_n) of N examples, and its distance to p(z)."""

import numpy as np
from keras import ops

from keras_vae import random
from keras_vae.priors import StandardNormal

# So many pairs (draw, example) at a time: some hundred megabytes.
_PAIRS = 8_000_000
# What single units show, so many examples show.
_MARGINALS = 2000
# Nats from log N within which an estimate of the information says little.
_NEAR = 1.0


def measures(vae, z_mean, z_log_var, seeds):
    """Split the KL into what z tells of x and how far q(z) lies from the prior.

    E KL(q(z|x) || p(z)) = I(x; z) + KL(q(z) || p(z)) (Hoffman & Johnson 2016, eq. 7,
    http://approximateinference.org/accepted/HoffmanJohnson2016.pdf), from one draw of z for each
    example. N examples show no more than log N nats of I: where the estimate comes near that, the
    truth is higher, and KL(q(z) || p(z)) lower.

    Args:
        vae: `VAE`.
        z_mean, z_log_var: arrays `(N, D)`.
        seeds: int32 array `(N,)`, the row seeds of the draws.

    Returns:
        dict, in nats: `mutual_information`, `marginal_kl`; where the prior's units are independent
        `dimension_wise_kl`, sum_d KL(q(z_d) || p(z_d)), the part of `marginal_kl` that single
        units show, which few examples tell well; `aggregate_note` where log N is near. Of a
        posterior with a flow, whose density at all z_n it would take, the note alone.
    """
    if not vae.posterior.is_gaussian:
        return {
            "aggregate_note": "mutual_information and marginal_kl are measured where q(z|x) is "
            "normal, and not through a flow."
        }
    # In float32 far means would round z, and with it the information, to more than log N.
    z_mean, z_log_var = (np.asarray(value, "float64") for value in (z_mean, z_log_var))
    noise = ops.convert_to_numpy(random.normals(seeds, z_mean.shape[-1]))
    z = z_mean + np.exp(0.5 * z_log_var) * noise
    log_q = log_density(z, z_mean, z_log_var)
    own = -0.5 * np.sum(np.log(2.0 * np.pi) + z_log_var + noise**2, axis=-1)
    log_p = np.concatenate(
        [
            ops.convert_to_numpy(vae.prior.log_prob(z[start : start + 1000].astype("float32")))
            for start in range(0, len(z), 1000)
        ]
    )
    found = {
        "mutual_information": float(np.mean(own - log_q)),
        "marginal_kl": float(np.mean(log_q - log_p)),
    }
    if isinstance(vae.prior, StandardNormal):
        few = slice(None, _MARGINALS)
        found["dimension_wise_kl"] = _dimension_wise_kl(z[few], z_mean[few], z_log_var[few])
    if found["mutual_information"] > np.log(len(z)) - _NEAR:
        found["aggregate_note"] = (
            f"mutual_information is near log {len(z)} = {np.log(len(z)):.2f}, the most that "
            f"{len(z)} examples can show: the truth is higher, and marginal_kl lower."
        )
    return found


def _dimension_wise_kl(z, z_mean, z_log_var):
    """Return sum_d KL(q(z_d) || N(0, 1)) from draws z `(N, D)` of as many posteriors."""
    total = 0.0
    for unit in range(z.shape[-1]):
        column = slice(unit, unit + 1)
        log_q = log_density(z[:, column], z_mean[:, column], z_log_var[:, column])
        log_p = -0.5 * (np.log(2.0 * np.pi) + z[:, unit] ** 2)
        total += float(np.mean(log_q - log_p))
    return total


def log_density(z, z_mean, z_log_var):
    """Return log q(z) of the aggregate posterior of N examples in nats.

    Args:
        z: array `(M, D)`.
        z_mean, z_log_var: arrays `(N, D)`.

    Output shape:
        `(M,)`, a NumPy array of float64.
    """
    z, z_mean, z_log_var = (np.asarray(value, "float64") for value in (z, z_mean, z_log_var))
    precisions = np.exp(-z_log_var)
    constants = -0.5 * np.sum(
        np.log(2.0 * np.pi) + z_log_var + precisions * z_mean**2, axis=-1
    ) - np.log(len(z_mean))
    rows = max(1, _PAIRS // len(z_mean))
    found = []
    for start in range(0, len(z), rows):
        part = z[start : start + rows]
        cross = part @ (precisions * z_mean).T - 0.5 * part**2 @ precisions.T
        found.append(np.logaddexp.reduce(cross + constants, axis=-1))
    return np.concatenate(found)
