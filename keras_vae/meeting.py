"""How workers find each other before TensorFlow does, which would wait for an hour unheard."""

import contextlib
import json
import socket
import time

from keras_vae.checks import message

_TRY_SECONDS = 0.5
# A program that is no worker says nothing, or something else.
_TALK_SECONDS = 5
_HELLO_SECONDS = 2
_LATE_SECONDS = 3
_LONGEST = 1 << 20


def meet(addresses, index, seconds):
    """Return once all workers are there; the first one keeps the list.

    Args:
        addresses: list of str, "host:port" of each worker, the chief's first.
        index: int, which of them this is.
        seconds: float > 0, how long to wait.

    Raises:
        ValueError: if they do not come together in time, or do not agree who they are.
    """
    deadline = time.monotonic() + seconds
    with contextlib.closing(_listener(addresses[index])) as own:
        if index == 0:
            answer = _gather(own, addresses, deadline, seconds)
        else:
            answer = _report(addresses, index, deadline, seconds)
    if answer:
        raise ValueError(answer)


def _listener(address):
    """Return a socket that listens on this worker's port, so that nobody else takes it."""
    port = _split(address)[1]
    both = socket.has_dualstack_ipv6()
    try:
        return socket.create_server(
            ("", port),
            family=socket.AF_INET6 if both else socket.AF_INET,
            dualstack_ipv6=both,
        )
    except OSError as error:
        raise ValueError(
            message(
                f"Port {port} of this worker must be free",
                f"{address}: {error.strerror}",
                "Stop the program that has it, which may be an earlier worker, or choose another "
                "port for it in TF_CONFIG.",
            )
        ) from error


def _gather(listener, addresses, deadline, seconds):
    """Wait for the others, as their chief; tell each of them, and return, what is wrong or ""."""
    accepted, there, answer = [], {}, ""
    try:
        while len(there) < len(addresses) - 1:
            listener.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                _forget_closed(there)
                answer = answer or _missing(addresses, there, seconds)
                break
            accepted.append(connection)
            hello = _read(connection, min(_HELLO_SECONDS, max(0.01, deadline - time.monotonic())))
            _forget_closed(there)
            if not _is_hello(hello, addresses):
                continue
            found = _what_is_wrong(hello, addresses, there)
            if not found:
                there[hello["index"]] = connection
            elif not answer:
                answer = found
                # Those that come late shall hear it too.
                deadline = min(deadline, time.monotonic() + _LATE_SECONDS)
        return answer
    except BaseException:
        answer = "The chief stopped before all workers had met. See what it says."
        raise
    finally:
        for connection in accepted:
            with contextlib.suppress(OSError), contextlib.closing(connection):
                _write(connection, {"answer": answer})


def _is_hello(value, addresses):
    """Return whether a JSON value is what a worker says."""
    index = value.get("index") if value else None
    return type(index) is int and 0 <= index < len(addresses) and "addresses" in value


def _forget_closed(connections):
    """Drop the workers that have given up, or begun anew."""
    for index in [index for index, other in connections.items() if _is_closed(other)]:
        connections.pop(index).close()


def _is_closed(connection):
    """Return whether the other side, which says nothing more, has left."""
    connection.settimeout(0)
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _report(addresses, index, deadline, seconds):
    """Tell the chief that this worker is there; return what the chief says is wrong, or ""."""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return (
                f"The chief of the {len(addresses)} workers, {addresses[0]}, did not answer worker "
                f"{index} within {seconds:g} s. See that it runs, and that its port can be reached."
            )
        with contextlib.suppress(OSError):
            with socket.create_connection(_split(addresses[0]), min(left, _TALK_SECONDS)) as chief:
                _write(chief, {"index": index, "addresses": addresses})
                # The chief waits for the others meanwhile.
                reply = _read(chief, max(0.01, deadline - time.monotonic()) + _TALK_SECONDS)
            if reply and "answer" in reply:
                return str(reply["answer"])
        time.sleep(_TRY_SECONDS)


def _what_is_wrong(hello, addresses, there):
    index = hello["index"]
    if hello["addresses"] != addresses:
        received = f"{hello['addresses']} of worker {index} and {addresses} of the chief"
        return message("All workers must have the same cluster in TF_CONFIG", received)
    if index in there or index == 0:
        return message(
            "Each worker must have a task of its own in TF_CONFIG",
            f"two workers with the number {index} of {len(addresses)}",
        )
    return ""


def _missing(addresses, there, seconds):
    absent = [
        f"{index} ({address})"
        for index, address in enumerate(addresses)
        if index and index not in there
    ]
    return (
        f"The {len(addresses)} workers did not come together within {seconds:g} s: no word from "
        f"worker {', '.join(absent)}. See that each of them runs, with the same cluster in "
        "TF_CONFIG and a task of its own."
    )


def _split(address):
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _write(connection, value):
    connection.sendall(json.dumps(value).encode() + b"\n")


def _read(connection, seconds):
    """Return the JSON object of one line, or None if something else comes, or nothing in time."""
    line, end = b"", time.monotonic() + seconds
    try:
        while not line.endswith(b"\n"):
            connection.settimeout(max(0.01, end - time.monotonic()))
            part = connection.recv(1 << 16)
            line += part
            if not part or len(line) > _LONGEST or time.monotonic() > end:
                return None
        value = json.loads(line)
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
