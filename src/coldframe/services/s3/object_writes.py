"""Writes and deletes objects: PutObject, DeleteObject, DeleteObjects."""

from collections.abc import AsyncIterator

from coldframe.calls import AllowedCall, Body, Parameters
from coldframe.errors import AwsError
from coldframe.services.operation import operation
from coldframe.services.s3 import errors
from coldframe.services.s3.addressing import (
    bucket_of,
    checked_key,
    existing_bucket,
    no_such_bucket,
    object_of,
    quoted,
    refuse_unsupported,
)
from coldframe.services.s3.attributes import Attributes, attributes_of, checksum_parameters, encryption_parameters
from coldframe.services.s3.checksums import Expected, expected_of
from coldframe.services.s3.conditions import write_precondition
from coldframe.state.checksums import in_base64
from coldframe.state.object_writes import (
    BucketMissing,
    Precondition,
    Stored,
    delete_objects,
    discard,
    receive,
    write_object,
)
from coldframe.state.objects import ObjectRecord, find_object
from coldframe.state.state import State

LARGEST_PUT_BYTES = 5 * 1024**3
DELETES_IN_A_REQUEST = 1000


@operation("s3", "PutObject", action="s3:PutObject", resource=object_of)
async def put_object(call: AllowedCall, state: State) -> Parameters:
    """Take in an object; it is durable when this returns."""
    refuse_unsupported(call.parameters)
    bucket, key = existing_bucket(call, state), checked_key(call.parameters)
    attributes = attributes_of(call, bucket)
    precondition = write_precondition(call.parameters)
    check_early(state, bucket.name, key, precondition)
    expected = expected_of(call)
    stored = await received(call, state, expected)
    record = await written(
        state, stored, record_of(state, bucket.name, key, stored, attributes, expected), precondition
    )
    return {
        "ETag": quoted(record.etag),
        **checksum_parameters(record.checksum_algorithm, record.checksum, record.checksum_type),
        **encryption_parameters(record.headers),
    }


async def received(
    call: AllowedCall, state: State, expected: Expected, *, also: str = "", inline: bool = True
) -> Stored:
    """The request's bytes, taken in and found to be what the client meant to send.

    Args:
        call: the request.
        state: where the bytes go.
        expected: what they must amount to.
        also: a further checksum to compute.
        inline: whether few bytes may stay in memory.
    """
    body: Body | None = call.parameters.get("Body")
    if body is not None and body.length is not None and body.length > LARGEST_PUT_BYTES:
        raise too_large(body.length)
    pieces = _limited(body) if body is not None else _nothing()
    algorithms = {expected.algorithm, also} - {""}
    stored = await receive(state, pieces, algorithms, inline=inline)
    try:
        if body is not None and body.length is not None and stored.size != body.length:
            raise errors.IncompleteBody
        expected.verify(stored, body)
    except AwsError:
        discard(state, stored)
        raise
    return stored


def check_early(state: State, bucket: str, key: str, precondition: Precondition | None) -> None:
    """Refuse before the bytes are sent what would be refused after."""
    if precondition is not None:
        present = state.database.read(lambda connection: find_object(connection, bucket, key))
        precondition(present.etag if present is not None else None)


async def written(
    state: State, stored: Stored, record: ObjectRecord, precondition: Precondition | None = None
) -> ObjectRecord:
    """Make an object of bytes that have come in, unless its bucket has gone meanwhile."""
    try:
        return await write_object(state, stored, record, precondition)
    except BucketMissing:
        raise no_such_bucket(record.bucket) from None


def record_of(
    state: State, bucket: str, key: str, stored: Stored, attributes: Attributes, expected: Expected
) -> ObjectRecord:
    """The record of an object that came in one piece."""
    return ObjectRecord(
        bucket=bucket,
        key=key,
        size=stored.size,
        etag=stored.md5.hex(),
        last_modified=state.clock.now(),
        storage_class=attributes.storage_class,
        checksum_algorithm=expected.algorithm,
        checksum=in_base64(stored.checksums[expected.algorithm]),
        checksum_type="FULL_OBJECT",
        content_type=attributes.content_type,
        headers=attributes.headers,
        user_metadata=attributes.user_metadata,
        tags=attributes.tags,
    )


def too_large(size: int) -> errors.EntityTooLarge:
    """The error that says how much there may be."""
    return errors.EntityTooLarge(members={"ProposedSize": str(size), "MaxSizeAllowed": str(LARGEST_PUT_BYTES)})


async def _limited(body: Body) -> AsyncIterator[bytes]:
    """The body's bytes, cut off with an error if they go on beyond what an object may have."""
    size = 0
    async for piece in body:
        size += len(piece)
        if size > LARGEST_PUT_BYTES:
            raise too_large(size)
        yield piece


async def _nothing() -> AsyncIterator[bytes]:
    for piece in list[bytes]():
        yield piece


@operation("s3", "DeleteObject", action="s3:DeleteObject", resource=object_of)
async def delete_object(call: AllowedCall, state: State) -> Parameters:
    """Delete an object; no error if there is none."""
    refuse_unsupported(call.parameters)
    for condition in ("IfMatchLastModifiedTime", "IfMatchSize"):
        if call.parameters.get(condition) is not None:
            raise errors.NotImplementedHere(what=f"{condition}, which S3 has for directory buckets only")
    bucket, key = existing_bucket(call, state), checked_key(call.parameters)
    try:
        await delete_objects(state, bucket.name, [key], write_precondition(call.parameters))
    except BucketMissing:
        raise no_such_bucket(bucket.name) from None
    return {}


@operation("s3", "DeleteObjects", action="s3:DeleteObject", resource=bucket_of)
async def delete_many_objects(call: AllowedCall, state: State) -> Parameters:
    """Delete up to 1000 objects; tell what became of each, or with Quiet only what went wrong."""
    bucket = existing_bucket(call, state)
    refuse_unsupported({"MFA": call.parameters.get("MFA")})
    listed = call.parameters["Delete"]["Objects"]
    if not 1 <= len(listed) <= DELETES_IN_A_REQUEST:
        raise errors.MalformedXML
    keys, failures = [], []
    for entry in listed:
        try:
            refuse_unsupported(entry)
            if entry.get("ETag") or entry.get("Size") is not None or entry.get("LastModifiedTime"):
                raise errors.NotImplementedHere(what="conditions on single entries of DeleteObjects")
            keys.append(checked_key(entry))
        except AwsError as error:
            failures.append({"Key": entry["Key"], "Code": error.code_on_the_wire(), "Message": error.message})
    try:
        await delete_objects(state, bucket.name, keys)
    except BucketMissing:
        raise no_such_bucket(bucket.name) from None
    answer: Parameters = {"Errors": failures}
    if not call.parameters["Delete"].get("Quiet"):
        answer["Deleted"] = [{"Key": key} for key in keys]
    return answer
