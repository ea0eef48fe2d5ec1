"""What every runner must do, whatever the place where its workers run: each kind of runner passes these same tests."""

import asyncio
import contextlib
import itertools
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import pytest

from coldframe.supervisor.runners.runner import Runner, Worker, WorkerExit
from coldframe.workers.specification import Bind, WorkerSpecification
from waiting import wait_until

T = TypeVar("T")
_numbers = itertools.count(1)

TIMEOUT_SECONDS = 60.0


class RunnerThread:
    """A runner on an event loop of its own, for tests that are plain functions."""

    def __init__(self, make: Callable[[], Runner], directory: Path) -> None:
        self.directory = directory
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.runner = make()
        self.call(self.runner.start())

    def begin(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Let something run on the loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Let something run on the loop, and wait for it."""
        return self.begin(coroutine).result(TIMEOUT_SECONDS)

    def stop(self) -> None:
        self.call(self.runner.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def specification(self, command: list[str], **fields: Any) -> WorkerSpecification:
        number = next(_numbers)
        scratch = self.directory / f"scratch-{number}"
        scratch.mkdir(parents=True)
        values: dict[str, Any] = {
            "name": f"test/worker-{number}",
            "role": "train",
            "command": command,
            "environment": {},
            "binds": [],
            "scratch_directory": str(scratch),
        }
        return WorkerSpecification(**{**values, **fields})

    def start(self, command: list[str], **fields: Any) -> "Started":
        return Started(self, self.call(self.runner.start_worker(self.specification(command, **fields))))

    def python(self, source: str, **fields: Any) -> "Started":
        """Start a worker that runs a piece of Python."""
        return self.start([sys.executable, "-c", source], **fields)


class Started:
    """A started worker, of which the output is collected all the time."""

    def __init__(self, runners: RunnerThread, worker: Worker) -> None:
        self.worker = worker
        self.lines: list[str] = []
        self._runners = runners
        self._reading = runners.begin(self._read())

    async def _read(self) -> None:
        async for line in self.worker.output():
            self.lines.append(line.text)

    def wait(self) -> WorkerExit:
        """Wait for its end, and for the end of its output."""
        end = self._runners.call(self.worker.wait())
        self._reading.result(TIMEOUT_SECONDS)
        return end

    def wait_for_line(self, text: str) -> None:
        wait_until(lambda: text in self.lines, timeout_seconds=20, describe=lambda: f"{text!r} among {self.lines[-9:]}")

    def terminate(self) -> None:
        self._runners.call(self.worker.terminate())

    def kill(self) -> None:
        self._runners.call(self.worker.kill())


class RunnerConformance:
    """The tests. A subclass gives the fixture `runners`."""

    @pytest.mark.parametrize("code", [0, 1, 17])
    def test_wait_exit_code(self, runners: RunnerThread, code: int) -> None:
        end = runners.python(f"raise SystemExit({code})").wait()
        assert end == WorkerExit(exit_code=code)
        assert end.succeeded == (code == 0)

    def test_wait_ended_by_signal(self, runners: RunnerThread) -> None:
        end = runners.python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)").wait()
        assert end == WorkerExit(exit_code=None, signal=11)

    def test_wait_by_many_and_after_the_end(self, runners: RunnerThread) -> None:
        started = runners.python("raise SystemExit(3)")

        async def wait_twice() -> list[WorkerExit]:
            return await asyncio.gather(started.worker.wait(), started.worker.wait())

        assert runners.call(wait_twice()) == [WorkerExit(3)] * 2
        assert started.wait() == WorkerExit(3)

    def test_start_worker_command_not_found(self, runners: RunnerThread) -> None:
        started = runners.start(["no-such-program"])
        assert started.wait().exit_code == 127
        assert started.lines == ["no-such-program: No such file or directory"]

    def test_start_worker_name_taken(self, runners: RunnerThread) -> None:
        first = runners.start(["sleep", "60"])
        with pytest.raises(RuntimeError, match="running already"):
            runners.start(["true"], name=first.worker.specification.name)
        first.kill()
        again = runners.start(["true"], name=first.worker.specification.name)
        assert again.wait().succeeded

    def test_start_worker_source_missing(self, runners: RunnerThread, tmp_path: Path) -> None:
        with pytest.raises(RuntimeError, match="absent"):
            runners.start(["true"], binds=[Bind(str(tmp_path / "absent"), "/opt/ml/input", "ro")])

    def test_output_comes_as_it_is_printed(self, runners: RunnerThread) -> None:
        started = runners.python("print('first'); input_never_comes = __import__('time').sleep(60)")
        started.wait_for_line("first")
        started.kill()

    def test_output_of_both_streams_in_order(self, runners: RunnerThread) -> None:
        started = runners.start(
            ["sh", "-c", "for i in 1 2 3; do echo out $i; echo err $i >&2; done; printf unfinished"]
        )
        started.wait()
        assert started.lines == ["out 1", "err 1", "out 2", "err 2", "out 3", "err 3", "unfinished"]

    def test_output_empty_lines_and_carriage_returns(self, runners: RunnerThread) -> None:
        started = runners.start(["printf", r"\n\na\r\nb\rc\n"])
        started.wait()
        assert started.lines == ["", "", "a", "b\rc"]

    def test_output_binary(self, runners: RunnerThread) -> None:
        started = runners.python("import os; os.write(1, bytes(range(256)) + b'\\n\\xff\\xfe end')")
        started.wait()
        expected = (bytes(range(256)) + b"\n\xff\xfe end").decode(errors="replace").split("\n")
        assert started.lines == expected

    def test_output_many_lines(self, runners: RunnerThread) -> None:
        started = runners.python("import sys; sys.stdout.writelines(f'line {i}\\n' for i in range(300_000))")
        assert started.wait().succeeded
        assert started.lines == [f"line {i}" for i in range(300_000)]

    def test_output_long_line_of_wide_characters(self, runners: RunnerThread) -> None:
        started = runners.python(
            "import os; data = ('x' + 'ä€😀' * 100_000).encode()\nwhile data: data = data[os.write(1, data):]"
        )
        started.wait()
        assert all(len(line.encode()) <= 256 * 1024 for line in started.lines)
        assert "".join(started.lines) == "x" + "ä€😀" * 100_000

    def test_output_not_read_makes_the_program_wait(self, runners: RunnerThread) -> None:
        specification = runners.specification(
            [sys.executable, "-c", "import os\nfor i in range(64): os.write(1, b'.' * 65536)\nos.write(1, b'end')"]
        )
        worker = runners.call(runners.runner.start_worker(specification))
        with pytest.raises(asyncio.TimeoutError):
            runners.call(asyncio.wait_for(worker.wait(), 0.5))
        started = Started(runners, worker)
        assert started.wait().succeeded
        assert sum(map(len, started.lines)) == 64 * 65536 + 3

    def test_terminate(self, runners: RunnerThread) -> None:
        started = runners.python(
            "import signal, sys, time\n"
            "signal.signal(signal.SIGTERM, lambda *_: (print('asked to end'), sys.exit(5)))\n"
            "print('ready'); time.sleep(60)"
        )
        started.wait_for_line("ready")
        started.terminate()
        assert started.wait() == WorkerExit(5)
        assert started.lines == ["ready", "asked to end"]

    def test_terminate_not_handled(self, runners: RunnerThread) -> None:
        started = runners.python("print('ready'); import time; time.sleep(60)")
        started.wait_for_line("ready")
        started.terminate()
        assert started.wait() == WorkerExit(None, signal=15)

    def test_terminate_ignored_then_kill(self, runners: RunnerThread) -> None:
        started = runners.start(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 60; done"])
        started.wait_for_line("ready")
        started.terminate()
        with pytest.raises(asyncio.TimeoutError):
            runners.call(asyncio.wait_for(started.worker.wait(), 0.3))
        started.kill()
        assert started.wait() == WorkerExit(None, signal=9)

    def test_kill_twice_and_after_the_end(self, runners: RunnerThread) -> None:
        started = runners.start(["sleep", "60"])
        started.kill()
        started.kill()
        assert started.wait() == WorkerExit(None, signal=9)
        ended = runners.start(["true"])
        assert ended.wait().succeeded
        ended.kill()
        ended.terminate()

    def test_environment_is_the_specified_one(self, runners: RunnerThread, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRET_OF_THE_SERVER", "1")
        started = runners.start(["env"], environment={"SM_HPS": "{}", "TRAINING_JOB_NAME": "breeds"}, threads=3)
        started.wait()
        names = {line.partition("=")[0] for line in started.lines}
        assert names - {"PWD", "_"} == {
            *("PATH", "HOME", "LANG", "TMPDIR", "PYTHONUNBUFFERED", "COLDFRAME_ML_ROOT", "SM_HPS", "TRAINING_JOB_NAME"),
            *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
        }
        assert {"TRAINING_JOB_NAME=breeds", "OMP_NUM_THREADS=3"} <= set(started.lines)

    def test_memory_limit_passed(self, runners: RunnerThread) -> None:
        started = runners.python(
            "pieces = []\nwhile True: pieces.append(b'x' * 10_000_000)", memory_bytes=200 * 1024 * 1024
        )
        end = started.wait()
        assert end.out_of_memory
        assert not end.succeeded

    def test_memory_limit_kept(self, runners: RunnerThread) -> None:
        source = "piece = b'x' * 50_000_000; import time; time.sleep(0.8)"
        assert runners.python(source, memory_bytes=200 * 1024 * 1024).wait() == WorkerExit(0)

    def test_binds(self, runners: RunnerThread, tmp_path: Path) -> None:
        for name in ("rw", "ro", "cow"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "old").write_text(name)
            (tmp_path / name / "old").chmod(0o444)
        binds = [Bind(str(tmp_path / mode), f"/opt/ml/deep/er/{mode}", mode) for mode in ("rw", "ro", "cow")]
        started = runners.python(
            "import os, pathlib\n"
            "root = pathlib.Path(os.environ['COLDFRAME_ML_ROOT'])\n"
            "for mode in ('rw', 'ro', 'cow'):\n"
            "    folder = root / 'deep/er' / mode\n"
            "    print(mode, (folder / 'old').read_text())\n"
            "for mode in ('rw', 'cow'):\n"
            "    (root / 'deep/er' / mode / 'new').write_text('new')\n"
            "(root / 'deep/er/cow/old').unlink(); (root / 'own').write_text('')\n",
            binds=binds,
        )
        assert started.wait().succeeded, started.lines
        assert started.lines == ["rw rw", "ro ro", "cow cow"]
        after = {mode: sorted(path.name for path in (tmp_path / mode).iterdir()) for mode in ("rw", "ro", "cow")}
        assert after == {"rw": ["new", "old"], "ro": ["old"], "cow": ["old"]}
        assert (tmp_path / "cow" / "old").read_text() == "cow"

    def test_daemons_end_with_the_program(self, runners: RunnerThread) -> None:
        started = runners.python(
            "import os, time\n"
            "reading, writing = os.pipe()\n"
            "if os.fork() == 0:\n"
            "    os.setsid()\n"
            "    if os.fork() == 0:\n"
            "        os.write(writing, b'.'); time.sleep(600)\n"
            "    os._exit(0)\n"
            "os.read(reading, 1); print('daemon runs')"
        )
        assert started.wait().succeeded  # and its output ends: no daemon is left to hold it open
        assert started.lines == ["daemon runs"]

    def test_fork_bomb_can_be_killed(self, runners: RunnerThread) -> None:
        started = runners.start(["sh", "-c", "echo on; b() { b | b & }; b; sleep 60"], memory_bytes=2 * 1024**3)
        started.wait_for_line("on")
        with contextlib.suppress(asyncio.TimeoutError):
            runners.call(asyncio.wait_for(started.worker.wait(), 1.0))
        started.kill()
        assert not started.wait().succeeded

    def test_start_worker_twenty_at_once(self, runners: RunnerThread) -> None:
        specifications = [runners.specification(["sh", "-c", f"echo {n}; exit {n}"]) for n in range(20)]

        async def run(specification: WorkerSpecification) -> tuple[int | None, list[str]]:
            worker = await runners.runner.start_worker(specification)
            lines = [line.text async for line in worker.output()]
            return (await worker.wait()).exit_code, lines

        async def run_all() -> list[tuple[int | None, list[str]]]:
            return await asyncio.gather(*map(run, specifications))

        assert runners.call(run_all()) == [(n, [str(n)]) for n in range(20)]

    def test_describe(self, runners: RunnerThread) -> None:
        assert {"interpreter", "python", "isolation"} <= set(runners.runner.describe())


def run_in_thread(make: Callable[[], Runner], directory: Path) -> Iterator[RunnerThread]:
    """For fixtures: a runner that is started, and stopped afterwards."""
    thread = RunnerThread(make, directory)
    yield thread
    thread.stop()
