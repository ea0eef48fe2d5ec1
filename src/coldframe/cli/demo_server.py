"""The platform that the demo starts for itself, and the certainty that nothing of it is left running."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from coldframe.cli.environment import environment_of
from coldframe.cli.failures import CommandFailure
from coldframe.cli.running_server import RunningServer, find_server, require_credentials

START_SECONDS = 60.0
STOP_SECONDS = 30.0
OF_ANOTHER_SERVER = ("COLDFRAME_DATABASE_URL", "COLDFRAME_HOST")
"""Settings in the environment that must not reach the demo's own server."""


@contextlib.contextmanager
def demo_server(data_directory: Path, keep: bool) -> Iterator[RunningServer]:
    """A server of the demo's own, stopped at the end whatever happened, unless it is to be kept and all went well.

    While it lasts, this process's environment points AWS's clients at the server, as `coldframe env` would.

    Args:
        data_directory: where it keeps its state; removed at the end if it was made here and the server is stopped.
        keep: leave it running.
    """
    if find_server(data_directory) is not None:
        raise CommandFailure(
            f"an earlier demo still runs; stop it with `coldframe down --data-dir {shlex.quote(str(data_directory))}`,"
            " or give another --output."
        )
    made_here = not data_directory.exists()
    data_directory.mkdir(parents=True, exist_ok=True)
    log_path = data_directory.with_suffix(".log")
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "coldframe", "up", "--data-dir", str(data_directory), "--port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if name not in OF_ANOTHER_SERVER},
            cwd=data_directory,  # a coldframe.toml where the demo was typed is about another server
            start_new_session=True,  # Ctrl-C is for the demo, which then stops the server in order
        )
    all_went_well = False
    before = dict(os.environ)
    try:
        server = _wait_until_it_answers(process, data_directory, log_path)
        _point_clients_at(server, data_directory)
        yield server
        all_went_well = True
    finally:
        os.environ.clear()
        os.environ.update(before)
        if not (keep and all_went_well):
            with _no_interruption():
                stop_with_children(process)
                if made_here:
                    shutil.rmtree(data_directory, ignore_errors=True)
                    if all_went_well:
                        log_path.unlink(missing_ok=True)


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", data_directory: Path, log_path: Path) -> RunningServer:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = log_path.read_text(errors="replace").strip().splitlines()
            raise CommandFailure(f"the server did not start: {said[-1] if said else f'exit code {process.returncode}'}")
        server = find_server(data_directory)
        if server is not None and server.pid == process.pid:
            return server
        time.sleep(0.05)
    raise CommandFailure(f"the server did not answer within {START_SECONDS:.0f} s; its output is in {log_path}.")


def _point_clients_at(server: RunningServer, data_directory: Path) -> None:
    environment = environment_of(server, require_credentials(data_directory), os.environ)
    changed = environment.apply_to(os.environ)
    os.environ.clear()
    os.environ.update(changed)


@contextlib.contextmanager
def _no_interruption() -> Iterator[None]:
    """A second Ctrl-C must not stop the stopping."""
    earlier = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def stop_with_children(process: "subprocess.Popen[bytes]") -> None:
    """End a process that we started, in order if it can, and everything below it."""
    if process.poll() is not None:
        return
    below: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        below = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(below, timeout=3)
    for left in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            left.kill()
    psutil.wait_procs(alive, timeout=3)
