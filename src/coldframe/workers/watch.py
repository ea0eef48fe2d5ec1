"""Holds a worker to its limits by looking at its processes, where the kernel has no control group to do it."""

import contextlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

LOOK_SECONDS = 0.25
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Watch:
    """What the processes of a worker may hold together; 0 sets no limit."""

    memory_bytes: int
    process_limit: int
    _next_look: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.memory_bytes or self.process_limit)

    def is_due(self) -> bool:
        """Whether it is time to look again."""
        if not self or time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + LOOK_SECONDS
        return True

    def exceeded(self, pids: Iterable[int], shared_memory_folder: str = "") -> str:
        """Which limit is passed: `memory`, `processes` or none.

        Args:
            pids: The worker's processes, as this process knows them.
            shared_memory_folder: A tmpfs of the worker's own, of which the content counts as its memory.
        """
        pids = list(pids)
        if self.process_limit and len(pids) > self.process_limit:
            return "processes"
        if self.memory_bytes and self._holds_too_much(pids, shared_memory_folder):
            return "memory"
        return ""

    def _holds_too_much(self, pids: list[int], shared_memory_folder: str) -> bool:
        stored = _stored_bytes(shared_memory_folder)
        # Resident sizes count what forks share once for each, so they are never too small, and cheap: only when they
        # pass the limit is the exact sum worth its price.
        if sum(map(_resident_bytes, pids)) + stored <= self.memory_bytes:
            return False
        own = shared = 0
        for pid in pids:
            sizes = _proportional_sizes(pid)
            own += sizes.get("Pss_Anon:", 0)  # pages of files can be had back at any time
            shared += sizes.get("Pss_Shmem:", 0)
        return own + max(shared, stored) > self.memory_bytes


def _stored_bytes(folder: str) -> int:
    with contextlib.suppress(OSError):
        if folder:
            state = os.statvfs(folder)
            return (state.f_blocks - state.f_bfree) * state.f_frsize
    return 0


def _resident_bytes(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError), open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * _PAGE_BYTES
    return 0


def _proportional_sizes(pid: int) -> dict[str, int]:
    """Bytes by the names of /proc/PID/smaps_rollup; a page that n processes share counts as 1/n of a page."""
    sizes = {}
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as lines:
        next(lines, None)
        for line in lines:
            words = line.split()
            sizes[words[0]] = int(words[1]) * 1024
    return sizes


def processes_here() -> list[int]:
    """Every process in the PID namespace that /proc shows."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def descendants(ancestor: int) -> list[int]:
    """Every process that descends from `ancestor`, which adopts orphans and so loses none."""
    children: dict[int, list[int]] = {}
    for pid in processes_here():
        with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{pid}/stat") as file:
            parent = int(file.read().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(pid)
    found: list[int] = []
    reached = [ancestor]
    while reached:
        below = children.get(reached.pop(), [])
        found += below
        reached += below
    return found
