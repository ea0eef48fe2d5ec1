"""Stands over one worker: starts its program shut off from the machine, passes on signals, leaves no process behind.

Three processes, each forked from the one before it:

    guardian     outside; takes orders from the template, watches limits, tells how the worker ended
    process 1    inside the namespaces; furnishes the sandbox, collects orphans; with it the kernel ends all others
    program      the user's code

Without namespaces there is no process 1: the guardian adopts the orphans, and kills what is left one by one.
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import Any, NoReturn

from coldframe.workers import kernel, plain_folders
from coldframe.workers.cgroups import WorkerGroup
from coldframe.workers.file_view import HOME, ML_ROOT
from coldframe.workers.program import run_program
from coldframe.workers.sandbox import bound_processes, bounds_process_numbers, furnish, leave_namespaces
from coldframe.workers.specification import WorkerSpecification
from coldframe.workers.watch import LOOK_SECONDS, Watch, descendants, processes_here

_WAITED_FOR = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}


def _kills_for_memory() -> int:
    """How many processes the kernel has killed for want of memory since the machine was started."""
    with contextlib.suppress(OSError), open("/proc/vmstat") as lines:
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
    return 0


@dataclass(frozen=True)
class Charge:
    """What a guardian is given: one worker, and what it needs to start it."""

    specification: WorkerSpecification
    output: int
    """The writing end of the worker's output."""
    orders: socket.socket
    """To and from the template: signal numbers come, one byte each; lines of JSON go. Its end is the worker's end."""
    group: WorkerGroup
    process_limit: int
    isolated: bool
    kept_folders: list[str]
    forked_at: float
    """On the monotonic clock: when the template set about it."""
    kills_before: int = field(default_factory=_kills_for_memory)


def guard(charge: Charge) -> NoReturn:
    """Be the guardian, in a process just forked from the template, until the worker has ended."""
    gc.disable()
    kernel.name_process("coldframe-guard")
    try:
        charge.group.join()
        if charge.isolated:
            _IsolatedWorker(charge).run()
        else:
            _PlainWorker(charge).run()
    except BaseException as error:
        with contextlib.suppress(OSError):
            _report(charge.orders, error=f"{type(error).__name__}: {error}")
    os._exit(1)


def _report(orders: socket.socket, **content: Any) -> None:
    orders.sendall(json.dumps(content).encode() + b"\n")


def _milliseconds_since(moment: float) -> float:
    return round((time.monotonic() - moment) * 1000, 2)


def _ended(status: int | None, charge: Charge, exceeded: str, *, ordered: bool) -> dict[str, Any]:
    """The last report: how the program ended.

    Args:
        status: What the kernel said of it; None where it was killed together with its process 1.
        charge: The worker.
        exceeded: The limit that it was killed for.
        ordered: Whether somebody asked for its end by SIGKILL.
    """
    if status is None:  # its process 1 was killed, and it with it
        code, number = None, int(signal.SIGKILL)
    elif os.WIFSIGNALED(status):
        code, number = None, os.WTERMSIG(status)
    else:
        code, number = os.WEXITSTATUS(status), 0
    # The kernel may also have killed it because the whole machine was short of memory.
    by_kernel = number == signal.SIGKILL and not ordered and not exceeded and _kills_for_memory() > charge.kills_before
    out_of_memory = exceeded == "memory" or by_kernel or (code != 0 and charge.group.ran_out_of_memory())
    return {"exit_code": code, "signal": number or None, "out_of_memory": out_of_memory}


def _explain(charge: Charge, exceeded: str) -> None:
    """Say in the worker's own output why it was killed, if there is room; nobody else writes there any more."""
    limits = {
        "memory": f"all its processes together held more than {charge.specification.memory_bytes} bytes of memory",
        "processes": f"it had more than {charge.process_limit} processes",
    }
    if exceeded:
        os.set_blocking(charge.output, False)
        with contextlib.suppress(OSError):
            os.write(charge.output, f"\nThe worker was killed: {limits[exceeded]}.\n".encode())


def _watch_for(charge: Charge) -> Watch:
    group = charge.group
    # For an ordinary user in a namespace RLIMIT_NPROC is as firm as a control group; for root it is void.
    bounded = group.limits_processes or (charge.isolated and (bounds_process_numbers() or os.geteuid() != 0))
    return Watch(
        memory_bytes=0 if group.limits_memory else charge.specification.memory_bytes,
        process_limit=0 if bounded else charge.process_limit,
    )


class _IsolatedWorker:
    """A worker in namespaces of its own."""

    def __init__(self, charge: Charge) -> None:
        self._charge = charge
        self._watch = _watch_for(charge)
        self._exceeded = ""
        self._ordered = False
        self._status: int | None = None
        self._running = False

    def run(self) -> NoReturn:
        charge = self._charge
        kernel.die_with_parent(signal.SIGKILL)
        forked = _milliseconds_since(charge.forked_at)
        leave_namespaces(network=charge.specification.network)
        kernel.die_with_parent(signal.SIGKILL)  # new namespaces are new credentials, which may undo it
        namespaces = _milliseconds_since(charge.forked_at)
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
        _explain(charge, self._exceeded)
        if self._running or self._exceeded:
            _report(charge.orders, **_ended(self._status, charge, self._exceeded, ordered=self._ordered))
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
            _report(self._charge.orders, started=first, times={**times, "furnished": news["furnished"]})
        else:
            _report(self._charge.orders, **news)


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
        _tell(to_guardian, furnished=_milliseconds_since(charge.forked_at))
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


class _PlainWorker:
    """A worker without namespaces: the guardian adopts all its orphans, and kills them one by one."""

    def __init__(self, charge: Charge) -> None:
        self._charge = charge
        self._watch = _watch_for(charge)
        self._exceeded = ""
        self._ordered = False
        self._status: int | None = None
        self._stop_wanted = False

    def run(self) -> NoReturn:
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
        forked = _milliseconds_since(charge.forked_at)
        root = plain_folders.lay_out(charge.specification)
        program = os.fork()
        if program == 0:
            self._be_program(root)
        times = {"forked": forked, "furnished": _milliseconds_since(charge.forked_at)}
        _report(orders, started=os.getpid(), times=times)
        self._stand_by(program, woken)
        _kill_all_descendants()
        _explain(charge, self._exceeded)
        with contextlib.suppress(OSError):  # nobody listens any more where the template was killed
            _report(orders, **_ended(self._status, charge, self._exceeded, ordered=self._ordered))
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
