"""Writes objects: bytes come in, are hashed and put on the disk, and then, in one transaction, become an object."""

import errno
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, and_, bindparam, select

from coldframe.state.blobs import PIECE_BYTES, claim, read_file, release
from coldframe.state.buckets import buckets
from coldframe.state.checksums import DEFAULT_ALGORITHM, Digests, in_base64
from coldframe.state.object_reads import materialize, open_object
from coldframe.state.objects import ObjectRecord, Segment, objects, put_record, remove_record
from coldframe.state.state import State
from coldframe.state.statements import Statement

__all__ = [
    "BucketMissing",
    "Stored",
    "commit_object",
    "delete_object",
    "discard",
    "materialize",
    "open_object",
    "receive",
    "store_bytes",
    "store_file",
    "write_object",
]

Precondition = Callable[[str | None], None]
"""Is given the ETag of the object that is there, or None; raises if the write must not happen."""


class BucketMissing(LookupError):
    """The bucket does not exist, or not any more."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes that have come in whole. Those in segments are on the disk already, but no record names them yet."""

    size: int
    md5: bytes
    checksums: Mapping[str, bytes]
    """Digests by AWS's name of the algorithm."""
    content: bytes | None
    segments: tuple[Segment, ...]

    @property
    def blobs(self) -> list[str]:
        """The blobs that hold the bytes."""
        return [segment.blob for segment in self.segments]


async def receive(
    state: State, pieces: AsyncIterator[bytes], algorithms: Iterable[str], *, inline: bool = True
) -> Stored:
    """Take in bytes: few into memory, many into a blob, hashed on the way.

    Args:
        state: where to.
        pieces: the bytes. If they raise, nothing is kept.
        algorithms: the checksums to compute beside the MD5, by AWS's names.
        inline: whether few bytes may stay in memory, to become part of a row.
    """
    digests = Digests(algorithms)
    inline_bytes = state.config.inline_object_bytes if inline else -1
    first: list[bytes] = []
    size = 0
    iterator = aiter(pieces)
    async for piece in iterator:
        first.append(piece)
        size += len(piece)
        if size > inline_bytes:
            break
    else:
        if inline:
            content = b"".join(first)
            digests.update(content)
            return Stored(size, digests.md5.digest(), digests.results(), content, ())
    writer = await state.blobs.write(digests)
    try:
        for piece in first:
            await writer.write(piece)
        first.clear()
        async for piece in iterator:
            await writer.write(piece)
        await writer.finish()
    except BaseException:
        await writer.abandon()
        raise
    segments = (Segment(writer.blob, writer.size),)
    return Stored(writer.size, digests.md5.digest(), digests.results(), None, segments)


def discard(state: State, stored: Stored) -> None:
    """Throw away bytes that will not become an object."""
    state.blobs.discard(stored.blobs)


async def write_object(
    state: State, stored: Stored, record: ObjectRecord, precondition: Precondition | None = None
) -> ObjectRecord:
    """Make an object of bytes that have come in; it is durable when this returns, and replaces the one that was there.

    Raises BucketMissing, or what the precondition raises; the bytes are thrown away then.
    """
    record = replace(record, size=stored.size, content=stored.content, segments=stored.segments)
    try:
        replaced = await state.database.write(lambda connection: commit_object(connection, record, precondition))
    except Exception:  # not when cancelled: then the transaction may have happened
        discard(state, stored)
        raise
    state.blobs.discard(replaced)
    return record


_PRESENT = Statement(
    select(buckets.c.name, objects.c.etag, objects.c.segments)
    .select_from(buckets.outerjoin(objects, and_(objects.c.bucket == buckets.c.name, objects.c.key == bindparam("at"))))
    .where(buckets.c.name == bindparam("in_bucket"))
)


