"""Annealed importance sampling: bounds on log p(x) from both sides.

A path leads from q(z|x) to p(z|x), f_b = q(z|x) (p(x, z) / q(z|x))^b for b from 0 to 1, with
Hamiltonian Monte Carlo at each step (Neal 2001, https://arxiv.org/abs/physics/9803008; Wu et al.
2017, https://arxiv.org/abs/1611.04273). It runs in the noise from which q(z|x) makes z, where q
is the standard normal distribution, whatever the posterior.
"""

from typing import NamedTuple

import numpy as np
from keras import ops

from keras_vae import bounds, random
from keras_vae.checks import integer, message

# Examples that are annealed side by side, and the chains of each, where memory allows. Always as
# many examples, so that the numbers of one do not depend on how many there are.
_ROWS, _CHAINS = 50, 32
_LEAPFROGS = 10
_FIRST_STEP, _TARGET_ACCEPTANCE = 0.1, 0.65
_PILOT_CHAINS = 2
# What momenta and acceptances are drawn from, by the chains themselves and by those that set the
# sizes of their moves.
_OWN = random.MOMENTA, random.ACCEPTED
_PILOT = random.PILOT_MOMENTA, random.PILOT_ACCEPTED


class Annealed(NamedTuple):
    """What annealing gives for B examples, each `(B,)` float64.

    Attributes:
        log_prob: a bound on log p(x) in nats: from below, or from above if reversed.
        effective_samples: (sum w)^2 / sum w^2 of the chains' weights w.
        acceptance: the share of the proposals that were accepted.
    """

    log_prob: np.ndarray
    effective_samples: np.ndarray
    acceptance: np.ndarray


def lower_bound(vae, x, num_steps=100, num_chains=16, seed=None):
    """Return a lower bound on log p(x) of each example.

    With enough steps it is tighter than that of as much work with importance weights.

    The mean of the chains' weights is an unbiased estimate of p(x), so that its logarithm is a
    lower bound in the mean (Neal 2001, eq. 11; Burda et al. 2015,
    https://arxiv.org/abs/1412.8566). The sizes of the moves are set by chains of their own.

    Args:
        vae: `VAE`.
        x: array `(B, *event)`.
        num_steps: int >= 1, the steps of the path.
        num_chains: int >= 1, chains for each example.
        seed: None, int, or B row seeds (int32).

    Returns:
        `Annealed`.

    Raises:
        ValueError: if a number is below 1, or x does not fit the model.
    """
    return _in_parts(vae, x, None, num_steps, num_chains, seed)


def upper_bound(vae, x, z, num_steps=100, num_chains=16, seed=None):
    """Return an upper bound on log p(x) of each example, given an exact draw of p(z|x).

    Such a draw is the z that x was simulated from (Grosse et al. 2015,
    https://arxiv.org/abs/1511.02543); of real data none is known. The path is that of
    `lower_bound`, in the other direction.

    Args:
        vae: `VAE`.
        x: array `(B, *event)`, simulated from the model.
        z: array `(B, D)`, drawn from p(z|x).
        num_steps: int >= 1, the steps of the path.
        num_chains: int >= 1, chains for each example, all from its z.
        seed: None, int, or B row seeds (int32).

    Returns:
        `Annealed`.

    Raises:
        ValueError: if a number is below 1, or x and z do not fit the model.
    """
    x, z = bounds.check_batch(vae, x), np.asarray(z, "float32")
    if z.shape != (len(x), vae.latent_dim):
        raise ValueError(
            message(
                f"`z` must have shape {(len(x), vae.latent_dim)}, a draw for each example",
                f"shape {z.shape}",
                "Simulate both: x, z = vae.simulate(n).",
            )
        )
    if not np.isfinite(z).all():
        raise ValueError(message("`z` must be finite numbers", "NaN or infinity"))
    return _in_parts(vae, x, z, num_steps, num_chains, seed)


