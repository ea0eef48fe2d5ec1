"""Where a copy comes from: finds the source of CopyObject and UploadPartCopy, and takes in its bytes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import unquote

from coldframe.calls import AllowedCall
from coldframe.services.s3 import errors
from coldframe.services.s3.addressing import check_owner, no_such_bucket, no_such_key, refuse_unsupported, text_bytes
from coldframe.services.s3.checksums import decoded
from coldframe.services.s3.conditions import check_copy_source
from coldframe.services.s3.ranges import ByteRange
from coldframe.state.buckets import find_bucket
from coldframe.state.checksums import Digests
from coldframe.state.object_reads import open_object
from coldframe.state.object_writes import Stored, receive
from coldframe.state.objects import ObjectRecord, Segment, find_object
from coldframe.state.state import State


@dataclass(frozen=True, slots=True)
class CopySource:
    """The bucket and key that `x-amz-copy-source` names."""

    bucket: str
    key: str


def copy_source(header: str) -> CopySource:
    """Read the header: percent-encoded `bucket/key`, perhaps with a slash before it and a version behind it."""
    path, _, query = header.partition("?")
    if query:
        refuse_unsupported({"VersionId": query.removeprefix("versionId=")})
    bucket, _, key = unquote(path, errors="surrogateescape").removeprefix("/").partition("/")
    if not bucket or not key or bucket.startswith("arn:"):
        raise errors.InvalidArgument(
            message="Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            members={"ArgumentName": "x-amz-copy-source", "ArgumentValue": header},
        )
    text_bytes(key)
    return CopySource(bucket, key)


def source_object(call: AllowedCall, state: State) -> ObjectRecord:
    """The object that the call copies from, found to be as the caller expects.

    What follows takes its bytes without an await between, so that they cannot go meanwhile.
    """
    refuse_unsupported({"CopySourceSSECustomerKey": call.parameters.get("CopySourceSSECustomerKey")})
    source = copy_source(call.parameters["CopySource"])
    record = state.database.read(lambda connection: find_object(connection, source.bucket, source.key))
    if record is None:
        if state.database.read(lambda connection: find_bucket(connection, source.bucket)) is None:
            raise no_such_bucket(source.bucket)
        raise no_such_key(source.key)
    check_owner(call, state, "ExpectedSourceBucketOwner")
    check_copy_source(call.parameters, record)
    return record


async def take_in(
    state: State, record: ObjectRecord, algorithm: str, wanted: ByteRange | None = None, *, inline: bool = True
) -> Stored:
    """An object's bytes, or a range of them, once more: by a second link to its blob where that is enough."""
    plain_md5 = "-" not in record.etag
    known = record.checksum_algorithm == algorithm and record.checksum_type == "FULL_OBJECT"
    whole = wanted is None or wanted.length == record.size
    if whole and plain_md5 and known and len(record.segments) == 1:
        blob = await state.blobs.duplicate(record.segments[0].blob)
        checksums = {algorithm: decoded(record.checksum)}
        return Stored(record.size, bytes.fromhex(record.etag), checksums, None, (Segment(blob, record.size),))
    if record.content is not None and inline and whole:
        digests = Digests([algorithm])
        digests.update(record.content)
        return Stored(record.size, digests.md5.digest(), digests.results(), record.content, ())
    start, length = (wanted.start, wanted.length) if wanted is not None else (0, record.size)
    pieces: AsyncIterator[bytes] = open_object(state, record, start, length).pieces()
    return await receive(state, pieces, [algorithm], inline=inline)
