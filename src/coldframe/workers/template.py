"""The template process: loads what is slow to load once, then forks a worker from itself whenever it is asked to.

Started by a runner with a socket, over which it speaks the messages of `messages.py`. It never runs parallel work of
the libraries that it loads: their threads would be missing in every fork.
"""

import argparse
import contextlib
import dataclasses
import gc
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import select
import signal
import socket
import sys
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coldframe.workers import kernel
from coldframe.workers.cgroups import ControlGroups, WorkerGroup, find_control_groups, remove_abandoned
from coldframe.workers.charge import Charge
from coldframe.workers.file_view import interpreter_folders
from coldframe.workers.guardian import guard
from coldframe.workers.messages import EXITED, FORK, FORKED, READY, SIGNAL, FrameReader, json_frame
from coldframe.workers.sandbox import bounds_process_numbers, try_sandbox
from coldframe.workers.specification import WorkerSpecification

# Parts that their packages load only when they are asked for, and nearly every program asks.
_LATE_PARTS = ("numpy.random",)
_ENTRY_POINTS = ("coldframe.workers.train", "coldframe.workers.serve")
_PROCESSES_PER_CPU = 256
_FEWEST_PROCESSES = 2048


@dataclass
class _Ward:
    """A worker of which the guardian lives."""

    name: str
    guardian: int
    orders: socket.socket
    group: WorkerGroup
    buffer: bytes = b""
    started: bool = False
    told: bool = False
    """Whether the supervisor knows how it ended."""
    error: str = ""


class Template:
    """Forks workers on demand, and tells how they fare, until its socket is closed."""

    def __init__(self, supervisor: socket.socket, isolation: str) -> None:
        self._supervisor = supervisor
        self._wanted_isolation = isolation
        self._isolated = False
        self._lack = ""
        self._groups = ControlGroups()
        self._kept_folders: list[str] = []
        self._wards: dict[int, _Ward] = {}
        self._descriptors: list[int] = []
        self._count = 0
        self._poll = select.poll()
        self._process_limit = max(_FEWEST_PROCESSES, _PROCESSES_PER_CPU * (os.cpu_count() or 1))

    def prepare(self, preload: Sequence[str]) -> None:
        """Find out what this machine allows, load the modules, and say that workers may come."""
        if self._wanted_isolation != "none":
            self._isolated, self._lack = try_sandbox()
        else:
            self._lack = "it was asked for"
        self._groups = find_control_groups()
        remove_abandoned(self._groups)
        if self._isolated and bounds_process_numbers():
            self._groups = dataclasses.replace(self._groups, pids="")
        versions = {name: version for name in preload if (version := _load(name))}
        for name in (*_ENTRY_POINTS, *(part for part in _LATE_PARTS if part.partition(".")[0] in sys.modules)):
            _load(name)
        self._kept_folders = interpreter_folders()
        _leave_finalizers_alone()
        gc.collect()
        # What is loaded stays: no collection touches it, and so no fork copies its pages for one.
        gc.freeze()
        gc.disable()
        self._send(
            READY,
            {
                "modules": versions,
                "python": platform.python_version(),
                "isolation": "namespaces" if self._isolated else "none",
                "isolation_lack": self._lack,
                "memory_limit": "control group" if self._groups.memory else "watched",
            },
        )

    def serve(self) -> None:
        """Do what the supervisor asks until it is gone."""
        reader = FrameReader()
        self._poll.register(self._supervisor, select.POLLIN)
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor != self._supervisor.fileno():
                    self._hear(self._wards[descriptor])
                    continue
                piece, descriptors, _, _ = socket.recv_fds(self._supervisor, 65536, 64)
                self._descriptors += descriptors
                if not piece:
                    return
                for kind, _, payload in reader.feed(piece):
                    self._obey(kind, json.loads(payload))

    def _obey(self, kind: int, content: dict[str, Any]) -> None:
        if kind == FORK:
            self._fork(WorkerSpecification.from_json(content), self._descriptors.pop(0))
        elif kind == SIGNAL:
            for ward in self._wards.values():
                if ward.name == content["worker"] and not ward.told:
                    with contextlib.suppress(OSError):  # it has ended; that news is on its way
                        ward.orders.sendall(bytes([content["signal"]]))

    def _fork(self, specification: WorkerSpecification, output: int) -> None:
        forked_at = time.monotonic()
        ours, theirs = socket.socketpair()
        self._count += 1
        name = f"coldframe-{os.getpid()}-{self._count}"
        try:
            group = WorkerGroup.make(self._groups, name, specification.memory_bytes, self._process_limit)
            guardian = os.fork()
        except OSError as error:
            os.close(output)
            self._send(EXITED, {"worker": specification.name, "error": str(error)})
            return
        if guardian == 0:
            self._forget(theirs.fileno(), output)
            ours.detach()
            guard(
                Charge(
                    specification,
                    output,
                    theirs,
                    group,
                    self._process_limit,
                    self._isolated,
                    self._kept_folders,
                    forked_at,
                )
            )
        os.close(output)
        theirs.close()
        ward = _Ward(specification.name, guardian, ours, group)
        self._wards[ours.fileno()] = ward
        self._poll.register(ours, select.POLLIN)

    def _forget(self, *needed: int) -> None:
        """In a fork: close all that is the template's, so that its sockets end when it ends."""
        for ward in self._wards.values():
            ward.orders.detach()
        self._supervisor.detach()
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2 and int(name) not in needed:
                with contextlib.suppress(OSError):
                    os.close(int(name))

    def _hear(self, ward: _Ward) -> None:
        try:
            piece = ward.orders.recv(65536)
        except OSError:
            piece = b""
        if not piece:
            self._bury(ward)
            return
        *lines, ward.buffer = (ward.buffer + piece).split(b"\n")
        for line in lines:
            news = json.loads(line)
            if "started" in news:
                ward.started = True
                self._send(FORKED, {"worker": ward.name, "pid": news["started"], "times": news["times"]})
            elif "error" in news:
                ward.error = news["error"]
            else:
                # No process of the worker is left; the guardian itself takes some time to be taken apart.
                ward.told = True
                self._send(EXITED, {"worker": ward.name, **news})

    def _bury(self, ward: _Ward) -> None:
        """A guardian has ended, and no process of its worker is left."""
        self._poll.unregister(ward.orders)
        del self._wards[ward.orders.fileno()]
        ward.orders.close()
        os.waitpid(ward.guardian, 0)
        ward.group.remove()
        if not ward.told:
            error = ward.error or ("" if ward.started else "its first process was killed")
            end = {"exit_code": None, "signal": int(signal.SIGKILL), "out_of_memory": False}
            self._send(EXITED, {"worker": ward.name, **end, **({"error": error} if error else {})})

    def _send(self, kind: int, content: dict[str, Any]) -> None:
        self._supervisor.sendall(json_frame(kind, 0, content))


