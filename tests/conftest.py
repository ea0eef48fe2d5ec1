"""What every test may ask for: a running server, clients for it, servers of its own, names that nobody else uses."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from servers import ServerProcess

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that all tests of this run share: use names of your own in it, and leave it running."""
    process = ServerProcess(tmp_path_factory.mktemp("shared-server") / "data").start()
    yield process
    process.close()


@pytest.fixture
def client(server: ServerProcess) -> Callable[..., Any]:
    """Makes boto3 clients of the shared server: `client("s3")`. Root, no retries; further arguments as boto3's."""
    return server.client


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Makes servers of this test's own: `own_server().start()`; `kill9()` and `restart()` keep the data directory.

    Arguments go to `coldframe up`, keywords are environment variables: `own_server(COLDFRAME_ISOLATION="none")`.
    """
    processes: list[ServerProcess] = []

    def make(*arguments: str, **environment: str) -> ServerProcess:
        process = ServerProcess(tmp_path / f"data-{len(processes)}", list(arguments), **environment)
        processes.append(process)
        return process

    make.processes = processes  # type: ignore[attr-defined] # for the report of a failure
    yield make
    failures = []
    for process in processes:
        try:
            process.close()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "\n".join(failures)


@pytest.fixture
def unique_name() -> Callable[[str], str]:
    """Gives names that no other test of this run uses, fit for buckets, jobs and endpoints: `unique_name("bucket")`."""

    def make(prefix: str = "name") -> str:
        return f"{prefix}-{os.getpid()}-{next(_numbers)}"

    return make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show the end of the servers' logs beside a failure."""
    report = yield
    if report.when == "call" and report.failed:
        for value in getattr(item, "funcargs", {}).values():
            for process in [value] if isinstance(value, ServerProcess) else getattr(value, "processes", []):
                report.sections.append((f"server log {process.log_path}", process.log()[-6000:]))
    return report
