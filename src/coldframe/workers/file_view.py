"""What an isolated worker sees of the file system: the host read only, its own /opt/ml and /tmp, nothing hidden."""

import contextlib
import glob
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable

from coldframe.workers import kernel
from coldframe.workers.specification import Bind, WorkerSpecification

ML_ROOT = "/opt/ml"
HOME = "/tmp/home"
# Where a new root folder can be put together: nearly every host has one of these, and needs nothing in it.
_SPARE_FOLDERS = ("/media", "/mnt", "/srv", "/boot", "/home")
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
# What accelerators need; /dev holds nothing else of the host's, since root in a sandbox could open its disks.
_ACCELERATORS = ("/dev/nvidia*", "/dev/kfd", "/dev/dri", "/dev/infiniband")
# Where the user of the server keeps keys to other places. A program that is to use one is given it in its environment.
_PRIVATE_FOLDERS = (".aws", ".azure", ".config/gcloud", ".docker", ".gnupg", ".kube", ".ssh")
# Below the worker's own /proc: what would let a process that is root on the host change the host.
_PROC_READ_ONLY = ("sys", "sysrq-trigger", "irq", "bus", "fs")


def interpreter_folders() -> list[str]:
    """Folders that this interpreter needs, wherever they lie: they stay visible under whatever covers them."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = {sys.prefix, sys.base_prefix, sys.exec_prefix, package, *sys.path}
    real = {os.path.realpath(path) for path in found if path and os.path.isdir(path)}
    every = {path for path in real | {os.path.abspath(path) for path in found if path} if os.path.isdir(path)}
    return sorted(path for path in every if path != "/")


class FileView:
    """Builds the view of one worker. Runs as process 1 of the sandbox, with its capabilities, in its mount namespace.

    Everything that is to be seen is opened first, since what is covered later can then still be bound from.
    """

    def __init__(self, specification: WorkerSpecification, kept: Iterable[str]) -> None:
        self._specification = specification
        home = os.path.expanduser("~")
        hidden = [*specification.hidden_directories, *(os.path.join(home, name) for name in _PRIVATE_FOLDERS)]
        self._hidden = sorted({os.path.realpath(path) for path in hidden})
        self._kept_paths = list(kept)
        self._stage = ""

    def build(self, set_up_kernel: Callable[[], object]) -> None:
        """Mount everything, in the one order that works.

        Args:
            set_up_kernel: Called when the sandbox's own /proc is there and its settings can still be written.
        """
        kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
        self._add_missing_top_folders()
        scratch = _open(self._specification.scratch_directory)
        binds = sorted(self._binds(), key=lambda bind: bind.target.count("/"))
        sources = [_open(bind.source) for bind in binds]
        kept = {path: _open(path) for path in self._kept_paths}
        kernel.set_read_only("/", read_only=True, recursive=True)
        self._stage_scratch(scratch)
        self._mount_proc()
        set_up_kernel()
        self._protect_proc()
        self._mount_devices()
        self._cover_run()
        self._cover_temporary_folders(kept)
        self._hide(kept)
        for index, (bind, source) in enumerate(zip(binds, sources, strict=True)):
            self._bind(bind, source, index)
        self._let_environment_be_changed()
        self._write_hosts()

    def _binds(self) -> list[Bind]:
        binds = list(self._specification.binds)
        if not any(bind.target.rstrip("/") == ML_ROOT for bind in binds):
            own = os.path.join(self._specification.scratch_directory, "ml")
            os.makedirs(own, exist_ok=True)
            binds.append(Bind(own, ML_ROOT, "rw"))
        if self._specification.socket_path:
            folder = os.path.dirname(self._specification.socket_path)
            binds.append(Bind(folder, folder, "rw"))
        return binds

    def _add_missing_top_folders(self) -> None:
        """Give the sandbox a root folder of its own where a top-level folder is wanted that the host does not have."""
        wanted = {bind.target.split("/")[1] for bind in self._binds()}
        missing = {name for name in wanted if not os.path.exists(f"/{name}")}
        if not missing:
            return
        needed = [self._specification.scratch_directory, *self._kept_paths, *(bind.source for bind in self._binds())]
        free = (path for path in _SPARE_FOLDERS if os.path.isdir(path) and not any(_lies_in(n, path) for n in needed))
        new_root = next(free, "/media")
        kernel.mount("tmpfs", new_root, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755,size=1m")
        for entry in list(os.scandir("/")):
            if entry.path == new_root:
                os.mkdir(f"{new_root}/{entry.name}")
            else:
                _show_again(entry, f"{new_root}/{entry.name}")
        for name in missing:
            os.mkdir(f"{new_root}/{name}")
        old_root = f"{new_root}/.old-root"
        os.mkdir(old_root)
        kernel.pivot_root(new_root, old_root)
        os.chdir("/")
        kernel.unmount("/.old-root", kernel.MNT_DETACH)
        os.rmdir("/.old-root")

    def _stage_scratch(self, scratch: int) -> None:
        """Make the scratch folder writable under a path that is covered again later, and keep a way to it."""
        stage = "/tmp"
        _bind_descriptor(scratch, stage)
        kernel.set_read_only(stage, read_only=False)
        self._stage = f"/proc/self/fd/{_open(stage)}"

    def _mount_proc(self) -> None:
        kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)

    def _protect_proc(self) -> None:
        for name in _PROC_READ_ONLY:
            path = f"/proc/{name}"
            if os.path.exists(path):
                kernel.mount(path, path, "", kernel.MS_BIND | kernel.MS_REC)
                kernel.set_read_only(path, read_only=True)

    def _mount_devices(self) -> None:
        paths = [f"/dev/{name}" for name in _DEVICES]
        paths += [path for pattern in _ACCELERATORS for path in glob.glob(pattern)]
        devices = {path: _open(path) for path in paths if os.path.exists(path)}
        kernel.mount("tmpfs", "/dev", "tmpfs", kernel.MS_NOSUID, "mode=755,size=64k")
        for path, descriptor in devices.items():
            _make_mount_point(path, is_directory=os.path.isdir(f"/proc/self/fd/{descriptor}"))
            _bind_descriptor(descriptor, path)
        for name in ("pts", "shm"):
            os.mkdir(f"/dev/{name}")
        flags = kernel.MS_NOSUID | kernel.MS_NODEV
        size = self._specification.memory_bytes or "50%"
        kernel.mount("tmpfs", "/dev/shm", "tmpfs", flags, f"mode=1777,size={size}")
        with contextlib.suppress(OSError):  # terminals are rarely wanted, and not every kernel gives them
            options = "newinstance,ptmxmode=0666,mode=620"
            kernel.mount("devpts", "/dev/pts", "devpts", kernel.MS_NOSUID | kernel.MS_NOEXEC, options)
        links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
        for name, target in links.items():
            os.symlink(target, f"/dev/{name}")

    def _cover_run(self) -> None:
        """Cover /run, where daemons of the host listen that do what root asks; only name resolution stays."""
        if os.path.islink("/run") or not os.path.isdir("/run"):
            return
        resolver = _open("/run/systemd/resolve") if os.path.isdir("/run/systemd/resolve") else None
        kernel.mount("tmpfs", "/run", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755,size=16m")
        if resolver is not None:
            os.makedirs("/run/systemd/resolve")
            _bind_descriptor(resolver, "/run/systemd/resolve")

    def _cover_temporary_folders(self, kept: dict[str, int]) -> None:
        for path, name in (("/var/tmp", "var-tmp"), ("/tmp", "tmp")):
            own = f"{self._stage}/{name}"
            os.makedirs(own, exist_ok=True)
            os.chmod(own, 0o1777)
            if os.path.isdir(path):
                kernel.mount(own, path, "", kernel.MS_BIND)
        os.makedirs(HOME, exist_ok=True)
        covered = ("/tmp", "/var/tmp", "/run", "/dev")
        for path, descriptor in kept.items():
            if any(_lies_in(path, cover) for cover in covered):
                _make_mount_point(path, is_directory=True)
                _bind_descriptor(descriptor, path)

    def _hide(self, kept: dict[str, int]) -> None:
        for path in self._hidden:
            if not os.path.isdir(path):
                continue
            kernel.mount("tmpfs", path, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755,size=1m")
            for other, descriptor in kept.items():
                if _lies_in(other, path) and not any(_lies_in(hidden, other) for hidden in self._hidden):
                    _make_mount_point(other, is_directory=True)
                    _bind_descriptor(descriptor, other)

    def _bind(self, bind: Bind, source: int, index: int) -> None:
        is_directory = os.path.isdir(f"/proc/self/fd/{source}")
        _make_mount_point(bind.target, is_directory=is_directory)
        if bind.mode == "cow":
            self._bind_copy_on_write(bind, source, index, is_directory=is_directory)
            return
        _bind_descriptor(source, bind.target)
        kernel.set_read_only(bind.target, read_only=bind.mode != "rw")

    def _bind_copy_on_write(self, bind: Bind, source: int, index: int, *, is_directory: bool) -> None:
        own = f"{self._stage}/cow/{index}"
        os.makedirs(f"{own}/work")
        if is_directory:
            os.mkdir(f"{own}/upper", stat.S_IMODE(os.fstat(source).st_mode) | stat.S_IRWXU)
            layers = f"lowerdir=/proc/self/fd/{source},upperdir={own}/upper,workdir={own}/work"
            with contextlib.suppress(OSError):  # a file system that cannot be a layer, or a kernel before 5.11
                kernel.mount("overlay", bind.target, "overlay", 0, f"{layers},userxattr")
                return
        copy_tree(f"/proc/self/fd/{source}", f"{own}/copy")
        kernel.mount(f"{own}/copy", bind.target, "", kernel.MS_BIND)

    def _let_environment_be_changed(self) -> None:
        """Let the program install packages into its virtual environment, as it may in a container, for itself only."""
        if sys.prefix == sys.base_prefix:
            return
        own = f"{self._stage}/cow/environment"
        for name in ("upper", "work"):
            os.makedirs(f"{own}/{name}")
        os.chmod(f"{own}/upper", 0o755)
        layers = f"lowerdir={sys.prefix},upperdir={own}/upper,workdir={own}/work"
        with contextlib.suppress(OSError):  # it stays read only where overlays are refused: a copy would take too long
            kernel.mount("overlay", sys.prefix, "overlay", 0, f"{layers},userxattr")

    def _write_hosts(self) -> None:
        if not os.path.exists("/etc/hosts"):
            return
        own = f"{self._stage}/hosts"
        with open(own, "w") as file:
            file.write(hosts_file(self._specification))
        kernel.mount(own, "/etc/hosts", "", kernel.MS_BIND)


def hosts_file(specification: WorkerSpecification) -> str:
    """The content of a worker's /etc/hosts."""
    addresses = {"localhost": "127.0.0.1", specification.host_name: "127.0.0.1", **specification.host_addresses}
    lines = [f"{address}\t{name}\n" for name, address in addresses.items()]
    return "".join(lines) + "::1\tlocalhost ip6-localhost ip6-loopback\n"


