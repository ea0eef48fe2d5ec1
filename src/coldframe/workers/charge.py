"""What a guardian is given, and what it reports, whichever way its worker is kept."""

import contextlib
import json
import os
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import Any

from coldframe.workers.cgroups import WorkerGroup
from coldframe.workers.sandbox import bounds_process_numbers
from coldframe.workers.specification import WorkerSpecification
from coldframe.workers.watch import Watch


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


def report(orders: socket.socket, **content: Any) -> None:
    """Tell the template something."""
    orders.sendall(json.dumps(content).encode() + b"\n")


def milliseconds_since(moment: float) -> float:
    """How long ago a moment of the monotonic clock is."""
    return round((time.monotonic() - moment) * 1000, 2)


def how_it_ended(status: int | None, charge: Charge, exceeded: str, *, ordered: bool) -> dict[str, Any]:
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


def explain(charge: Charge, exceeded: str) -> None:
    """Say in the worker's own output why it was killed, if there is room; nobody else writes there any more."""
    limits = {
        "memory": f"all its processes together held more than {charge.specification.memory_bytes} bytes of memory",
        "processes": f"it had more than {charge.process_limit} processes",
    }
    if exceeded:
        os.set_blocking(charge.output, False)
        with contextlib.suppress(OSError):
            os.write(charge.output, f"\nThe worker was killed: {limits[exceeded]}.\n".encode())


def watch_for(charge: Charge) -> Watch:
    """What the guardian has to watch, since the kernel does not."""
    group = charge.group
    # For an ordinary user in a namespace RLIMIT_NPROC is as firm as a control group; for root it is void.
    bounded = group.limits_processes or (charge.isolated and (bounds_process_numbers() or os.geteuid() != 0))
    return Watch(
        memory_bytes=0 if group.limits_memory else charge.specification.memory_bytes,
        process_limit=0 if bounded else charge.process_limit,
    )
