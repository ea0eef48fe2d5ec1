"""A worker that is a process of this machine, as the server sees it: its output, its end, and how to bring it about."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

from coldframe.clock import Clock
from coldframe.supervisor.runners.runner import OutputLine, WorkerExit
from coldframe.workers.specification import WorkerSpecification

LONGEST_LINE_BYTES = 256 * 1024
_PIECE_BYTES = 64 * 1024
_BUFFER_BYTES = 256 * 1024
_LOOK_SECONDS = 0.01

Signaller = Callable[["LocalWorker", signal.Signals], Awaitable[None]]


class LocalWorker:
    """A started worker.

    Whoever starts a worker reads its output to the end: a program of which nobody reads the output waits, once a
    little more than 512 KiB are buffered, until somebody does.
    """

    def __init__(
        self,
        specification: WorkerSpecification,
        reader: asyncio.StreamReader,
        transport: asyncio.BaseTransport,
        clock: Clock,
        signaller: Signaller,
    ) -> None:
        self.specification = specification
        self.address = f"unix:{specification.socket_path}" if specification.socket_path else ""
        self.pid: int | None = None
        """The process with whose end every process of the worker has ended, on this machine."""
        self.times: dict[str, float] = {}
        """Milliseconds from the order to fork until each stage of starting was done."""
        self._reader = reader
        self._transport = transport
        self._clock = clock
        self._signaller = signaller
        loop = asyncio.get_running_loop()
        self._start: asyncio.Future[None] = loop.create_future()
        self._exit: asyncio.Future[WorkerExit] = loop.create_future()

    @classmethod
    async def open(
        cls, specification: WorkerSpecification, reading: int, clock: Clock, signaller: Signaller
    ) -> "LocalWorker":
        """Make ready to hear a worker that is about to be started; takes over the descriptor."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_BUFFER_BYTES)
        pipe = os.fdopen(reading, "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        return cls(specification, reader, transport, clock, signaller)

    async def started(self) -> "LocalWorker":
        """Wait until the program runs. Raises RuntimeError if it never will."""
        await asyncio.shield(self._start)
        return self

    async def output(self) -> AsyncIterator[OutputLine]:
        """Each line as it comes, to the very last one. To be read by one reader."""
        splitter = LineSplitter()
        while piece := await self._reader.read(_PIECE_BYTES):
            now = self._clock.now()
            for text in splitter.feed(piece):
                yield OutputLine(text, now)
        for text in splitter.finish():
            yield OutputLine(text, self._clock.now())

    async def terminate(self) -> None:
        """Ask it to end: SIGTERM to its program."""
        await self._signaller(self, signal.SIGTERM)

    async def kill(self) -> None:
        """End it and everything that it started; returns when that is done."""
        await self._signaller(self, signal.SIGKILL)
        await self.wait()

    async def wait(self) -> WorkerExit:
        """Wait for its end; any number may wait. When it returns, no process of the worker is left."""
        return await asyncio.shield(self._exit)

    def note_start(self, pid: int, times: dict[str, float]) -> None:
        """Its program runs now."""
        self.pid = pid
        self.times = times
        if not self._start.done():
            self._start.set_result(None)

    def note_failure(self, reason: str) -> None:
        """Its program could not be started."""
        self._fail_start(f"the worker could not be started: {reason}")
        self.close()
        self.note_end(WorkerExit(None, lost=True))

    def note_end(self, end: WorkerExit) -> None:
        """It has ended, and no process of it is left."""
        _remove_overlay_work_folders(Path(self.specification.scratch_directory))
        if not self._exit.done():
            self._exit.set_result(end)
        if not self._start.done():
            self._start.set_result(None)

    async def note_loss(self) -> None:
        """The template that it was forked from has died, and it is dying with it."""
        self._fail_start("the worker could not be started: the process that workers are forked from has died")
        while self.pid is not None and _is_alive(self.pid):  # noqa: ASYNC110 - no child of ours: nothing tells us
            await asyncio.sleep(_LOOK_SECONDS)
        self.note_end(WorkerExit(None, lost=True))

    def _fail_start(self, reason: str) -> None:
        if not self._start.done():
            self._start.set_exception(RuntimeError(reason))
            self._start.exception()  # whoever started it may have gone: then nobody is to be told, the log neither

    def close(self) -> None:
        """Stop listening to its output; what was not read is lost."""
        self._transport.close()


class LineSplitter:
    """Cuts bytes into lines of text; a line that is too long becomes several."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, piece: bytes) -> Iterator[str]:
        """Take in a piece; yield each line that is now complete, or long enough."""
        *lines, self._pending = (self._pending + piece).split(b"\n")
        for line in lines:
            yield from _cut(line)
        while len(self._pending) > LONGEST_LINE_BYTES:
            end = _boundary(self._pending)
            yield _text(self._pending[:end])
            self._pending = self._pending[end:]

    def finish(self) -> Iterator[str]:
        """Yield what came after the last line end."""
        if self._pending:
            yield from _cut(self._pending)
        self._pending = b""


def _cut(line: bytes) -> Iterator[str]:
    line = line.removesuffix(b"\r")
    while len(line) > LONGEST_LINE_BYTES:
        end = _boundary(line)
        yield _text(line[:end])
        line = line[end:]
    yield _text(line)


def _boundary(line: bytes) -> int:
    """Where to cut a long line without cutting through a character."""
    end = LONGEST_LINE_BYTES
    for back in range(3):
        if line[end - back] & 0xC0 != 0x80:
            return end - back
    return end


def _text(line: bytes) -> str:
    return line.decode(errors="replace")


def _is_alive(pid: int) -> bool:
    """Whether a process is there and more than a remainder that nobody has collected yet."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def _remove_overlay_work_folders(scratch: Path) -> None:
    """Take away what the kernel leaves with mode 000, which an ordinary user's `rmtree` would stumble over."""
    for folder in scratch.glob("cow/*/work"):
        for inner in folder.glob("*"):
            with contextlib.suppress(OSError):
                inner.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)
