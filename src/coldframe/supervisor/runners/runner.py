"""What every runner can do, whatever the place where its workers run. None knows that there is only one machine."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from coldframe.workers.specification import WorkerSpecification


@dataclass(frozen=True, slots=True)
class OutputLine:
    """A line that a worker wrote to its standard output or error; without its line end, at most 256 KiB long."""

    text: str
    written_at: float
    """Seconds since 1970 UTC, as near as the runner can tell."""


@dataclass(frozen=True, slots=True)
class WorkerExit:
    """How a worker ended."""

    exit_code: int | None
    """None when a signal ended it or its place was lost."""
    signal: int | None = None
    out_of_memory: bool = False
    lost: bool = False
    """The place where it ran is gone (template process or machine); whether it would have succeeded is unknown."""

    @property
    def succeeded(self) -> bool:
        """Whether its program ended with 0."""
        return self.exit_code == 0


class Worker(Protocol):
    """A started worker."""

    specification: WorkerSpecification
    address: str
    """Where a `serve` worker listens, as a URL: `unix:/path` or `tcp://host:port`."""

    def output(self) -> AsyncIterator[OutputLine]:
        """Each line as it comes, to the very last one; ends after the worker's whole tree has closed its output."""
        ...

    async def terminate(self) -> None:
        """Ask it to end: SIGTERM to its program."""
        ...

    async def kill(self) -> None:
        """End it and everything that it started, at once. No harm if it has ended already."""
        ...

    async def wait(self) -> WorkerExit:
        """Wait for its end; any number may wait. When it returns, no process of the worker is left."""
        ...


class Runner(Protocol):
    """A place where workers can be started."""

    async def start(self) -> None:
        """Make ready: returns when `start_worker` may be called."""
        ...

    async def wait_until_ready(self) -> None:
        """Wait until a worker can start at once. Raises RuntimeError, in a sentence for the user, if none ever can."""
        ...

    async def start_worker(self, specification: WorkerSpecification) -> Worker:
        """Start a worker. Raises RuntimeError, in a sentence for the user, if that is impossible."""
        ...

    async def stop(self) -> None:
        """End all workers and the place itself."""
        ...

    def describe(self) -> dict[str, str]:
        """Which interpreter and versions workers get, and how they are isolated, for records and logs."""
        ...
