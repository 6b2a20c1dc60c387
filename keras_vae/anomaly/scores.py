"""How abnormal an example is: what is measured of it, and what was learnt from normal ones."""

import abc

import numpy as np

from keras_vae.checks import choice

DRAWS, _MANY_DRAWS = 16, 100
_REFERENCES = 20_000
# A distance is none where it is so small a part of the next one.
_SAME = 1e-3
# The standard normal distribution has this share of its probability below one standard deviation.
_ONE_DEVIATION = 0.8413


class Score(abc.ABC):
    """Base class of the scores; more is more abnormal.

    Attributes:
        in_graph: bool, whether it can be computed from what an exported `score` gives.
    """

    in_graph = False

    @abc.abstractmethod
    def measure(self, view):
        """Return what the score is made of, `(B, W)` float64, for a `View` of B examples.

        Args:
            view: `View` of B examples, which computes what scores share once.
        """

    def fit(self, measured):
        """Learn from what was measured of normal examples, `(N, W)`; by default nothing."""
        del measured

    @abc.abstractmethod
    def score(self, measured):
        """Return the scores `(N,)` of what was measured, `(N, W)`.

        Args:
            measured: float64 array `(N, W)`.
        """

    def from_graph(self, outputs):
        """Return the score of the outputs of an exported `score`, a dict of tensors `(B,)`.

        Args:
            outputs: dict from name to tensor `(B,)`, in nats.
        """
        raise NotImplementedError(f"{name_of(self)} is not in_graph.")

    def state(self):
        """Return what was learnt, a dict of arrays."""
        return {}

    def restore(self, state):
        """Take over what `state` gave.

        Args:
            state: dict of NumPy arrays.
        """
        del state


class _OneNumber(Score):
    """A score that is measured as it is."""

    def score(self, measured):
        return measured[:, 0]


class NegativeElbo(_OneNumber):
    """-ELBO in nats, from 16 draws of z (Kingma & Welling 2014, eq. 3).

    What a likelihood misses: simple examples are likely without being normal (Nalisnick et al.
    2019, https://arxiv.org/abs/1810.09136).
    """

    in_graph = True

    def measure(self, view):
        found = view.bounds(DRAWS)
        return (found.kl - found.log_px)[:, None]

    def from_graph(self, outputs):
        return outputs["negative_elbo"]


class ImportanceWeighted(_OneNumber):
    """-log p(x) in nats, importance-weighted, from 100 draws (Burda et al. 2016, eq. 8)."""

    def measure(self, view):
        return -view.bounds(_MANY_DRAWS).log_prob[:, None]


class ReconstructionError(_OneNumber):
    """-E[log p(x|z)] over q(z|x) in nats, from 16 draws (An & Cho 2015, algorithm 4)."""

    in_graph = True

    def measure(self, view):
        return -view.bounds(DRAWS).log_px[:, None]

    def from_graph(self, outputs):
        return outputs["reconstruction_loss"]


class Typicality(NegativeElbo):
    """How far the -ELBO lies from its mean over normal examples, on either side, in nats.

    The test of the typical set for one example (Nalisnick et al. 2019, eq. 3,
    https://arxiv.org/abs/1906.02994).
    """

    center = None

    def fit(self, measured):
        self.center = float(measured.mean())

    def score(self, measured):
        return np.abs(measured[:, 0] - self.center)

    def from_graph(self, outputs):
        return abs(outputs["negative_elbo"] - self.center)

    def state(self):
        return {"center": np.array(self.center)}

    def restore(self, state):
        self.center = float(state["center"])


class Complexity(_OneNumber):
    """-ELBO less the length of the image's code as a PNG file, in nats.

    What a general compressor needs many bits for is allowed a low likelihood, and a simple image is
    not (Serra et al. 2020, eq. 1, https://arxiv.org/abs/1909.11480).
    """

    def measure(self, view):
        return NegativeElbo().measure(view) - view.code_length[:, None]


