"""`keras-vae launch`: several workers of one training on this machine."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import click

from keras_vae_cli import look, output

_FAILURE = 1
# A worker that is left alone notices it; one that does not is ended.
_GRACE_SECONDS = 30
_TERMINATION_SECONDS = 15
_POLL_SECONDS = 0.2
_PIPE = "KERAS_VAE_LAUNCHER"


@look.command(
    short_help="Train with several processes on this machine.",
    example="keras-vae launch --workers 2 -- train digits --out by-two",
    # What the first worker prints is printed here: give --json to the training.
    has_json=False,
    context_settings={"ignore_unknown_options": True},
)
@click.option(
    "--workers", required=True, type=click.IntRange(min=1), help="How many processes train."
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def launch(workers, command):
    """Run `keras-vae COMMAND` in several processes that train one model together.

    Each gets a TF_CONFIG with ports that are free. The first one writes; what the others say comes
    with their number before it. Where one of them fails, all end.
    """
    if command[0] != "train":
        raise click.UsageError(f"launch runs `train` alone. Received: {output.command(*command)}.")
    ports = _free_ports(workers)
    read_end, write_end = os.pipe()
    with _Team(read_end) as team:
        for index in range(workers):
            team.start(index, ports, command)
        os.close(read_end)
        status = team.wait()
    os.close(write_end)
    if status:
        raise click.exceptions.Exit(status)


def end_with_launcher():
    """End this process when the launcher that started it is gone, killed perhaps."""
    read_end = os.environ.pop(_PIPE, None)
    if read_end is None:
        return

    def watch():
        # Nothing is ever written: this returns when the other end is closed.
        os.read(int(read_end), 1)
        os._exit(output.TERMINATED)

    threading.Thread(target=watch, daemon=True).start()


class _Team:
    """The workers that a launcher has started.

    Args:
        pipe: int, the end of a pipe that the workers read.
    """

    def __init__(self, pipe):
        self._pipe, self._processes, self._printers = pipe, [], []
        self._is_terminated = False

    def start(self, index, ports, command):
        """Start a worker; the first one has this terminal."""
        cluster = {"worker": [f"localhost:{port}" for port in ports]}
        task = {"type": "worker", "index": index}
        # More threads than cores slow each other down.
        threads = str(max(1, (os.cpu_count() or 1) // len(ports)))
        environment = {
            "TF_NUM_INTRAOP_THREADS": threads,
            **os.environ,
            "TF_CONFIG": json.dumps({"cluster": cluster, "task": task}),
            _PIPE: str(self._pipe),
        }
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        # Two processes cannot share an accelerator; one without any uses the processor.
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(visible[index :: len(ports)])
        others = {} if index == 0 else {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(
            [sys.executable, "-m", "keras_vae_cli", *command],
            env=environment,
            pass_fds=[self._pipe],
            # Ctrl-C comes by way of the launcher, and once.
            start_new_session=True,
            **others,
        )
        self._processes.append(process)
        if index:
            printer = threading.Thread(target=_print, args=(process.stdout, index), daemon=True)
            printer.start()
            self._printers.append(printer)

    def wait(self):
        """Return the status of the training once all workers have ended."""
        failed = None
        while any(status is None for status in self._statuses()):
            lost = [index for index, status in enumerate(self._statuses()) if status]
            if lost and failed is None:
                failed = lost[0]
                self._stop_after(_GRACE_SECONDS)
            time.sleep(_POLL_SECONDS)
        for printer in self._printers:
            printer.join()
        statuses = self._statuses()
        if failed is None:
            failed = next((index for index, status in enumerate(statuses) if status), None)
        if failed is None:
            return 0
        if self._is_terminated:
            return output.TERMINATED
        status = statuses[failed]
        if status < 0:
            look.say_error(
                f"Worker {failed} was ended by {signal.Signals(-status).name}, and the others "
                "have stopped. The same command with --resume goes on."
            )
            return _FAILURE
        return status

    def forward(self, number, _):
        """Hand a signal on to the workers, which after SIGTERM have not long to end."""
        self._send(number)
        if number == signal.SIGTERM and not self._is_terminated:
            self._is_terminated = True
            self._stop_after(_TERMINATION_SECONDS)

    def _send(self, number):
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    def _statuses(self):
        return [process.poll() for process in self._processes]

    def _stop_after(self, seconds):
        """End the workers that are still there after some seconds."""

        def stop():
            for number in (signal.SIGTERM, signal.SIGKILL):
                self._send(number)
                time.sleep(0 if self._is_terminated else _TERMINATION_SECONDS)

        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()

    def __enter__(self):
        self._handlers = {
            number: signal.signal(number, self.forward)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_):
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        for process in self._processes:
            if process.poll() is None:
                process.kill()


def _print(lines, index):
    for line in lines:
        text = line.decode(errors="replace").rstrip()
        if text:
            click.echo(f"[worker {index}] {text}", err=True)


def _free_ports(count):
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(contextlib.closing(socket.socket())) for _ in range(count)]
        for probe in probes:
            probe.bind(("", 0))
        return [probe.getsockname()[1] for probe in probes]