def _load(name: str) -> str:
    """Load a module if it is installed; return its version, or what went wrong."""
    try:
        if importlib.util.find_spec(name) is None:
            return ""
        module = importlib.import_module(name)
    except Exception as error:
        print(f"{name} could not be loaded: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return f"cannot be loaded: {error}"
    version = getattr(module, "__version__", None)
    if version is None:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            version = importlib.metadata.version(name)
    return str(version or "unknown")


def _leave_finalizers_alone() -> None:
    """Keep forks from finalizing, at their end, what the template's libraries made: it takes them some 40 ms.

    What a program makes itself, such as temporary folders, is still taken away.
    """
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        finalizer.atexit = False


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the template until its supervisor is gone."""
    parser = argparse.ArgumentParser(prog="coldframe.workers.template", description=__doc__)
    parser.add_argument("--socket-fd", type=int, required=True)
    parser.add_argument("--supervisor-pid", type=int, required=True)
    parser.add_argument("--preload", default="")
    parser.add_argument("--isolation", choices=("auto", "namespaces", "none"), default="auto")
    options = parser.parse_args(arguments)
    kernel.die_with_parent(signal.SIGKILL)
    if os.getppid() != options.supervisor_pid:
        sys.exit(1)
    kernel.name_process("coldframe-templ")
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a Ctrl-C is the server's to hear
    template = Template(socket.socket(fileno=options.socket_fd), options.isolation)
    template.prepare([name for name in options.preload.split(",") if name])
    template.serve()


if __name__ == "__main__":
    main()
