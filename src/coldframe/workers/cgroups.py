"""Limits that the kernel keeps for a whole worker: control groups for its memory and its number of processes."""

import contextlib
import errno
import os
from dataclasses import dataclass, field

_MOUNTINFO = "/proc/self/mountinfo"
_GROUPS = "/proc/self/cgroup"


@dataclass(frozen=True)
class ControlGroups:
    """Where groups can be made on this machine, for each controller; empty, with the reason, where they cannot."""

    memory: str = ""
    memory_lack: str = ""
    pids: str = ""
    pids_lack: str = ""


def find_control_groups() -> ControlGroups:
    """Look where this process may make groups, by making one of each kind and taking it away again.

    Groups are only made below the process's own group, so that a limit that was set on the server holds for its
    workers. Under version 1, where nothing says whether a group was handed over to the processes in it, a group that
    somebody else made for this process is left alone: only a process in the root group makes groups there.
    """
    places = _places()
    memory, memory_lack = _usable(places.get("memory"), ("memory.max", "memory.limit_in_bytes"))
    pids, pids_lack = _usable(places.get("pids"), ("pids.max",))
    return ControlGroups(memory, memory_lack, pids, pids_lack)


def _places() -> dict[str, str]:
    """For each controller the folder of this process's own group; version 2 counts where it has the controller."""
    own: dict[str, str] = {}
    with contextlib.suppress(OSError), open(_GROUPS) as lines:
        for line in lines:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            own.update(dict.fromkeys(controllers.split(","), path))
    places: dict[str, str] = {}
    with contextlib.suppress(OSError), open(_MOUNTINFO) as lines:
        for line in lines:
            before, _, after = line.partition(" - ")
            point, kind, options = before.split()[4], after.split()[0], after.split()[2].split(",")
            if kind == "cgroup2" and "" in own:
                folder = point + own[""].rstrip("/")
                for controller in _delegated_controllers(folder):
                    places[controller] = folder
            elif kind == "cgroup":
                for controller in ("memory", "pids"):
                    if controller in options and own.get(controller) == "/":
                        places[controller] = point
    return places


def _delegated_controllers(folder: str) -> list[str]:
    """Controllers that groups below `folder` have; asks for those that are missing."""
    for controller in ("memory", "pids"):
        # Refused while processes are in the group itself, unless it is the root group: then the watch does the work.
        with contextlib.suppress(OSError), open(f"{folder}/cgroup.subtree_control", "w") as file:
            file.write(f"+{controller}")
    with contextlib.suppress(OSError), open(f"{folder}/cgroup.subtree_control") as file:
        return file.read().split()
    return []


def _usable(folder: str | None, files: tuple[str, ...]) -> tuple[str, str]:
    if not folder:
        return "", "this process has no control group of its own with that controller"
    trial = f"{folder}/coldframe-trial-{os.getpid()}"
    try:
        os.mkdir(trial)
    except OSError as error:
        return "", f"no group can be made in {folder}: {error.strerror}"
    try:
        if any(os.access(f"{trial}/{name}", os.W_OK) for name in files):
            return folder, ""
        return "", f"groups in {folder} have no {files[0]}"
    finally:
        with contextlib.suppress(OSError):
            os.rmdir(trial)


@dataclass
class WorkerGroup:
    """The groups of one worker; without any where the machine allows none."""

    folders: list[str] = field(default_factory=list)
    limits_memory: bool = False
    limits_processes: bool = False

    @classmethod
    def make(cls, places: ControlGroups, name: str, memory_bytes: int, process_limit: int) -> "WorkerGroup":
        """Make the groups and set their limits."""
        group = cls()
        if places.memory and memory_bytes:
            folder = group._make_folder(places.memory, name)
            group.limits_memory = _limit_memory(folder, memory_bytes)
        if places.pids:
            folder = group._make_folder(places.pids, name)
            group.limits_processes = _write(f"{folder}/pids.max", str(process_limit))
        return group

    def _make_folder(self, parent: str, name: str) -> str:
        folder = f"{parent}/{name}"
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder)
        if folder not in self.folders:
            self.folders.append(folder)
        return folder

    def join(self) -> None:
        """Put the calling process, and all that it forks from now on, into the groups."""
        for folder in self.folders:
            if not _write(f"{folder}/cgroup.procs", "0"):
                raise OSError(errno.EACCES, f"cannot enter the control group {folder}")

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel killed a process of the worker for want of memory."""
        for folder in self.folders:
            for name in ("memory.events", "memory.oom_control"):
                with contextlib.suppress(OSError), open(f"{folder}/{name}") as lines:
                    for line in lines:
                        key, _, count = line.partition(" ")
                        if key == "oom_kill" and int(count) > 0:
                            return True
        return False

    def remove(self) -> None:
        """Take the groups away; they must be empty."""
        for folder in self.folders:
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def remove_abandoned(places: ControlGroups) -> None:
    """Take away the empty groups that a template which was killed has left behind."""
    for place in {places.memory, places.pids} - {""}:
        for name in os.listdir(place):
            words = name.split("-")
            if len(words) == 3 and words[0] == "coldframe" and words[1].isdigit():
                if os.path.exists(f"/proc/{words[1]}"):
                    continue
                with contextlib.suppress(OSError):
                    os.rmdir(f"{place}/{name}")


def _limit_memory(folder: str, memory_bytes: int) -> bool:
    if _write(f"{folder}/memory.max", str(memory_bytes)):
        _write(f"{folder}/memory.swap.max", "0")
        return True
    if _write(f"{folder}/memory.limit_in_bytes", str(memory_bytes)):
        _write(f"{folder}/memory.memsw.limit_in_bytes", str(memory_bytes))
        return True
    return False


def _write(path: str, content: str) -> bool:
    try:
        # Without O_CREAT: what is not there is not a file of the kernel's.
        descriptor = os.open(path, os.O_WRONLY)
    except OSError:
        return False
    try:
        os.write(descriptor, content.encode())
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