def _in_parts(vae, x, z, num_steps, num_chains, seed):
    integer("num_steps", num_steps, 1)
    integer("num_chains", num_chains, 1)
    x = bounds.check_batch(vae, x)
    seeds = random.as_row_seeds(seed, len(x))
    parts = []
    draws = bounds.draws_that_fit(vae)
    rows_at_once = max(1, min(_ROWS, draws // _PILOT_CHAINS))
    chains_at_once = max(1, min(_CHAINS, draws // rows_at_once))
    for start in range(0, len(x), rows_at_once):
        rows = np.arange(start, start + rows_at_once) % len(x)
        noise = None if z is None else _noise_of(vae, x[rows], z[rows])
        # What is NaN is refused at the end.
        with np.errstate(invalid="ignore"):
            path = _Path(vae, x[rows], seeds[rows], num_steps, chains_at_once)
            parts.append(np.stack(path.run(num_chains, noise))[:, : len(x) - start])
    found = Annealed(*np.concatenate(parts, axis=-1))
    bounds.refuse_nan(found.log_prob)
    return found


def _noise_of(vae, x, z):
    """Return the noise `(B, D)` from which q(z|x) makes z."""
    return ops.convert_to_numpy(vae.posterior.noise_of(vae.encode(x), z))


class _Path:
    """The way between q(z|x) and p(z|x) for a batch, with the sizes of the moves on it."""

    def __init__(self, vae, x, seeds, num_steps, chains_at_once):
        self.vae, self.x, self.seeds = vae, x, seeds
        self.chains_at_once = chains_at_once
        # Dense at both ends, where the distributions change fastest (Wu et al. 2017, section 3).
        curve = 1.0 / (1.0 + np.exp(-np.linspace(-4.0, 4.0, num_steps + 1)))
        self.betas = (curve - curve[0]) / (curve[-1] - curve[0])
        self.sizes = self._pilot()

    def run(self, num_chains, noise=None):
        """Return the fields of `Annealed`; with noise of an exact draw, from there backwards."""
        chains = np.arange(num_chains, dtype=np.int32)
        firsts = range(0, num_chains, self.chains_at_once)
        groups = [chains[first : first + self.chains_at_once] for first in firsts]
        found = [self._run(group, num_chains, noise) for group in groups]
        total, accepted = (np.concatenate(parts) for parts in zip(*found, strict=True))
        log_sum = np.logaddexp.reduce(total, axis=0)
        log_square = np.logaddexp.reduce(2.0 * total, axis=0)
        log_prob = (1.0 if noise is None else -1.0) * (log_sum - np.log(num_chains))
        return log_prob, np.exp(2.0 * log_sum - log_square), accepted.mean(axis=0)

    def _run(self, chains, stride, noise):
        """Return log-weights and shares of accepted moves, `(K, B)`, of chains of these numbers."""
        steps = range(1, len(self.betas))
        if noise is None:
            noise = self._draw(random.LATENT, chains)
            sign = 1.0
        else:
            noise = np.repeat(noise[None], len(chains), axis=0)
            steps, sign = reversed(steps), -1.0
        total, accepted = 0.0, 0.0
        state = self._evaluate(noise)
        for step in steps:
            change = sign * (self.betas[step] - self.betas[step - 1])
            samples = chains + step * stride
            if sign < 0:
                # Backwards the move comes first, at the end of the path that the step leaves.
                state, was_accepted = self._move(state, step, self.sizes[step], samples, _OWN)
            total = total + change * state.log_weights
            if sign > 0:
                state, was_accepted = self._move(state, step, self.sizes[step], samples, _OWN)
            accepted = accepted + was_accepted
        return total, accepted / (len(self.betas) - 1)

    def _pilot(self):
        """Return the size of the moves at each step and example, `(steps + 1, B)`."""
        size = np.full(len(self.x), _FIRST_STEP)
        sizes = [size]
        chains = np.arange(_PILOT_CHAINS, dtype=np.int32)
        state = self._evaluate(self._draw(random.PILOT_MOMENTA, chains))
        for step in range(1, len(self.betas)):
            samples = chains + step * _PILOT_CHAINS
            state, accepted = self._move(state, step, size, samples, _PILOT)
            grows = accepted.mean(axis=0) - _TARGET_ACCEPTANCE
            size = np.clip(size * np.exp(0.2 * grows), 1e-4, 1.0)
            sizes.append(size)
        return sizes

    def _move(self, state, step, size, samples, streams):
        """Make one Hamiltonian move that leaves the distribution at a step as it is."""
        beta, size = self.betas[step], size[None, :, None]
        momentum = self._draw(streams[0], samples)
        start = self._energy(state, beta, momentum)
        proposal = state
        for _ in range(_LEAPFROGS):
            momentum = momentum - 0.5 * size * self._slope(proposal, beta)
            proposal = self._evaluate(proposal.noise + size * momentum)
            momentum = momentum - 0.5 * size * self._slope(proposal, beta)
        change = start - self._energy(proposal, beta, momentum)
        # Where a move leaves the numbers that float32 has, it is not accepted.
        chance = np.exp(np.minimum(np.nan_to_num(change, nan=-np.inf), 0.0))
        uniforms = random.uniforms(self.seeds, 1, samples, stream=streams[1])
        accepted = ops.convert_to_numpy(uniforms)[..., 0] < chance
        return state.where(accepted, proposal), accepted

    def _draw(self, stream, samples):
        draws = random.normals(self.seeds, self.vae.latent_dim, samples, stream=stream)
        return ops.convert_to_numpy(draws)

    def _evaluate(self, noise):
        noise = noise.astype("float32")
        found = self.vae.log_weights_and_slope(self.x, noise)
        log_weights, slope = (ops.convert_to_numpy(value) for value in found)
        return _State(noise, log_weights.astype("float64"), slope)

    def _energy(self, state, beta, momentum):
        squares = np.sum(state.noise.astype("float64") ** 2 + momentum**2, axis=-1)
        return 0.5 * squares - beta * state.log_weights

    def _slope(self, state, beta):
        return state.noise - beta * state.slope


class _State(NamedTuple):
    """Where the chains are: noise `(K, B, D)`, log-weights `(K, B)` and their slope there."""

    noise: np.ndarray
    log_weights: np.ndarray
    slope: np.ndarray

    def where(self, accepted, other):
        """Return the other state where it was accepted, and this elsewhere."""
        return _State(
            *(
                np.where(accepted if old.ndim == 2 else accepted[..., None], new, old)
                for old, new in zip(self, other, strict=True)
            )
        )