class _Neighbors(Score):
    """The mean distance from the nearest among up to 20,000 normal examples."""

    _metric, _count = None, None
    _neighbors = None

    def fit(self, measured):
        rows = np.arange(len(measured))
        if len(rows) > _REFERENCES:
            rows = np.sort(np.random.default_rng(0).permutation(len(rows))[:_REFERENCES])
        self._index(measured[rows])

    def _index(self, references):
        from sklearn.neighbors import NearestNeighbors

        self.references = references
        self._neighbors = NearestNeighbors(metric=self._metric, algorithm="brute").fit(references)

    def score(self, measured):
        wanted = min(self._count + 1, len(self.references))
        distances = self._neighbors.kneighbors(measured, wanted)[0]
        # One that is as good as the example itself says nothing: so the examples that it was fitted
        # to are judged as others are.
        nearest, others = distances[:, : self._count], distances[:, 1:]
        if not others.size:
            return nearest.mean(axis=1)
        is_itself = distances[:, 0] <= _SAME * distances[:, 1]
        return np.where(is_itself, others.mean(axis=1), nearest.mean(axis=1))

    def state(self):
        return {"references": self.references}

    def restore(self, state):
        self._index(state["references"])


class LatentNeighbors(_Neighbors):
    """The mean cosine distance of z from its 5 nearest among up to 20,000 normal examples."""

    _metric, _count = "cosine", 5

    def measure(self, view):
        return view.z.astype("float64")


class RowNeighbors(_Neighbors):
    """The mean L1 distance of a row from its 10 nearest, in the features that the model sees.

    L1, since one column that is far out should not outweigh all others together.
    """

    _metric, _count = "manhattan", 10

    def measure(self, view):
        return view.features.astype("float64")


class Combined(Score):
    """What is unlikely and, twice, what is unlike: two scores in units of their own spread.

    Of images `Complexity` and twice `LatentNeighbors`, of other examples `NegativeElbo` and twice
    `RowNeighbors`. A score is counted from its median over normal examples, in units of the
    distance from there to the quantile one standard deviation above. The parts and their weights
    are those that found held-out classes of training images best: docs/uses.md has the numbers.
    """

    _WEIGHTS = np.array([1.0, 2.0])

    _parts = None

    def measure(self, view):
        self._parts = self._parts or self._parts_for(len(view.vae.event_shape) == 3)
        return np.concatenate([part.measure(view) for part in self._parts], axis=1)

    def fit(self, measured):
        self.centers, self.spreads = np.zeros(2), np.ones(2)
        for index, (part, own) in enumerate(self._split(measured)):
            part.fit(own)
            values = part.score(own)
            self.centers[index] = np.median(values)
            spread = np.quantile(values, _ONE_DEVIATION) - self.centers[index]
            self.spreads[index] = spread if spread > 0 else 1.0

    def score(self, measured):
        values = [part.score(own) for part, own in self._split(measured)]
        return ((np.stack(values, axis=1) - self.centers) / self.spreads) @ self._WEIGHTS

    def _split(self, measured):
        return zip(self._parts, (measured[:, :1], measured[:, 1:]), strict=True)

    @staticmethod
    def _parts_for(images):
        return (Complexity(), LatentNeighbors()) if images else (NegativeElbo(), RowNeighbors())

    def state(self):
        own = {"centers": self.centers, "spreads": self.spreads}
        first, neighbors = self._parts
        return {**own, **neighbors.state(), "images": np.array(isinstance(first, Complexity))}

    def restore(self, state):
        self._parts = self._parts_for(bool(state["images"]))
        self._parts[1].restore(state)
        self.centers, self.spreads = state["centers"], state["spreads"]


SCORES = {
    "combined": Combined,
    "negative_elbo": NegativeElbo,
    "importance_weighted": ImportanceWeighted,
    "reconstruction_error": ReconstructionError,
    "typicality": Typicality,
    "complexity": Complexity,
    "latent_neighbors": LatentNeighbors,
    "row_neighbors": RowNeighbors,
}


def get(name):
    """Return a new score of that name, not fitted.

    Args:
        name: str, one of `SCORES`.
    """
    return SCORES[choice("criterion", name, SCORES)]()


def name_of(score):
    """Return the name by which `get` gives such a score."""
    return next(name for name, kind in SCORES.items() if kind is type(score))
