"""The files in the data directory that commands and server share, and what each is called."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

HEALTH_PATH = "/_coldframe/health"
"""Where a server answers anybody, unsigned, with 200 and `{"status": "ok", "version": "...", "pid": ...}`."""


@dataclass(frozen=True)
class ServerFile:
    """Where a running server is to be found: `server.json`."""

    url: str
    pid: int
    account_id: str
    region: str

    def write(self, data_directory: Path) -> None:
        """Tell others where this server listens."""
        _write_privately(data_directory / "server.json", json.dumps(asdict(self), indent=2))

    @classmethod
    def read(cls, data_directory: Path) -> "ServerFile | None":
        """Where the server of this data directory listens; nothing if none was started or it was stopped in order."""
        with contextlib.suppress(FileNotFoundError):
            return cls(**json.loads((data_directory / "server.json").read_text()))
        return None

    @staticmethod
    def remove(data_directory: Path) -> None:
        """The server listens no more."""
        (data_directory / "server.json").unlink(missing_ok=True)


@dataclass(frozen=True)
class RootCredentials:
    """The account's root access key: `root-credentials.json`, readable by its owner only."""

    access_key_id: str
    secret_access_key: str

    def write(self, data_directory: Path) -> None:
        """Keep the key, on the disk before this returns."""
        _write_privately(data_directory / "root-credentials.json", json.dumps(asdict(self), indent=2))

    @classmethod
    def read(cls, data_directory: Path) -> "RootCredentials | None":
        """The key, if one was made."""
        with contextlib.suppress(FileNotFoundError):
            return cls(**json.loads((data_directory / "root-credentials.json").read_text()))
        return None


class CannotStart(RuntimeError):
    """A server cannot start, for a reason that is said in one sentence for the person who started it."""


class DataDirectoryInUse(CannotStart):
    """Another server runs in this data directory; stop it with `coldframe down`, or give another directory."""


@contextlib.contextmanager
def locked(data_directory: Path) -> Iterator[None]:
    """Keep the directory for this process alone; the kernel lets go of it however the process ends."""
    data_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (data_directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirectoryInUse(f"{DataDirectoryInUse.__doc__}") from None
        yield


def _write_privately(path: Path, content: str) -> None:
    """Replace a file in one step, mode 0600, synced."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_suffix(".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
