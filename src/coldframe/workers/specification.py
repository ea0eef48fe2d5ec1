"""What a worker is to be: the message with which the supervisor asks a runner to start one."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Bind:
    """A folder of the host that the worker sees somewhere else."""

    source: str
    """Absolute path on the host."""
    target: str
    """Absolute path that the worker sees, such as `/opt/ml/input/data/training`."""
    mode: str
    """`rw`: the same folder, writes go through. `ro`: read only. `cow`: writable there, while the source stays."""


@dataclass(frozen=True)
class WorkerSpecification:
    """One worker: what it runs, what it sees, what it may take."""

    name: str
    """Unique among living workers, such as `training-job/breeds/algo-1`."""
    role: str
    """`train`: run a training program to its end. `serve`: answer invocations on `socket_path`."""
    command: list[str]
    """The program and its arguments to run instead of the role's usual entry point; empty for the usual one."""
    environment: dict[str, str]
    """The worker's whole environment, less what every process needs (PATH, HOME, LANG, TMPDIR)."""
    binds: list[Bind]
    scratch_directory: str
    """A folder of the host that is the worker's own: private /tmp, upper layers. Emptied by the caller."""
    hidden_directories: list[str] = field(default_factory=list)
    """Folders of the host that the worker must not see, such as the data directory."""
    host_name: str = "algo-1"
    host_addresses: dict[str, str] = field(default_factory=dict)
    """Further lines of /etc/hosts: name to address."""
    threads: int = 0
    """OMP_NUM_THREADS and the like; 0 leaves them alone."""
    memory_bytes: int = 0
    """The most memory that the whole worker may hold; 0 sets no limit."""
    network: bool = True
    """False: no interface but loopback (EnableNetworkIsolation), where the kernel allows."""
    socket_path: str = ""
    """On the host: where a `serve` worker listens."""

    def to_json(self) -> dict[str, Any]:
        """As plain values, for a message."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "WorkerSpecification":
        """Read back from a message."""
        values = dict(content)
        values["binds"] = [Bind(**bind) for bind in values["binds"]]
        return cls(**values)
