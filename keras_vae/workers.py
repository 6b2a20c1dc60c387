"""The processes that train one model together: what they tell each other between the steps."""

import contextlib
import functools
import json
import time

import numpy as np
import tensorflow as tf

from keras_vae.checks import message

_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)
# What TensorFlow says of another worker, and not of this one.
_SIGNS = ("collective", "coordination", "heartbeat", "grpc", "socket", "/job:", "unhealthy")
# Workers ask each other so often, since each asking costs a message to and fro.
_ASKING_SECONDS = 0.5
_WORD = np.dtype("<i8")


class WorkerLostError(RuntimeError):
    """Another worker of a training no longer answers."""


class Workers:
    """The workers of a distribution strategy; one alone where a process trains by itself.

    What several workers ask each other, all of them must ask, at the same step and in one order.

    Args:
        strategy: `tf.distribute.Strategy`.

    Attributes:
        count: int, workers.
        index: int, which of them this process is.
    """

    def __init__(self, strategy):
        self._strategy = strategy
        resolver = strategy.cluster_resolver
        cluster = {} if resolver is None else resolver.cluster_spec().as_dict()
        jobs = ("chief", "worker")
        tasks = [(job, task) for job in jobs for task in range(len(cluster.get(job, ())))]
        self.count = max(1, len(tasks))
        several = self.count > 1
        self.index = tasks.index((resolver.task_type, resolver.task_id)) if several else 0

    @property
    def is_chief(self):
        """Whether this is the worker that writes."""
        return self.index == 0

    @contextlib.contextmanager
    def answering(self):
        """Raise `WorkerLostError` where TensorFlow says that another worker does not answer."""
        try:
            yield
        except _LOST as error:
            text = str(error).strip() or type(error).__name__
            if self.count == 1 or not any(sign in text.lower() for sign in _SIGNS):
                raise
            lines = text.splitlines()
            cause = next((line for line in lines if "aborted" in line.lower()), lines[0])
            raise WorkerLostError(
                f"Worker {self.index} of {self.count} has lost another one: {cause.strip()}. See "
                "what that one says, and start all workers again with the same command and "
                "--resume (in Python: with the same Checkpoint)."
            ) from error

    def gather(self, value):
        """Return the JSON values of all workers, in their order."""
        if self.count == 1:
            return [value]
        text = json.dumps(value).encode()
        sizes = self._sum(self._own_row([len(text)]))[:, 0]
        room = np.zeros(-(-int(sizes.max()) // _WORD.itemsize) * _WORD.itemsize, np.uint8)
        room[: len(text)] = np.frombuffer(text, np.uint8)
        rows = self._sum(self._own_row(room.view(_WORD)))
        texts = [row.tobytes()[:size] for row, size in zip(rows, sizes, strict=True)]
        return [json.loads(text) for text in texts]

    def from_chief(self, ask):
        """Return what the function `ask` returns on the chief, a JSON value; it runs there alone.

        Raises:
            ValueError, OSError: what it raises on the chief, on every worker.
        """
        return self._together(ask if self.is_chief else None)[0]

    def chief_first(self, ask):
        """Return what the function `ask` returns here, on the chief before it is called elsewhere.

        Raises:
            ValueError, OSError: what it raises on one of the workers, on every worker.
        """
        found = []
        for is_turn in (self.is_chief, not self.is_chief):
            self.each(lambda is_turn=is_turn: found.append(ask()) if is_turn else None)
        return found[0]

    def each(self, ask):
        """Return what the function `ask` returns here, unless it fails on a worker.

        Raises:
            ValueError, OSError: what it raises on one of the workers, on every worker.
        """
        found = []
        self._together(lambda: found.append(ask()))
        return found[0]

    def _together(self, ask):
        error = value = None
        try:
            value = None if ask is None else ask()
        except (ValueError, OSError) as raised:
            error = raised
        answers = self.gather([value, None if error is None else str(error)])
        if error is not None:
            raise error
        for index, (_, text) in enumerate(answers):
            if text is not None:
                raise ValueError(f"Worker {index} of {self.count} says: {text}")
        return [value for value, _ in answers]

    def check_same(self, values, what, fix):
        """Raise `ValueError` on every worker unless all of them have the same `values`.

        Args:
            values: dict of JSON values.
            what: str, what they are.
            fix: str, what an error tells to do.
        """
        found = self.gather(values)
        for index, others in enumerate(found):
            differing = [name for name in found[0] if found[0][name] != others.get(name)]
            if differing:
                raise ValueError(
                    message(
                        f"All workers must have the same {what}",
                        ", ".join(
                            f"{name} {found[0][name]!r} of worker 0 and {others.get(name)!r} of "
                            f"worker {index}"
                            for name in differing
                        ),
                        fix,
                    )
                )

    def share_arrays(self, arrays):
        """Return the chief's NumPy arrays on every worker.

        Args:
            arrays: list of them on the chief, None elsewhere.
        """
        if self.count == 1:
            return arrays
        forms = [[array.dtype.str, array.shape] for array in arrays or ()]
        shared = []
        for place, (kind, shape) in enumerate(self.gather(forms)[0]):
            size = int(np.prod(shape)) * np.dtype(kind).itemsize
            room = np.zeros(-(-size // _WORD.itemsize) * _WORD.itemsize, np.uint8)
            if self.is_chief:
                room[:size] = np.frombuffer(arrays[place].tobytes(), np.uint8)
            words = self._sum(room.view(_WORD))
            shared.append(np.frombuffer(words.tobytes()[:size], kind).reshape(shape))
        return shared

    def _own_row(self, values):
        rows = np.zeros((self.count, len(values)), _WORD)
        rows[self.index] = values
        return rows

    def _sum(self, values):
        """Return the sum over the workers of an int64 array, of the same shape on each."""
        with self.answering():
            return self._summing(tf.constant(values.ravel())).numpy().reshape(values.shape)

    @functools.cached_property
    def _summing(self):
        local = self._strategy.num_replicas_in_sync // self.count

        def add(values):
            context = tf.distribute.get_replica_context()
            # One of the replicas of each worker speaks for it.
            speaks = tf.equal(tf.math.floormod(context.replica_id_in_sync_group, local), 0)
            values = tf.where(speaks, values, tf.zeros_like(values))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, values)

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.int64)], autograph=False)
        def summing(values):
            found = self._strategy.run(add, args=(values,))
            return self._strategy.experimental_local_results(found)[0]

        return summing


class Asking:
    """When workers ask each other in the course of a training: all of them at the same calls.

    Args:
        workers: `Workers`.
    """

    def __init__(self, workers):
        self._workers = workers
        self._calls = self._next = self._last = 0
        self._since = time.monotonic()

    def highest(self, wish):
        """Return the highest wish of all workers when they ask, else 0; at once in a lone process.

        Every worker must call it equally often.

        Args:
            wish: int >= 0, or bool.
        """
        self._calls += 1
        if self._workers.count == 1:
            return wish
        if self._calls < self._next:
            return 0
        seconds = (time.monotonic() - self._since) / (self._calls - self._last)
        wishes, paces = zip(*self._workers.gather([int(wish), seconds]), strict=True)
        self._next = self._calls + max(1, int(_ASKING_SECONDS / max(*paces, 1e-6)))
        self._last, self._since = self._calls, time.monotonic()
        return max(wishes)
