"""What describes workers is checked before they wait for each other."""

import concurrent.futures
import contextlib
import json
import socket
import time

import pytest
from conftest import free_addresses

from keras_vae import meeting, strategies
from keras_vae.meeting import meet

WORKERS = {"worker": ["host0:12345", "host1:12345"]}
TASK = {"type": "worker", "index": 1}


def test_a_chief_and_workers_are_taken():
    cluster = {"chief": ["10.0.0.1:2222"], "worker": ["host:2222"], "evaluator": ["e:1"]}
    strategies.check_config(json.dumps({"cluster": cluster, "task": {"type": "chief", "index": 0}}))
    strategies.check_config(json.dumps({"cluster": WORKERS, "task": {**TASK, "index": "1"}}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[1]", "[1]"),
        (json.dumps({"task": TASK}), "names no worker"),
        (json.dumps({"cluster": {"ps": ["host:1"]}, "task": TASK}), "names no worker"),
        (json.dumps({"cluster": {"worker": ["h:1"], "ps": ["h:2"]}, "task": TASK}), "ps in the cl"),
        (json.dumps({"cluster": {"chief": ["h:1", "h:2"]}, "task": TASK}), "one at most"),
        ("[" * 100_000, "not JSON"),
        (json.dumps({"cluster": {"worker": "host:1"}, "task": TASK}), "not all host:port"),
        (json.dumps({"cluster": {"worker": ["host"]}, "task": TASK}), "not all host:port"),
        (json.dumps({"cluster": {"worker": ["h:65536"]}, "task": TASK}), "not all host:port"),
        (json.dumps({"cluster": {"worker": ["h:1", "h:1"]}, "task": TASK}), "one address twice"),
        (json.dumps({"cluster": WORKERS}), "without type and index"),
        (json.dumps({"cluster": WORKERS, "task": {"type": "worker"}}), "without type and index"),
        (json.dumps({"cluster": WORKERS, "task": {**TASK, "type": "chief"}}), "type 'chief'"),
        (json.dumps({"cluster": WORKERS, "task": {**TASK, "type": "evaluator"}}), "'evaluator'"),
        (json.dumps({"cluster": WORKERS, "task": {**TASK, "index": 2}}), "there are 2"),
        (json.dumps({"cluster": WORKERS, "task": {**TASK, "index": -1}}), "task worker -1"),
    ],
)
def test_a_broken_description_is_refused_with_an_example(text, said, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    for name in ("auto", "multi_worker"):
        with pytest.raises(ValueError, match="TF_CONFIG must describe") as raised:
            strategies.get(name)
        assert said in str(raised.value)
        assert '"task": {"type": "worker", "index": 0}' in str(raised.value)


def test_a_port_that_is_taken_is_named(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]
        cluster = {"worker": ["localhost:1", f"localhost:{port}"]}
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": TASK}))
        with pytest.raises(ValueError, match=f"Port {port} of this worker must be free"):
            strategies.get()


def test_without_workers_there_are_none(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert strategies.get("auto").num_replicas_in_sync == 1
    with pytest.raises(ValueError, match="keras-vae launch --workers 2"):
        strategies.get("multi_worker")
    with pytest.raises(ValueError, match="'mirrored', 'multi_worker'"):
        strategies.get("parameter_server")


def test_one_ignores_the_workers(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{")
    assert strategies.get("one").num_replicas_in_sync == 1


def meet_all(lists, indices, seconds=10):
    """Let workers meet, each in a thread; return what each of them raised, or None."""

    def one(addresses, index):
        try:
            meet(addresses, index, seconds)
        except ValueError as error:
            return str(error)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        return list(pool.map(one, lists, indices))


def test_workers_meet_in_whatever_order_they_come():
    addresses = free_addresses(3)
    assert meet_all([addresses] * 3, [2, 1, 0]) == [None] * 3


@pytest.mark.slow
def test_workers_that_stay_away_are_named_in_bounded_time():
    addresses = free_addresses(3)
    chief, worker = meet_all([addresses] * 2, [0, 1], seconds=2)
    assert f"no word from worker 2 ({addresses[2]})" in chief and chief == worker
    (alone,) = meet_all([addresses], [1], seconds=1)
    assert f"{addresses[0]}, did not answer worker 1 within 1 s" in alone


@pytest.mark.slow
def test_workers_of_different_clusters_are_refused():
    ours, others = free_addresses(2), free_addresses(2)
    answers = meet_all([ours, [ours[0], others[1]]], [0, 1])
    assert all("the same cluster in TF_CONFIG" in answer for answer in answers)


@pytest.mark.slow
def test_two_workers_of_one_number_are_refused():
    """As on two machines, where they do not want one port."""
    addresses = free_addresses(3)
    hello = json.dumps({"index": 1, "addresses": addresses}).encode() + b"\n"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        chief = pool.submit(meet_all, [addresses], [0])
        with contextlib.ExitStack() as stack:
            twins = [stack.enter_context(connect(addresses[0])) for _ in range(2)]
            for twin in twins:
                twin.sendall(hello)
            replies = [json.loads(twin.makefile().readline())["answer"] for twin in twins]
        (answer,) = chief.result()
    assert "two workers with the number 1 of 3" in answer and replies == [answer] * 2


def test_a_worker_that_left_may_come_again():
    addresses = free_addresses(3)
    hello = json.dumps({"index": 1, "addresses": addresses}).encode() + b"\n"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        chief = pool.submit(meet_all, [addresses], [0])
        with connect(addresses[0]) as early:
            early.sendall(hello)
            time.sleep(0.5)
        others = pool.submit(meet_all, [addresses] * 2, [1, 2])
        assert chief.result() + others.result() == [None] * 3


@pytest.mark.slow
def test_a_worker_that_left_is_not_counted():
    addresses = free_addresses(3)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        chief = pool.submit(meet_all, [addresses], [0], 4)
        with connect(addresses[0]) as early:
            early.sendall(json.dumps({"index": 1, "addresses": addresses}).encode() + b"\n")
            time.sleep(0.5)
        (other,) = meet_all([addresses], [2], 10)
        assert "no word from worker 1 " in other and chief.result() == [other]


@pytest.mark.parametrize(
    "words",
    [
        b'{"index": 1}',
        b'{"answer": 1}',
        b'{"index": [], "addresses": 0}',
        b'{"index": 7, "addresses": []}',
        b"[" * 5000,
        b"GET / HTTP/1.1",
    ],
)
def test_odd_words_are_passed_over(words):
    addresses = free_addresses(2)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        chief = pool.submit(meet_all, [addresses], [0])
        with connect(addresses[0]) as odd:
            odd.sendall(words + b"\n")
            assert meet_all([addresses], [1]) == [None]
            assert chief.result() == [None]


def test_a_chief_that_stops_does_not_send_the_others_on(monkeypatch):
    addresses, calls, judge = free_addresses(3), [], meeting._what_is_wrong

    def judge_once(*arguments):
        calls.append(arguments)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return judge(*arguments)

    monkeypatch.setattr(meeting, "_what_is_wrong", judge_once)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        workers = pool.submit(meet_all, [addresses] * 2, [1, 2])
        with pytest.raises(KeyboardInterrupt):
            meet(addresses, 0, 10)
        assert all("The chief stopped" in answer for answer in workers.result())


@pytest.mark.slow
def test_a_worker_that_comes_late_hears_what_is_wrong():
    addresses = free_addresses(3)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        workers = pool.submit(meet_all, [addresses, [addresses[0], *free_addresses(2)]], [0, 1])
        time.sleep(1)
        (late,) = meet_all([addresses], [2])
        assert all("the same cluster in TF_CONFIG" in answer for answer in workers.result())
    assert "the same cluster in TF_CONFIG" in late


def test_a_program_that_is_no_worker_is_passed_over():
    addresses = free_addresses(3)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        workers = pool.submit(meet_all, [addresses] * 2, [0, 1])
        with connect(addresses[0]) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        last = pool.submit(meet_all, [addresses], [2])
        assert workers.result() == [None, None] and last.result() == [None]


def connect(address):
    """Return a connection to who will listen there."""
    host, port = address.split(":")
    for _ in range(200):
        with contextlib.suppress(OSError):
            return socket.create_connection((host, int(port)))
        time.sleep(0.02)
    raise AssertionError(address)


@pytest.mark.slow
def test_a_slurm_step_describes_workers(run_python):
    """Of one task it is that of no worker; of two it is TensorFlow's resolver that tells which."""
    code = """
import os
os.environ |= {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1", "SLURM_STEP_NODELIST": "n[1-2]",
               "SLURM_STEP_TASKS_PER_NODE": "1(x2)", "SLURM_NTASKS": "2"}
from keras_vae import meeting, strategies
resolver = strategies._resolver()
assert resolver.cluster_spec().as_dict() == {"worker": ["n1:8888", "n2:8888"]}
assert (resolver.task_type, resolver.task_id) == ("worker", 1)
"""
    run_python(code)


@pytest.mark.parametrize("name", ["one", "mirrored"])
def test_workers_that_a_strategy_leaves_alone_are_said(name, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": WORKERS, "task": TASK}))
    with pytest.warns(UserWarning, match=rf"{name}.*2 workers of TF_CONFIG.*by itself"):
        strategies.get(name)


def test_one_device_needs_no_cluster_that_can_be_read(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{")
    assert strategies.get("one").num_replicas_in_sync == 1
