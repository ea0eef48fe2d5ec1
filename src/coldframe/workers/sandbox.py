"""Shuts a worker off from the machine by kernel namespaces, and finds out whether this machine allows that."""

import contextlib
import fcntl
import json
import os
import re
import resource
import shutil
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from coldframe.workers import kernel
from coldframe.workers.cgroups import find_control_groups
from coldframe.workers.file_view import FileView, interpreter_folders
from coldframe.workers.specification import Bind, WorkerSpecification

_NAMESPACES = kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC
# What a worker may still do to files that are its user's own anyway, as programs that expect to be root do.
_KEPT_CAPABILITIES = (kernel.CAP_CHOWN, kernel.CAP_DAC_OVERRIDE, kernel.CAP_FOWNER, kernel.CAP_FSETID)
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1


def leave_namespaces(*, network: bool) -> None:
    """Give the calling process new namespaces, in which it is root; its first child will be process 1 there.

    The process keeps its user on the host under the name of root, as programs made for containers expect.
    """
    _unshare_with_user(_NAMESPACES | (0 if network else kernel.CLONE_NEWNET))


def furnish(specification: WorkerSpecification, kept: list[str], process_limit: int) -> None:
    """Make the sandbox what the specification says; runs as its process 1, and ends with privileges given up for good.

    Without capabilities nothing here can be undone; and in a further user namespace, which anybody may make, every
    mount is locked by the kernel.
    """
    socket.sethostname(specification.host_name)
    if not specification.network:
        _bring_up_loopback()

    def bound_process_numbers() -> None:
        if bounds_process_numbers():
            _write("/proc/sys/kernel/pid_max", str(process_limit))

    FileView(specification, kept).build(bound_process_numbers)
    kernel.keep_only_capabilities(_KEPT_CAPABILITIES)
    kernel.set_dumpable(False)  # so that the program cannot trace process 1, which has the same user


def bounds_process_numbers() -> bool:
    """Whether a PID namespace can have a highest process number of its own, which bounds how many it can hold.

    So it is since Linux 6.14. It costs nothing, where entering a control group makes the kernel wait some 13 ms for all
    its processors. Before 6.14 the same file is the whole machine's, and not ours to write.
    """
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int(re.match(r"\d*", minor)[0] or 0)) >= (6, 14)  # type: ignore[index]


def bound_processes(process_limit: int, *, namespaced: bool) -> None:
    """Bound how many processes the calling one's user may have; for root on the host the kernel ignores it.

    Since Linux 5.14 the count is that of the worker's own user namespace. Without one it is that of the user on the
    whole machine, and what runs already is allowed for.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    wanted = process_limit if namespaced else process_limit + _processes_of_user()
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NPROC, (wanted, wanted))


def _processes_of_user() -> int:
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{name}").st_uid == os.geteuid():
                    count += len(os.listdir(f"/proc/{name}/task"))
    return count


def _unshare_with_user(flags: int) -> None:
    """Leave the user namespace, and others by their flags, for new ones; be root there."""
    user, group = os.geteuid(), os.getegid()
    kernel.set_dumpable(True)  # after a change of user the kernel would not let us write our own maps
    kernel.unshare(kernel.CLONE_NEWUSER | flags)
    with contextlib.suppress(FileNotFoundError):
        _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"0 {user} 1")
    _write("/proc/self/gid_map", f"0 {group} 1")


def _bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0))
        flags = struct.unpack("16sh14x", request)[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def _write(path: str, content: str) -> None:
    with open(path, "w") as file:
        file.write(content)


@dataclass(frozen=True)
class Capability:
    """Something that this machine lets a process do, or not."""

    name: str
    available: bool
    reason: str = ""
    """Why it is not available, in the system's words."""


def probe_isolation() -> list[Capability]:
    """Try out each thing that isolating workers is made of; needs no server, and leaves nothing behind.

    Names: `user namespace`, `mount namespace`, `pid namespace`, `network namespace`, `overlay`, `whole sandbox`,
    `memory control group`, `process control group`. `whole sandbox` decides whether workers are isolated; without
    `overlay` copies are made; without control groups workers are watched instead.
    """
    groups = find_control_groups()
    return [
        Capability("user namespace", *_try(lambda: _unshare_with_user(0))),
        Capability("mount namespace", *_try(lambda: _unshare_with_user(kernel.CLONE_NEWNS))),
        Capability("pid namespace", *_try(lambda: _unshare_with_user(kernel.CLONE_NEWPID))),
        Capability("network namespace", *_try(lambda: _unshare_with_user(kernel.CLONE_NEWNET))),
        Capability("overlay", *_try(_mount_overlay)),
        Capability("whole sandbox", *try_sandbox()),
        Capability("memory control group", bool(groups.memory), groups.memory_lack),
        Capability("process control group", bool(groups.pids), groups.pids_lack),
    ]


def try_sandbox() -> tuple[bool, str]:
    """Build a whole sandbox, in a process of its own, and say whether that went well, and if not, why."""
    scratch = tempfile.mkdtemp(prefix="coldframe-trial-")
    source = os.path.join(scratch, "source")
    os.mkdir(source)
    specification = WorkerSpecification(
        name="trial",
        role="train",
        command=[],
        environment={},
        binds=[Bind(source, "/opt/ml/input", "ro")],
        scratch_directory=scratch,
        hidden_directories=[source],
    )

    def build() -> None:
        leave_namespaces(network=True)
        available, reason = _try(lambda: furnish(specification, interpreter_folders(), 4096))
        if not available:
            raise OSError(0, reason)

    try:
        return _try(build)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _mount_overlay() -> None:
    _unshare_with_user(kernel.CLONE_NEWNS)
    stage = tempfile.gettempdir()
    kernel.mount("tmpfs", stage, "tmpfs")
    for name in ("lower", "upper", "work", "merged"):
        os.mkdir(f"{stage}/{name}")
    layers = f"lowerdir={stage}/lower,upperdir={stage}/upper,workdir={stage}/work,userxattr"
    kernel.mount("overlay", f"{stage}/merged", "overlay", 0, layers)


def _try(action: Callable[[], None]) -> tuple[bool, str]:
    """Do something in a process of its own; say whether it went well, and if not, why."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            kernel.die_with_parent(signal.SIGKILL)
            action()
            code = 0
        except BaseException as error:
            os.write(writing, str(error).encode()[:4096])
        finally:
            os._exit(code)
    os.close(writing)
    with open(reading, "rb") as pipe:
        reason = pipe.read().decode(errors="replace").removeprefix("[Errno 0] ")
    _, status = os.waitpid(pid, 0)
    return status == 0, reason or ("" if status == 0 else f"the trial ended with status {status}")


if __name__ == "__main__":
    json.dump([vars(capability) for capability in probe_isolation()], sys.stdout, indent=2)
