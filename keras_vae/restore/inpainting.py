"""Fill in what is missing of an example by what a VAE has learnt."""

import numpy as np
from keras import ops

from keras_vae import random
from keras_vae.bounds import check_batch, draws_that_fit
from keras_vae.checks import choice, integer, message
from keras_vae.training.ascent import climb

METHODS = ("gibbs", "gradient")
# Of the steps of the chain, those before each is accepted or not.
_FIRST_SHARE = 0.5
_LEARNING_RATE = 0.1


def inpaint(vae, x, mask, num_samples=1, method="gibbs", steps=100, seed=None):
    """Return examples whose missing elements are filled in, several times each.

    "gibbs" draws z given x, and what is missing given z, in turn (Rezende et al. 2014, appendix
    F, https://arxiv.org/abs/1401.4082), in the second half of the steps with the acceptance that
    makes its draws those of the model (Mattei & Frellsen 2018, algorithm 1,
    https://arxiv.org/abs/1802.04826). "gradient" looks for the z of the highest posterior density
    given what is there, from several starts. Filled in is the mean of p(x|z) for the last z.

    Args:
        vae: `VAE`.
        x: array `(N, *event)`; what it holds in missing places has no part in the result.
        mask: bool array, True where an element is missing: `(N, *event)`, or for all examples
            `(*event)` or, of images, `(H, W)`.
        num_samples: int >= 1, fillings of each example.
        method: "gibbs" or "gradient".
        steps: int >= 1.
        seed: None, int, or N row seeds (int32).

    Output shape:
        `(N, num_samples, *event)`, a NumPy array of float32. Known elements are those of x.

    Raises:
        ValueError: if the mask has another shape or nothing is known of an example, or an argument
            is out of its range.
    """
    integer("num_samples", num_samples, 1)
    integer("steps", steps, 1)
    choice("method", method, METHODS)
    x = np.asarray(x, "float32")
    mask = as_mask(mask, x.shape)
    # A known place may hold no value that the model has no place for; a missing one is not read.
    x = np.where(mask, np.float32(0.0), x)
    check_batch(vae, x)
    seeds = random.as_row_seeds(seed, len(x))
    seeds = np.stack([np.asarray(random.derived(seeds, i)) for i in range(num_samples)], axis=1)
    shape = (len(x), num_samples, *x.shape[1:])
    flat = [np.broadcast_to(part[:, None], shape).reshape(-1, *x.shape[1:]) for part in (x, mask)]
    rows, filled = max(1, draws_that_fit(vae)), []
    fill = _gibbs if method == "gibbs" else _gradient
    for start in range(0, len(flat[0]), rows):
        part = slice(start, start + rows)
        known, missing = (one[part] for one in flat)
        image = ops.convert_to_numpy(fill(vae, known, missing, seeds.reshape(-1)[part], steps))
        filled.append(np.where(missing, image, known))
    return np.concatenate(filled).reshape(shape)


def as_mask(mask, shape):
    """Return a mask for examples of a shape `(N, *event)`.

    Raises:
        ValueError: if it does not fit, or has no known element for one.
    """
    mask = np.asarray(mask)
    if mask.dtype != bool:
        raise ValueError(
            message("`mask` must be of bool, True where an element is missing", f"{mask.dtype}")
        )
    event = shape[1:]
    if len(event) == 3 and mask.shape == event[:2]:
        mask = mask[..., None]
    elif mask.shape not in (shape, event):
        shapes = [shape, event] + ([event[:2]] if len(event) == 3 else [])
        raise ValueError(
            message(f"`mask` must be of shape {' or '.join(map(str, shapes))}", f"{mask.shape}")
        )
    mask = np.broadcast_to(mask, shape)
    if mask.reshape(len(mask), -1).all(axis=1).any():
        raise ValueError(
            message(
                "`mask` must leave an element of each example known",
                "an example whose elements are all missing",
                "Draw new examples with generate.",
            )
        )
    return mask


def _start(vae, seeds):
    """Return draws of z from the prior."""
    return vae.prior.sample_rows(seeds, np.ones(len(seeds), "float32"))


def _gibbs(vae, known, missing, seeds, steps):
    z = _start(vae, seeds)
    first = round(_FIRST_SHARE * steps)
    for step in range(steps):
        drawn = random.derived(seeds, step)
        params = vae.params(z)
        x = ops.where(missing, vae.likelihood.sample(params, drawn), known)
        q = vae.encode(x)
        noise = random.normals(drawn, vae.latent_dim, stream=random.LATENT)[None]
        proposed = vae.posterior.sample(q, noise)[0][0]
        if step < first or step == 0:
            z = proposed
            continue
        ratio = _weight(vae, x, q, proposed) - _weight(vae, x, q, z)
        uniforms = random.uniforms(drawn, 1, stream=random.ACCEPTED)[:, 0]
        z = ops.where((ops.log(uniforms) < ratio)[:, None], proposed, z)
    return vae.decode(z)


def _weight(vae, x, q, z):
    """Return log p(x, z) - log q(z|x), `(B,)`."""
    log_px = vae.likelihood.log_prob(x, vae.params(z))
    return log_px + vae.prior.log_prob(z[None])[0] - vae.posterior.log_prob(q, z[None])[0]


def _gradient(vae, known, missing, seeds, steps):
    data = ops.convert_to_tensor(known), ops.cast(~missing, "float32")
    start = _start(vae, seeds)
    return vae.decode(climb(_log_density, vae, start, data, ops.array(steps), _LEARNING_RATE))


def _log_density(vae, z, data):
    """Return log p(z) + log p(x|z) of what is there, `(B,)`."""
    known, there = data
    each = vae.likelihood.element_log_prob(known, vae.params(z)) * there
    return ops.sum(each, axis=tuple(range(1, len(each.shape)))) + vae.prior.log_prob(z[None])[0]