def copy_tree(source: str, target: str) -> None:
    """Copy a file or a folder, with every copy writable by its owner, whatever the original's mode."""
    if not os.path.isdir(source):
        shutil.copy2(source, target)
        os.chmod(target, os.stat(target).st_mode | stat.S_IWUSR)
        return
    os.makedirs(target, exist_ok=True)
    for entry in os.scandir(source):
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), f"{target}/{entry.name}")
        elif entry.is_dir() or entry.is_file():
            copy_tree(entry.path, f"{target}/{entry.name}")


def _open(path: str) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def _bind_descriptor(descriptor: int, target: str) -> None:
    """Show again what was opened, with all that is mounted below it."""
    kernel.mount(f"/proc/self/fd/{descriptor}", target, "", kernel.MS_BIND | kernel.MS_REC)


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _make_mount_point(path: str, *, is_directory: bool) -> None:
    """Make an empty folder or file to mount on, without writing to the host: it is read only by now."""
    if os.path.exists(path):
        return
    parent = os.path.dirname(path)
    _make_mount_point(parent, is_directory=True)
    try:
        _make_empty(path, is_directory=is_directory)
    except OSError:
        _replace_by_own_folder(parent)
        _make_empty(path, is_directory=is_directory)


def _make_empty(path: str, *, is_directory: bool) -> None:
    if is_directory:
        os.mkdir(path)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def _replace_by_own_folder(path: str) -> None:
    """Put a folder of the sandbox's own in the place of the host's, with the host's entries shown in it."""
    original = _open(path)
    kernel.mount("tmpfs", path, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755,size=16m")
    for entry in list(os.scandir(f"/proc/self/fd/{original}")):
        _show_again(entry, f"{path}/{entry.name}")


def _show_again(entry: "os.DirEntry[str]", target: str) -> None:
    """Make an entry of a folder visible at another place: links as links, all else bound."""
    if entry.is_symlink():
        os.symlink(os.readlink(entry.path), target)
        return
    _make_empty(target, is_directory=entry.is_dir())
    kernel.mount(entry.path, target, "", kernel.MS_BIND | kernel.MS_REC)
