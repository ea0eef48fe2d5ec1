"""Runs workers as processes of this machine, forked from a warm template process."""

import sys
from collections.abc import Sequence
from pathlib import Path

from coldframe.supervisor.runners.runner import Worker
from coldframe.workers.specification import WorkerSpecification


class LocalRunner:
    """Workers as processes of this machine, each in a sandbox of its own where the kernel allows.

    Args:
        directory: A folder of the runner's own, for the template's log. Made if it is not there.
        interpreter: The Python interpreter that workers get.
        preload_modules: Modules that the template loads, where they are installed, before it forks.
        isolation: `namespaces`, `none`, or `auto` for whichever this machine allows.
        hidden_directories: Folders that no worker may see, such as the data directory; added to each specification's.
    """

    def __init__(
        self,
        directory: Path,
        *,
        interpreter: str = sys.executable,
        preload_modules: Sequence[str] = ("torch", "numpy"),
        isolation: str = "auto",
        hidden_directories: Sequence[Path] = (),
    ) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        """Start the template process; returns at once, while it still loads its modules. `start_worker` waits for it."""
        raise NotImplementedError

    async def start_worker(self, specification: WorkerSpecification) -> Worker:
        """Start a worker; returns when its program runs.

        Raises:
            RuntimeError: If that is impossible, with the reason in a sentence.
        """
        raise NotImplementedError

    async def stop(self) -> None:
        """End all workers and the template."""
        raise NotImplementedError

    def describe(self) -> dict[str, str]:
        """Keys `interpreter`, `python`, `isolation` and, when not isolated, `isolation_lack`; then module: version."""
        raise NotImplementedError
