"""A worker in namespaces of its own, as its guardian and its process 1 see it."""

import contextlib
import json
import os
import select
import signal
from typing import Any, NoReturn

from coldframe.workers import kernel
from coldframe.workers.charge import Charge, explain, how_it_ended, milliseconds_since, report, watch_for
from coldframe.workers.file_view import HOME, ML_ROOT
from coldframe.workers.program import run_program
from coldframe.workers.sandbox import bound_processes, furnish, leave_namespaces
from coldframe.workers.watch import LOOK_SECONDS, processes_here

_WAITED_FOR = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}


class IsolatedWorker:
    """A worker in namespaces of its own."""

    def __init__(self, charge: Charge) -> None:
        self._charge = charge
        self._watch = watch_for(charge)
        self._exceeded = ""
        self._ordered = False
        self._status: int | None = None
        self._running = False

    def run(self) -> NoReturn:
        """Start the worker, stand by it until it has ended, and end with it."""
        charge = self._charge
        kernel.die_with_parent(signal.SIGKILL)
        forked = milliseconds_since(charge.forked_at)
        leave_namespaces(network=charge.specification.network)
        kernel.die_with_parent(signal.SIGKILL)  # new namespaces are new credentials, which may undo it
        namespaces = milliseconds_since(charge.forked_at)
        from_first, to_guardian = os.pipe()
        alive, our_life = os.pipe()
        first = os.fork()
        if first == 0:
            os.close(from_first)
            os.close(our_life)
            charge.orders.detach()
            _be_first_process(charge, to_guardian, alive)
        os.close(to_guardian)
        os.close(alive)
        times = {"forked": forked, "namespaces": namespaces}
        self._stand_by(first, from_first, times)
        os.waitpid(first, 0)  # returns when every process of the namespace has ended
        explain(charge, self._exceeded)
        if self._running or self._exceeded:
            report(charge.orders, **how_it_ended(self._status, charge, self._exceeded, ordered=self._ordered))
        os._exit(0)

    def _stand_by(self, first: int, from_first: int, times: dict[str, float]) -> None:
        """Pass on what comes until process 1 has ended."""
        orders = self._charge.orders
        poll = select.poll()
        poll.register(orders, select.POLLIN)
        poll.register(from_first, select.POLLIN)
        buffer = b""
        while True:
            events = dict(poll.poll(LOOK_SECONDS * 1000 if self._watch and self._running else None))
            if orders.fileno() in events:
                for number in orders.recv(64) or [signal.SIGKILL]:
                    os.kill(first, number)
                    if number == signal.SIGKILL:
                        poll.unregister(orders)
                        self._ordered = True
                        self._running = True
                        break
            if from_first in events:
                piece = os.read(from_first, 65536)
                if not piece:
                    return
                *lines, buffer = (buffer + piece).split(b"\n")
                for line in lines:
                    self._hear(json.loads(line), first, times)
            if self._running and self._watch.is_due() and not self._exceeded:
                self._exceeded = self._watch.exceeded(processes_here(), "/dev/shm")
                if self._exceeded:
                    os.kill(first, signal.SIGKILL)

    def _hear(self, news: dict[str, Any], first: int, times: dict[str, float]) -> None:
        if "status" in news:
            self._status = news["status"]
        elif "furnished" in news:
            self._running = True
            report(self._charge.orders, started=first, times={**times, "furnished": news["furnished"]})
        else:
            report(self._charge.orders, **news)


def _be_first_process(charge: Charge, to_guardian: int, alive: int) -> NoReturn:
    """Be process 1 of the sandbox: furnish it, start the program, pass on signals, collect orphans."""
    try:
        kernel.die_with_parent(signal.SIGKILL)
        if select.select([alive], [], [], 0)[0]:
            os._exit(1)  # the guardian died before we could ask to die with it
        signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED_FOR)
        furnish(charge.specification, charge.kept_folders, charge.process_limit)
        kernel.die_with_parent(signal.SIGKILL)
        program = os.fork()
        if program == 0:
            bound_processes(charge.process_limit, namespaced=True)
            run_program(charge.specification, ML_ROOT, HOME, "/tmp", charge.output)
        os.close(charge.output)
        _tell(to_guardian, furnished=milliseconds_since(charge.forked_at))
        _tell(to_guardian, status=_collect(program))
        os._exit(0)
    except BaseException as error:
        _tell(to_guardian, error=str(error))
    os._exit(1)


def _tell(to_guardian: int, **content: Any) -> None:
    os.write(to_guardian, json.dumps(content).encode() + b"\n")


def _collect(program: int) -> int:
    """Collect ended processes, and pass on signals, until the program itself has ended; return its status."""
    while True:
        number = signal.sigwait(_WAITED_FOR)
        if number != signal.SIGCHLD:
            with contextlib.suppress(ProcessLookupError):
                os.kill(program, number)
            continue
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == program:
                    return status
                if pid == 0:
                    break
