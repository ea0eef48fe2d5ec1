"""Blobs: files of bytes that never change, each named by exactly one record.

Every file under the blobs directory either is named by a record, or has its name in the table `loose_blobs`: on its way
in, or on its way out. A name is put into that table before its file is made, and leaves it in the transaction that
writes the record; a record that goes puts the names back. So nobody sees a file before it is whole and on the disk,
and what a crash leaves behind is swept at the next start without looking at any other file.
"""

import asyncio
import contextlib
import os
import secrets
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, String, Table, bindparam, delete, insert, select

from coldframe.state.checksums import Digests
from coldframe.state.database import Database
from coldframe.state.schema import metadata
from coldframe.state.statements import Statement

T = TypeVar("T")

loose_blobs = Table("loose_blobs", metadata, Column("blob", String(40), primary_key=True))

PIECE_BYTES = 1024 * 1024
"""How much is read, written or hashed at a time."""
SYNC_BYTES = 64 * 1024 * 1024
"""After so many bytes of a blob the disk begins to take them, so that little is left to wait for at the end."""
RESERVED_AT_ONCE = 256
THREADS = 8
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)


class Blobs:
    """The blob files in one directory. Its methods are for the event loop's thread; file work is done in others."""

    def __init__(self, directory: Path, database: Database) -> None:
        self._directory = directory
        self._database = database
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="blobs")
        self._reserved: deque[str] = deque()
        self._refill: asyncio.Task[None] | None = None
        self._leases: Counter[str] = Counter()
        self._doomed: set[str] = set()
        self._removed: deque[str] = deque()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        left_over = database.read(lambda connection: list(connection.scalars(select(loose_blobs.c.blob))))
        self._sweep = self._threads.submit(self._remove_left_over, left_over)

    def path(self, blob: str) -> Path:
        """Where the blob's file is."""
        return self._directory / blob[:2] / blob[2:4] / blob

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do file work in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def reserve(self) -> str:
        """A name for a blob to be made; it is among the loose ones, durably, so that a crash leaves nothing behind."""
        while True:
            if len(self._reserved) < RESERVED_AT_ONCE // 4 and self._refill is None:
                self._refill = asyncio.create_task(self._reserve_more())
            if self._reserved:
                return self._reserved.popleft()
            if self._refill is not None:
                await asyncio.shield(self._refill)

    async def write(self, digests: Digests) -> "BlobWriter":
        """Begin a new blob."""
        blob = await self.reserve()
        descriptor = os.open(self.path(blob), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        return BlobWriter(self, blob, descriptor, digests)

    async def adopt(self, file: Path) -> str:
        """Make a blob of a file by a hard link; the caller must not write to the file any more.

        Raises OSError with errno EXDEV if the file is on another filesystem.
        """
        blob = await self.reserve()
        await self.in_thread(self._link_and_sync, file, self.path(blob))
        return blob

    async def duplicate(self, blob: str) -> str:
        """A second blob of the same bytes, without copying them."""
        with self.lease([blob]):
            return await self.adopt(self.path(blob))

    def lease(self, blobs: Sequence[str]) -> "Lease":
        """Keep these files until the lease is closed, even if they are discarded meanwhile.

        To be taken in the same step as the look-up of the record that names them, without an await between.
        """
        return Lease(self, blobs)

    def discard(self, blobs: Iterable[str]) -> None:
        """Remove the files of blobs that no record names any more; after the commit that made them loose."""
        free = []
        for blob in blobs:
            if blob in self._leases:
                self._doomed.add(blob)
            else:
                free.append(blob)
        if free:
            self._threads.submit(self._remove, free).add_done_callback(_raise_if_failed)

    def close(self) -> None:
        """Wait for file work that is under way."""
        self._threads.shutdown(wait=True)
        self._forget_removed()

    def _end_lease(self, blobs: Sequence[str]) -> None:
        free = []
        for blob in blobs:
            self._leases[blob] -= 1
            if not self._leases[blob]:
                del self._leases[blob]
                if blob in self._doomed:
                    self._doomed.discard(blob)
                    free.append(blob)
        if free:
            with contextlib.suppress(RuntimeError):  # closed already: the next start sweeps them
                self._threads.submit(self._remove, free)

    async def _reserve_more(self) -> None:
        try:
            # One folder for a whole batch, so that making folders durable is paid for once in a while only.
            folder = secrets.token_hex(2)
            await self.in_thread(self._make_folder, folder)
            names = [folder + secrets.token_hex(14) for _ in range(RESERVED_AT_ONCE)]
            self._forget_removed()
            await self._database.write(
                lambda connection: connection.execute(insert(loose_blobs), [{"blob": name} for name in names])
            )
            self._reserved.extend(names)
        finally:
            self._refill = None

    def _make_folder(self, folder: str) -> None:
        inner = self._directory / folder[:2] / folder[2:]
        if not inner.is_dir():
            inner.mkdir(parents=True, exist_ok=True, mode=0o700)
            sync_directory(inner.parent)
            sync_directory(self._directory)

    def _link_and_sync(self, source: Path, target: Path) -> None:
        os.link(source, target)
        descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fchmod(descriptor, 0o444)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(target.parent)

    def _remove(self, blobs: list[str]) -> None:
        for blob in blobs:
            self.path(blob).unlink(missing_ok=True)
        self._removed.extend(blobs)

    def _remove_left_over(self, blobs: list[str]) -> None:
        self._remove(blobs)
        self._forget_removed()

    def _forget_removed(self) -> None:
        removed = []
        while self._removed:
            removed.append(self._removed.popleft())
        if removed:
            with contextlib.suppress(RuntimeError):  # the database is closed: the next start sweeps them
                self._database.submit(lambda connection: claim(connection, removed))


class Lease:
    """Keeps blobs from being removed while they are read."""

    def __init__(self, blobs: Blobs, names: Sequence[str]) -> None:
        self._blobs = blobs
        self._names: Sequence[str] = names
        blobs._leases.update(names)

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *_failure: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()  # an answer whose client left before its first byte is never iterated

    def close(self) -> None:
        """Let go."""
        names, self._names = self._names, ()
        if names:
            self._blobs._end_lease(names)


class BlobWriter:
    """A blob on its way in: written, hashed for its MD5, and hashed for its checksums in threads beside each other."""

    def __init__(self, blobs: Blobs, blob: str, descriptor: int, digests: Digests) -> None:
        self.blob = blob
        self.size = 0
        self._blobs = blobs
        self._descriptor = descriptor
        self._digests = digests
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._under_way: asyncio.Future[Any] | None = None
        self._syncing: asyncio.Future[None] | None = None
        self._synced_bytes = 0

    async def write(self, piece: bytes) -> None:
        """Take in the next bytes; waits when disk or hashes are more than a piece behind."""
        self._waiting.append(piece)
        self._waiting_bytes += len(piece)
        if self._waiting_bytes >= PIECE_BYTES:
            await self._pass_on()

    async def finish(self) -> None:
        """Return when all bytes are on the disk, and the file's name too."""
        await self._pass_on()
        await self._settled()
        if self._syncing is not None:
            await asyncio.shield(self._syncing)
        self._begin(self._blobs.in_thread(self._sync_and_close))
        await self._settled()

    async def abandon(self) -> None:
        """Remove what has been written."""
        in_threads = [work for work in (self._under_way, self._syncing) if work is not None]
        if in_threads:
            await asyncio.wait(in_threads)  # they may be using the descriptor still
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self._blobs.discard([self.blob])

    async def _pass_on(self) -> None:
        if not self._waiting:
            return
        block = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        self._waiting.clear()
        self.size += self._waiting_bytes
        self._waiting_bytes = 0
        await self._settled()
        self._begin(
            self._blobs.in_thread(self._digests.md5.update, block),
            self._blobs.in_thread(self._write_and_check, block),
        )
        if self.size - self._synced_bytes >= SYNC_BYTES and (self._syncing is None or self._syncing.done()):
            if self._syncing is not None:
                self._syncing.result()  # a disk that fails is not to be written to any more
            self._syncing = asyncio.ensure_future(self._blobs.in_thread(os.fdatasync, self._descriptor))
            self._synced_bytes = self.size

    def _begin(self, *work: Awaitable[None]) -> None:
        self._under_way = asyncio.gather(*work, return_exceptions=True)

    async def _settled(self) -> None:
        """Wait for what is under way; being cancelled here leaves it under way."""
        if self._under_way is not None:
            results = await asyncio.shield(self._under_way)
            self._under_way = None
            for result in results:
                if isinstance(result, BaseException):
                    raise result

    def _write_and_check(self, block: bytes) -> None:
        write_fully(self._descriptor, block)
        for digest in self._digests.further.values():
            digest.update(block)

    def _sync_and_close(self) -> None:
        os.fsync(self._descriptor)
        os.close(self._descriptor)
        self._descriptor = -1
        sync_directory(self._blobs.path(self.blob).parent)


async def read_file(blobs: Blobs, path: Path, start: int, length: int) -> AsyncIterator[bytes]:
    """Bytes of a file, a piece at a time. What the kernel has in memory is read at once, the rest in a thread."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        end = start + length
        while start < end:
            wanted = min(PIECE_BYTES, end - start)
            piece = _read_if_cached(descriptor, wanted, start)
            if not piece:
                piece = await blobs.in_thread(os.pread, descriptor, wanted, start)
            if not piece:
                raise EOFError(f"{path} is shorter than it should be")
            start += len(piece)
            yield piece
    finally:
        os.close(descriptor)


def _read_if_cached(descriptor: int, length: int, offset: int) -> bytes:
    """What can be had without waiting for the disk; nothing if that is nothing."""
    if not _NOWAIT:
        return b""
    buffer = bytearray(length)
    try:
        count = os.preadv(descriptor, [buffer], offset, _NOWAIT)
    except OSError:  # nothing is cached, or the filesystem knows no such reads
        return b""
    return bytes(buffer) if count == length else bytes(memoryview(buffer)[:count])


def write_fully(descriptor: int, content: bytes) -> None:
    """Write all of it, however often the kernel takes only a part."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_CLAIM_ONE = Statement(delete(loose_blobs).where(loose_blobs.c.blob == bindparam("named")))


def claim(connection: Connection, blobs: Sequence[str]) -> None:
    """These blobs have a record from this transaction on, or their files are gone."""
    if len(blobs) == 1:
        _CLAIM_ONE.run(connection, {"named": blobs[0]})
        return
    for start in range(0, len(blobs), 500):  # databases bound the number of values in a statement
        connection.execute(delete(loose_blobs).where(loose_blobs.c.blob.in_(blobs[start : start + 500])))


def release(connection: Connection, blobs: Sequence[str]) -> None:
    """No record names these blobs from this transaction on. The caller discards them after the commit."""
    if blobs:
        connection.execute(insert(loose_blobs), [{"blob": blob} for blob in blobs])


def _raise_if_failed(done: Future[None]) -> None:
    done.result()
