"""LocalRunner does what every runner does, with namespaces and without."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from coldframe.supervisor.runners.local import LocalRunner
from coldframe.workers.sandbox import try_sandbox
from supervisor.runner_conformance import RunnerConformance, RunnerThread, run_in_thread

ISOLATES, LACK = try_sandbox()


@pytest.fixture(scope="module")
def isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerThread]:
    yield from _local(tmp_path_factory.mktemp("isolated"), "namespaces")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerThread]:
    yield from _local(tmp_path_factory.mktemp("plain"), "none")


def _local(directory: Path, isolation: str) -> Iterator[RunnerThread]:
    return run_in_thread(lambda: LocalRunner(directory / "runner", preload_modules=[], isolation=isolation), directory)


@pytest.mark.skipif(not ISOLATES, reason=f"this machine does not isolate workers: {LACK}")
class TestIsolated(RunnerConformance):
    @pytest.fixture
    def runners(self, isolated: RunnerThread) -> RunnerThread:
        return isolated

    def test_fork_bomb_is_bounded(self, runners: RunnerThread) -> None:
        started = runners.python(
            "import os, time\n"
            "count = 0\n"
            "try:\n"
            "    while count < 20_000:\n"
            "        if os.fork() == 0: time.sleep(600)\n"
            "        count += 1\n"
            "except OSError as error: print(error.strerror)\n"
            "print(count < 6000)"
        )
        assert started.wait().succeeded
        assert started.lines == ["Resource temporarily unavailable", "True"]


class TestPlain(RunnerConformance):
    @pytest.fixture
    def runners(self, plain: RunnerThread) -> RunnerThread:
        return plain

    def test_describe_says_why_not_isolated(self, runners: RunnerThread) -> None:
        assert runners.runner.describe()["isolation_lack"] == "it was asked for"
