"""Reads the bytes of objects: as a stream, or as a file that shares the stored bytes."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from sqlalchemy import Connection, update

from coldframe.state.blobs import Blobs, Lease, claim, read_file, release
from coldframe.state.checksums import Digests
from coldframe.state.objects import ObjectRecord, Segment, find_object, objects
from coldframe.state.state import State


class ContentStream:
    """A range of an object's bytes, to be sent once."""

    def __init__(self, content: bytes) -> None:
        self.length = len(content)
        self._content = content

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes, in one piece."""
        yield self._content


class BlobStream:
    """A range of an object's bytes that lie in blobs, to be sent once."""

    def __init__(self, blobs: Blobs, segments: tuple[Segment, ...], start: int, length: int) -> None:
        self.length = length
        self._blobs = blobs
        self._ranges = _ranges(segments, start, length)
        self._lease: Lease = blobs.lease([blob for blob, _, _ in self._ranges])

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes, some 1 MiB at a time."""
        with self._lease:
            for blob, start, length in self._ranges:
                async for piece in read_file(self._blobs, self._blobs.path(blob), start, length):
                    yield piece

    def close(self) -> None:
        """Let go of the blobs, if nothing is to be sent after all."""
        self._lease.close()


def open_object(
    state: State, record: ObjectRecord, start: int = 0, length: int | None = None
) -> ContentStream | BlobStream:
    """An object's bytes, or a range of them, as a stream.

    Call it right after the look-up of the record, without an await between: from then on the bytes stay, whoever
    overwrites or deletes the object.
    """
    length = record.size - start if length is None else length
    if record.content is not None:
        whole = start == 0 and length == record.size
        return ContentStream(record.content if whole else record.content[start : start + length])
    return BlobStream(state.blobs, record.segments, start, length)


async def materialize(state: State, record: ObjectRecord, path: Path, *, copy: bool = False) -> ObjectRecord:
    """Make a file at `path`, which must not exist, of an object's bytes.

    A large object becomes a hard link to its blob: whoever could write to it would change the stored object, so give
    such files to others only copy-on-write or read-only, or ask for a copy. If the object was overwritten since the
    record was read, the newer one is taken. Returns the record of the object that was taken. Raises FileNotFoundError
    if it has been deleted, and OSError with errno EXDEV if `path` is on another filesystem and no copy was asked for.
    """
    found = state.database.read(lambda connection: find_object(connection, record.bucket, record.key))
    if found is None:
        raise FileNotFoundError(f"{record.uri} has been deleted")
    lease = state.blobs.lease(found.blobs)
    with lease:
        if found.content is not None:
            await state.blobs.in_thread(path.write_bytes, found.content)
        elif len(found.segments) == 1 and not copy:
            await state.blobs.in_thread(os.link, state.blobs.path(found.segments[0].blob), path)
        elif copy:
            await state.blobs.in_thread(_concatenate, [state.blobs.path(blob) for blob in found.blobs], path)
        else:
            found = await _make_one_segment(state, found)
            return await materialize(state, found, path)
    return found


async def _make_one_segment(state: State, record: ObjectRecord) -> ObjectRecord:
    """Put the segments of a completed multipart upload together into one blob; nothing else of the object changes."""
    writer = await state.blobs.write(Digests([]))
    try:
        for blob, size in record.segments:
            async for piece in read_file(state.blobs, state.blobs.path(blob), 0, size):
                await writer.write(piece)
        await writer.finish()
    except BaseException:
        await writer.abandon()
        raise
    segments = (Segment(writer.blob, record.size),)

    def exchange(connection: Connection) -> list[str]:
        now = find_object(connection, record.bucket, record.key)
        if now is None or now.segments != record.segments:
            return [writer.blob]  # overwritten meanwhile; our blob is loose already
        mine = (objects.c.bucket == record.bucket, objects.c.key == record.key)
        connection.execute(update(objects).where(*mine).values(segments=segments))
        claim(connection, [writer.blob])
        release(connection, record.blobs)
        return record.blobs

    state.blobs.discard(await state.database.write(exchange))
    return record


def _ranges(segments: tuple[Segment, ...], start: int, length: int) -> list[tuple[str, int, int]]:
    """Which bytes of which blobs make up a range: blob, first byte, number of bytes."""
    ranges = []
    offset, end = 0, start + length
    for blob, size in segments:
        first, last = max(start, offset), min(end, offset + size)
        if first < last:
            ranges.append((blob, first - offset, last - first))
        offset += size
    return ranges


def _concatenate(sources: list[Path], target: Path) -> None:
    with target.open("xb") as whole:
        for source in sources:
            with source.open("rb") as segment:
                shutil.copyfileobj(segment, whole, 1024 * 1024)