def commit_object(
    connection: Connection, record: ObjectRecord, precondition: Precondition | None = None, *, claimed: bool = False
) -> Sequence[str]:
    """Write an object's row. Returns the blobs of the one that it replaces, to be discarded after the commit.

    `claimed` says that the record's blobs belonged to a record until now, so that they are not loose.
    """
    row = _PRESENT.first(connection, {"in_bucket": record.bucket, "at": record.key})
    if row is None:
        raise BucketMissing(record.bucket)
    etag, segments = row[1], row[2]
    if precondition is not None:
        precondition(etag)
    put_record(connection, record, replaces=etag is not None)
    if record.segments and not claimed:
        claim(connection, record.blobs)
    replaced = [blob for blob, _ in segments or ()]
    release(connection, replaced)
    return replaced


async def delete_object(state: State, bucket: str, key: str, precondition: Precondition | None = None) -> bool:
    """Delete an object; whether there was one."""
    return (await delete_objects(state, bucket, [key], precondition))[0]


async def delete_objects(
    state: State, bucket: str, keys: Sequence[str], precondition: Precondition | None = None
) -> list[bool]:
    """Delete objects in one transaction; for each key whether there was one."""

    def work(connection: Connection) -> tuple[list[bool], list[str]]:
        existed: list[bool] = []
        loose: list[str] = []
        for key in keys:
            row = _PRESENT.first(connection, {"in_bucket": bucket, "at": key})
            if row is None:
                raise BucketMissing(bucket)
            if precondition is not None:
                precondition(row[1])
            existed.append(row[1] is not None)
            if row[1] is not None:
                remove_record(connection, bucket, key)
                loose.extend(blob for blob, _ in row[2])
        release(connection, loose)
        return existed, loose

    existed, loose = await state.database.write(work)
    state.blobs.discard(loose)
    return existed


async def store_bytes(
    state: State,
    bucket: str,
    key: str,
    content: bytes,
    *,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> ObjectRecord:
    """Make an object of some bytes; it is durable when this returns. Raises BucketMissing."""
    stored = await receive(state, _cut(content), [DEFAULT_ALGORITHM])
    return await write_object(state, stored, _record_of(state, stored, bucket, key, content_type, metadata))


async def store_file(
    state: State,
    bucket: str,
    key: str,
    path: Path,
    *,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> ObjectRecord:
    """Make an object of a file; it is durable when this returns. Raises BucketMissing.

    A file on the blobs' filesystem is linked, not copied: nobody may write to it any more, and the caller removes it
    when it likes.
    """
    few = await state.blobs.in_thread(_read_if_few, path, state.config.inline_object_bytes)
    if few is not None:
        return await store_bytes(state, bucket, key, few, content_type=content_type, metadata=metadata)
    try:
        blob = await state.blobs.adopt(path)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM):
            raise
        size = (await state.blobs.in_thread(path.stat)).st_size
        pieces = read_file(state.blobs, path, 0, size)
        stored = await receive(state, pieces, [DEFAULT_ALGORITHM])
    else:
        digests = Digests([DEFAULT_ALGORITHM])
        size = await state.blobs.in_thread(_digest_file, state.blobs.path(blob), digests)
        stored = Stored(size, digests.md5.digest(), digests.results(), None, (Segment(blob, size),))
    return await write_object(state, stored, _record_of(state, stored, bucket, key, content_type, metadata))


def _record_of(
    state: State,
    stored: Stored,
    bucket: str,
    key: str,
    content_type: str | None,
    metadata: Mapping[str, str] | None,
) -> ObjectRecord:
    return ObjectRecord(
        bucket=bucket,
        key=key,
        size=stored.size,
        etag=stored.md5.hex(),
        last_modified=state.clock.now(),
        checksum_algorithm=DEFAULT_ALGORITHM,
        checksum=in_base64(stored.checksums[DEFAULT_ALGORITHM]),
        checksum_type="FULL_OBJECT",
        content_type=content_type or "binary/octet-stream",
        user_metadata=metadata or {},
    )


async def _cut(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), PIECE_BYTES):
        yield content[start : start + PIECE_BYTES]


def _read_if_few(path: Path, limit: int) -> bytes | None:
    return path.read_bytes() if path.stat().st_size <= limit else None


def _digest_file(path: Path, digests: Digests) -> int:
    size = 0
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE_BYTES):
            digests.update(piece)
            size += len(piece)
    return size
