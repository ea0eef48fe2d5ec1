"""A worker without namespaces, as its guardian sees it: the guardian adopts its orphans, and kills them one by one."""

import contextlib
import os
import select
import signal
import socket
import time
from typing import Any, NoReturn

from coldframe.workers import kernel, plain_folders
from coldframe.workers.charge import Charge, explain, how_it_ended, milliseconds_since, report, watch_for
from coldframe.workers.program import run_program
from coldframe.workers.sandbox import bound_processes
from coldframe.workers.watch import LOOK_SECONDS, descendants


class PlainWorker:
    """A worker without namespaces: the guardian adopts all its orphans, and kills them one by one."""

    def __init__(self, charge: Charge) -> None:
        self._charge = charge
        self._watch = watch_for(charge)
        self._exceeded = ""
        self._ordered = False
        self._status: int | None = None
        self._stop_wanted = False

    def run(self) -> NoReturn:
        """Start the worker, stand by it until it has ended, and end with it."""
        charge = self._charge
        orders = charge.orders
        waking, woken = socket.socketpair()
        waking.setblocking(False)
        woken.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._end)
        signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
        kernel.adopt_orphans()
        kernel.die_with_parent(signal.SIGTERM)
        if select.select([orders], [], [], 0)[0] and not orders.recv(1, socket.MSG_PEEK):
            os._exit(1)  # the template died before we could ask to be told
        forked = milliseconds_since(charge.forked_at)
        root = plain_folders.lay_out(charge.specification)
        program = os.fork()
        if program == 0:
            self._be_program(root)
        times = {"forked": forked, "furnished": milliseconds_since(charge.forked_at)}
        report(orders, started=os.getpid(), times=times)
        self._stand_by(program, woken)
        _kill_all_descendants()
        explain(charge, self._exceeded)
        with contextlib.suppress(OSError):  # nobody listens any more where the template was killed
            report(orders, **how_it_ended(self._status, charge, self._exceeded, ordered=self._ordered))
        os._exit(0)

    def _be_program(self, root: str) -> NoReturn:
        charge = self._charge
        charge.orders.detach()
        kernel.die_with_parent(signal.SIGKILL)
        bound_processes(charge.process_limit, namespaced=False)
        scratch = charge.specification.scratch_directory
        run_program(charge.specification, root, f"{scratch}/home", f"{scratch}/tmp", charge.output)

    def _end(self, *_: Any) -> None:
        self._stop_wanted = True

    def _stand_by(self, program: int, woken: socket.socket) -> None:
        orders = self._charge.orders
        poll = select.poll()
        poll.register(orders, select.POLLIN)
        poll.register(woken, select.POLLIN)
        while not self._stop_wanted:
            events = dict(poll.poll(LOOK_SECONDS * 1000 if self._watch else None))
            if woken.fileno() in events:
                woken.recv(4096)
                if self._collect(program):
                    return
            if orders.fileno() in events:
                for number in orders.recv(64) or [signal.SIGKILL]:
                    if number == signal.SIGKILL:
                        self._ordered = True
                        return
                    os.kill(program, number)
            if self._watch.is_due():
                self._exceeded = self._watch.exceeded(descendants(os.getpid()))
                if self._exceeded:
                    return

    def _collect(self, program: int) -> bool:
        """Collect what has ended; whether the program is among it."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == program:
                    self._status = status
                    return True
                if pid == 0:
                    break
        return False


def _kill_all_descendants() -> None:
    """Stop every descendant before the first is killed, so that none can start another in the meantime."""
    stopped: set[int] = set()
    while found := set(descendants(os.getpid())) - stopped:
        _signal_all(found, signal.SIGSTOP)
        stopped |= found
    _signal_all(stopped, signal.SIGKILL)
    # A process that adopts orphans and has no child left has no descendant either.
    while _has_children():
        time.sleep(0.001)
        _signal_all(descendants(os.getpid()), signal.SIGKILL)


def _has_children() -> bool:
    """Collect the children that have ended; whether others are left."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        return False
    return True


def _signal_all(pids: "set[int] | list[int]", number: int) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)
