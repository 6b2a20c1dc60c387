"""Which devices and machines a model trains on: the names of distribution strategies."""

import contextlib
import faulthandler
import json
import os
import shutil
import sys
import warnings

import tensorflow as tf

from keras_vae.checks import choice, message
from keras_vae.meeting import meet

__all__ = ["get", "make_deterministic"]

NAMES = ("auto", "one", "mirrored", "multi_worker")
_MEETING_SECONDS = 300
_CONFIG, _SLURM = "TF_CONFIG", "SLURM_STEP_NUM_TASKS"
_EXAMPLE = (
    'Example: {"cluster": {"worker": ["host0:12345", "host1:12345"]}, '
    '"task": {"type": "worker", "index": 0}}. `keras-vae launch` sets it by itself.'
)


def get(name="auto", meeting_seconds=_MEETING_SECONDS):
    """Return the `tf.distribute.Strategy` of a name, under whose `scope()` a VAE is built.

    Call it before anything else of TensorFlow where there are several workers.

    Args:
        name: "one" is the default device; "mirrored" all accelerators of this machine, or its
            processor; "multi_worker" the workers of `TF_CONFIG` or of a SLURM step; "auto" the
            last of these that there are several of.
        meeting_seconds: float > 0, how long workers wait for each other at first.

    Raises:
        ValueError: if the workers are not described as they must be, or this one's port is taken.

    Example:

    >>> with get("one").scope():
    ...     print(tf.distribute.get_strategy().num_replicas_in_sync)
    1
    """
    choice("strategy", name, NAMES)
    resolver = _resolver() if name in ("auto", "multi_worker") else _passed_over(name)
    if name == "multi_worker" and resolver is None:
        raise ValueError(
            message(
                'strategy="multi_worker" needs workers',
                f"neither the environment variable {_CONFIG} nor a SLURM step",
                f"Use `keras-vae launch --workers 2 -- train ...` on one machine. {_EXAMPLE}",
            )
        )
    if resolver is not None and (name == "multi_worker" or _several(resolver)):
        return _multi_worker(resolver, meeting_seconds)
    if name == "mirrored" or (name == "auto" and len(tf.config.list_logical_devices("GPU")) > 1):
        return tf.distribute.MirroredStrategy(_devices())
    return tf.distribute.get_strategy()


def make_deterministic():
    """Let TensorFlow compute the same bits each time, on accelerators too, which is slower.

    Call it before anything else of TensorFlow.
    """
    tf.config.experimental.enable_op_determinism()


def _devices():
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name for device in found]


def _several(resolver):
    return len(_addresses(resolver)) > 1


def _addresses(resolver):
    spec = resolver.cluster_spec().as_dict()
    return [address for job in ("chief", "worker") for address in spec.get(job, [])]


def _resolver():
    """Return what describes the workers: `TF_CONFIG`, else SLURM; None without either."""
    text = os.environ.get(_CONFIG, "").strip()
    if text:
        check_config(text)
        return tf.distribute.cluster_resolver.TFConfigClusterResolver(rpc_layer="grpc")
    tasks = int(os.environ.get(_SLURM, 1))
    return _slurm(tasks) if tasks > 1 else None


def _passed_over(name):
    """Warn where there are other workers, which a strategy of one process leaves alone."""
    with contextlib.suppress(ValueError):
        resolver = _resolver()
        if resolver is not None and _several(resolver):
            warnings.warn(
                f"strategy={name!r} leaves the {len(_addresses(resolver))} workers of {_CONFIG} or "
                "SLURM alone: this process trains by itself, and those wait for it. "
                'strategy="auto" trains with them.',
                stacklevel=3,
            )


def _slurm(tasks):
    """Return the resolver of a SLURM step, which gives each task its share of a node's GPUs."""
    resolvers = tf.distribute.cluster_resolver
    if shutil.which("nvidia-smi"):
        found = resolvers.SlurmClusterResolver()
    else:
        # It numbers the tasks of a node by accelerators, also where there are none.
        found = resolvers.SlurmClusterResolver(
            gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False
        )
    cluster = found.cluster_spec()
    return resolvers.SimpleClusterResolver(
        cluster,
        task_type=found.task_type,
        task_id=found.task_id,
        rpc_layer="grpc",
        num_accelerators={"GPU": len(tf.config.list_physical_devices("GPU"))},
    )


def check_config(text):
    """Raise `ValueError` unless a text is a `TF_CONFIG` whose task can train.

    Args:
        text: str, JSON.
    """

    def refuse(received):
        raise ValueError(
            message(
                f"{_CONFIG} must describe the workers and which of them this is", received, _EXAMPLE
            )
        )

    try:
        config = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        refuse(f"text that is not JSON ({error})")
    if not isinstance(config, dict):
        refuse(repr(config)[:80])
    cluster, task = config.get("cluster"), config.get("task")
    if not isinstance(cluster, dict) or not (cluster.get("chief") or cluster.get("worker")):
        refuse(f"cluster={cluster!r}, which names no worker")
    # TensorFlow would wait for parameter servers, which have no part in this.
    others = sorted(set(cluster) - {"chief", "worker", "evaluator"})
    if others or len(cluster.get("chief") or ()) > 1:
        refuse(
            f"{', '.join(others)} in the cluster, where there are a chief and workers alone"
            if others
            else f"chief={cluster['chief']!r}, of which there is one at most"
        )
    for job, addresses in cluster.items():
        if not isinstance(addresses, list) or not all(map(_is_address, addresses)):
            refuse(f"{job}={addresses!r}, which are not all host:port")
    listed = [*cluster.get("chief", []), *cluster.get("worker", [])]
    if len(set(listed)) < len(listed):
        refuse(f"one address twice in {listed}")
    if not isinstance(task, dict) or not {"type", "index"} <= set(task):
        refuse(f"task={task!r}, without type and index")
    kind, index = task["type"], task["index"]
    if kind not in ("chief", "worker") or kind not in cluster:
        refuse(f"a task of type {kind!r}, where {', '.join(cluster)} are")
    if not str(index).isdecimal() or int(index) >= len(cluster[kind]):
        refuse(f"task {kind} {index!r}, where there are {len(cluster[kind])}")


def _is_address(value):
    port = value.rpartition(":")[2] if isinstance(value, str) else ""
    return port.isdecimal() and 0 < int(port) < 1 << 16


def _multi_worker(resolver, meeting_seconds):
    addresses = _addresses(resolver)
    own = resolver.cluster_spec().task_address(resolver.task_type, resolver.task_id)
    index = addresses.index(own)
    meet(addresses, index, meeting_seconds)
    if len(addresses) > 1 and index == 0:
        # If one is lost now, this process can say no more than where it waited.
        print(
            f"All {len(addresses)} workers have met. If one of them is lost before TensorFlow has "
            f"connected them, the others end after {meeting_seconds:g} s.",
            file=sys.stderr,
            flush=True,
        )
    with _bounded(meeting_seconds):
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)


@contextlib.contextmanager
def _bounded(seconds):
    """End this process unless what is within is done in time.

    A worker may be lost when all have met. TensorFlow waits for it in a call that holds the
    interpreter's lock, so that no Python thread and no signal handler would run.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
