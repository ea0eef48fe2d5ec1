"""Runs workers as processes of this machine, forked from a warm template process."""

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coldframe.clock import Clock, SystemClock
from coldframe.supervisor.runners.local_worker import LocalWorker
from coldframe.supervisor.runners.runner import WorkerExit
from coldframe.workers.messages import EXITED, FORK, FORKED, READY, SIGNAL, FrameReader, json_frame
from coldframe.workers.specification import WorkerSpecification

# Run with `-c`, so that no script of ours is what a worker's programs find as their main module, and our folder stays
# on the module path no longer than it takes to import from it.
_BOOTSTRAP = """
import sys
sys.path.insert(0, sys.argv[1])
from coldframe.workers import template
del sys.path[0]
template.main(sys.argv[2:])
"""
_SOURCES = Path(__file__).resolve().parents[3]
_TRIES_WITH_MODULES = 2
_LONGEST_PAUSE_SECONDS = 30.0
_STOP_SECONDS = 5.0


class LocalRunner:
    """Workers as processes of this machine, each in a sandbox of its own where the kernel allows.

    Args:
        directory: A folder of the runner's own, for the template's log. Made if it is not there.
        interpreter: The Python interpreter that workers get.
        preload_modules: Modules that the template loads, where they are installed, before it forks.
        isolation: `namespaces`, `none`, or `auto` for whichever this machine allows.
        hidden_directories: Folders that no worker may see, such as the data directory; added to each specification's.
        clock: Tells when a line was written.
    """

    def __init__(
        self,
        directory: Path,
        *,
        interpreter: str = sys.executable,
        preload_modules: Sequence[str] = ("torch", "numpy"),
        isolation: str = "auto",
        hidden_directories: Sequence[Path] = (),
        clock: Clock | None = None,
    ) -> None:
        self._directory = directory
        self._interpreter = interpreter
        self._preload_modules = tuple(preload_modules)
        self._isolation = isolation
        self._hidden_directories = [str(path) for path in hidden_directories]
        self._clock = clock or SystemClock()
        self._workers: dict[str, LocalWorker] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()
        self._settled = asyncio.Event()
        self._description: dict[str, Any] = {}
        self._failure = ""
        self._failures = 0
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Start the template process; returns while it still loads its modules. `start_worker` waits for it."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._start_template()
        self._keeping = asyncio.create_task(self._keep_template(), name="keep the template process")

    async def wait_until_ready(self) -> None:
        """Wait until the template has loaded its modules.

        Raises:
            RuntimeError: If workers cannot be started here, with the reason in a sentence.
        """
        await self._settled.wait()
        if self._failure:
            raise RuntimeError(self._failure)

    async def start_worker(self, specification: WorkerSpecification) -> LocalWorker:
        """Start a worker; returns when its program runs.

        Raises:
            RuntimeError: If that is impossible, with the reason in a sentence.
        """
        await self.wait_until_ready()
        if self._stopping.is_set():
            raise RuntimeError("the runner is being stopped")
        if specification.name in self._workers:
            raise RuntimeError(f"a worker with the name {specification.name} is running already")
        hidden = [*specification.hidden_directories, *self._hidden_directories]
        specification = dataclasses.replace(specification, hidden_directories=hidden)
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            worker = await LocalWorker.open(specification, reading, self._clock, self._signal)
            self._workers[specification.name] = worker
            await self._send(json_frame(FORK, 0, specification.to_json()), [writing])
        except OSError as error:
            raise RuntimeError("the process that workers are forked from has died; another is being started") from error
        finally:
            os.close(writing)
        try:
            return await worker.started()
        except asyncio.CancelledError:
            # Whoever wanted the worker is gone, and nobody else knows it.
            await self._signal(worker, signal.SIGKILL)
            worker.close()
            raise

    async def stop(self) -> None:
        """End all workers and the template."""
        self._stopping.set()
        workers = list(self._workers.values())
        if workers:
            killing = [asyncio.create_task(worker.kill()) for worker in workers]
            await asyncio.wait(killing, timeout=_STOP_SECONDS)  # with the template dies what does not end by then
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        if self._process is not None:
            await _reap(self._process, patience_seconds=_STOP_SECONDS)
        if self._keeping is not None:
            await self._keeping
        for worker in workers:
            worker.close()
        if self._socket is not None:
            self._socket.close()

    def describe(self) -> dict[str, str]:
        """What workers get: `interpreter`, `python`, and the version of each loaded module by its name.

        And how they are kept: `isolation`, `isolation_lack` where there is none, and `memory_limit`, which is `control
        group` or `watched`. While the template still loads its modules, only what is known yet.
        """
        known = self._description
        description = {"interpreter": self._interpreter}
        if known:
            description |= {key: known[key] for key in ("python", "isolation", "memory_limit")}
            if known["isolation_lack"]:
                description["isolation_lack"] = known["isolation_lack"]
            description |= known["modules"]
        return description

    async def _keep_template(self) -> None:
        """Listen to the template; when it dies, its workers are lost, and another takes its place."""
        while True:
            await self._listen()
            self._settled.clear()
            code = await _reap(self._process, patience_seconds=1.0) if self._process else None
            await self._lose_workers()
            self._failures += 1
            if self._stopping.is_set():
                self._give_up("the runner has been stopped")
                return
            # The template before this one loaded no modules, and died all the same.
            if code is None or self._failures > _TRIES_WITH_MODULES:
                self._give_up(f"the process that workers are forked from ended with {code}: {self._last_words()}")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._pause_seconds())
            if not self._stopping.is_set():
                self._start_template()

    def _last_words(self) -> str:
        try:
            return self._log.read_text(errors="replace").strip()[-1000:]
        except OSError:
            return "it left no word"

    def _give_up(self, reason: str) -> None:
        self._failure = reason
        self._settled.set()

    def _pause_seconds(self) -> float:
        return 0.0 if self._failures <= 1 and self._process else min(0.1 * 2.0**self._failures, _LONGEST_PAUSE_SECONDS)

    @property
    def _log(self) -> Path:
        return self._directory / "template.log"

    def _start_template(self) -> None:
        """Start the process. It dies with the thread that calls this, which is the event loop's."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        # A library that kills the process when it is loaded must not keep all programs from running.
        preload = self._preload_modules if self._failures < _TRIES_WITH_MODULES else ()
        command = [self._interpreter, "-P", "-c", _BOOTSTRAP, str(_SOURCES)]
        command += ["--socket-fd", str(theirs.fileno()), "--supervisor-pid", str(os.getpid())]
        command += ["--preload", ",".join(preload), "--isolation", self._isolation]
        with theirs, self._log.open("wb") as log:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=_template_environment(),
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            except OSError as error:
                self._process = None
                log.write(f"{self._interpreter} cannot be run: {error.strerror}".encode())
        if self._socket is not None:
            self._socket.close()
        self._socket = ours

    async def _listen(self) -> None:
        assert self._socket is not None  # noqa: S101 - for the type checker: a template was started
        reader = FrameReader()
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while piece := await loop.sock_recv(self._socket, 65536):
                for kind, _, payload in reader.feed(piece):
                    self._hear(kind, json.loads(payload))

    def _hear(self, kind: int, news: dict[str, Any]) -> None:
        if kind == READY:
            self._become_ready(news)
            return
        worker = self._workers.get(news["worker"])
        if worker is None:
            return
        if kind == FORKED:
            worker.note_start(news["pid"], news["times"])
        elif kind == EXITED:
            del self._workers[news["worker"]]
            if "error" in news:
                worker.note_failure(news["error"])
            else:
                worker.note_end(WorkerExit(news["exit_code"], news["signal"], news["out_of_memory"]))

    def _become_ready(self, description: dict[str, Any]) -> None:
        self._description = description
        self._failures = 0
        self._failure = ""
        if self._isolation == "namespaces" and description["isolation"] != "namespaces":
            self._failure = f"workers cannot be isolated on this machine: {description['isolation_lack']}"
        self._settled.set()

    async def _lose_workers(self) -> None:
        workers = list(self._workers.values())
        self._workers.clear()
        await asyncio.gather(*(worker.note_loss() for worker in workers))

    async def _signal(self, worker: LocalWorker, number: signal.Signals) -> None:
        if self._workers.get(worker.specification.name) is worker:
            content = {"worker": worker.specification.name, "signal": int(number)}
            with contextlib.suppress(OSError):  # the template has died: the worker is lost anyway
                await self._send(json_frame(SIGNAL, 0, content), [])

    async def _send(self, message: bytes, descriptors: list[int]) -> None:
        """Send a whole message with its descriptors; messages never mix."""
        assert self._socket is not None  # noqa: S101 - for the type checker: a template was started
        loop = asyncio.get_running_loop()
        async with self._sending:
            sent = 0
            while descriptors and not sent:
                try:
                    sent = socket.send_fds(self._socket, [message], descriptors)
                except BlockingIOError:
                    await asyncio.sleep(0.001)
            await loop.sock_sendall(self._socket, message[sent:])


def _template_environment() -> dict[str, str]:
    """What the interpreter itself needs; the rest of the server's environment is none of a worker's business."""
    names = ("PATH", "HOME", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in names if name in os.environ} | {"LANG": "C.UTF-8"}


async def _reap(process: "subprocess.Popen[bytes]", *, patience_seconds: float) -> int:
    """Wait for a process's end; kill it when patience is at an end."""
    try:
        return await asyncio.to_thread(process.wait, patience_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return await asyncio.to_thread(process.wait)
