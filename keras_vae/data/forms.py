"""What a training step is given in place of a batch."""

from typing import NamedTuple


class Places(NamedTuple):
    """Which images one batch or several are of, to be fetched by the step that takes them.

    Attributes:
        epoch: int64 scalar tensor.
        start: int64 scalar tensor, the position of the first image in the epoch.
        rows: int64 tensor `(N,)`, the rows of the store.
    """

    epoch: object
    start: object
    rows: object


class Share(NamedTuple):
    """What one of several replicas takes of a batch.

    Attributes:
        start: int64 scalar tensor, the position of its first example in the epoch.
        first: int64 scalar tensor, the rows of the batch before it.
        total: int64 scalar tensor, the rows of the whole batch.
        batch: x, or (x, y).
    """

    start: object
    first: object
    total: object
    batch: object


class Sharing(NamedTuple):
    """Which replicas of how many a process feeds.

    Attributes:
        replicas: list of ints, the numbers of those that are fed here, one after the other.
        count: int, all of them.
        worker: int, the number of this process.
        workers: int, how many processes there are.
    """

    replicas: list
    count: int
    worker: int = 0
    workers: int = 1

    def bounds(self, replica, total):
        """Return the first row of a replica in a batch of `total` rows, and the one after it."""
        return replica * total // self.count, (replica + 1) * total // self.count
