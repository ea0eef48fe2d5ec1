"""Copies objects: CopyObject."""

from dataclasses import replace

from coldframe.calls import AllowedCall, Parameters
from coldframe.services.operation import operation
from coldframe.services.s3 import errors
from coldframe.services.s3.addressing import (
    checked_key,
    existing_bucket,
    object_of,
    quoted,
    refuse_unsupported,
    whole_seconds,
)
from coldframe.services.s3.attributes import (
    CONTENT_HEADERS,
    Attributes,
    attributes_of,
    checksum_parameters,
    encryption_parameters,
)
from coldframe.services.s3.checksums import Expected
from coldframe.services.s3.conditions import write_precondition
from coldframe.services.s3.copy_sources import source_object, take_in
from coldframe.services.s3.object_writes import LARGEST_PUT_BYTES, check_early, record_of, written
from coldframe.state.checksums import DEFAULT_ALGORITHM
from coldframe.state.objects import ObjectRecord
from coldframe.state.state import State


@operation("s3", "CopyObject", action="s3:PutObject", resource=object_of)
async def copy_object(call: AllowedCall, state: State) -> Parameters:
    """Copy an object, with its metadata and tags or with new ones."""
    refuse_unsupported(call.parameters)
    bucket, key = existing_bucket(call, state), checked_key(call.parameters)
    new = attributes_of(call, bucket)
    precondition = write_precondition(call.parameters)
    check_early(state, bucket.name, key, precondition)
    source = source_object(call, state)
    _check(call.parameters, source, bucket.name, key)
    expected = _checksum_to_keep(call.parameters, source)
    stored = await take_in(state, source, expected.algorithm)
    record = record_of(state, bucket.name, key, stored, _attributes(call.parameters, source, new), expected)
    record = await written(state, stored, record, precondition)
    result = {
        "ETag": quoted(record.etag),
        "LastModified": whole_seconds(record.last_modified),
        **checksum_parameters(record.checksum_algorithm, record.checksum, record.checksum_type),
    }
    return {"CopyObjectResult": result, **encryption_parameters(record.headers)}


def _check(parameters: Parameters, source: ObjectRecord, bucket: str, key: str) -> None:
    if source.size > LARGEST_PUT_BYTES:
        raise errors.InvalidRequest(
            message="The specified copy source is larger than the maximum allowable size for a copy source: "
            f"{LARGEST_PUT_BYTES}"
        )
    changes = parameters.get("MetadataDirective") == "REPLACE" or any(
        parameters.get(name)
        for name in ("StorageClass", "WebsiteRedirectLocation", "ServerSideEncryption", "ChecksumAlgorithm")
    )
    if (source.bucket, source.key) == (bucket, key) and not changes:
        raise errors.InvalidRequest(
            message="This copy request is illegal because it is trying to copy an object to itself without changing "
            "the object's metadata, storage class, website redirect location or encryption attributes."
        )


def _checksum_to_keep(parameters: Parameters, source: ObjectRecord) -> Expected:
    algorithm = parameters.get("ChecksumAlgorithm") or source.checksum_algorithm or DEFAULT_ALGORITHM
    return Expected(algorithm, None, "", None)


def _attributes(parameters: Parameters, source: ObjectRecord, new: Attributes) -> Attributes:
    """The copy's attributes: encryption and storage class are always the request's, the rest as its directives say."""
    if parameters.get("MetadataDirective") != "REPLACE":
        kept = {name: value for name, value in source.headers.items() if name in CONTENT_HEADERS}
        own = {name: value for name, value in new.headers.items() if name not in CONTENT_HEADERS}
        new = replace(
            new, content_type=source.content_type, headers=kept | own, user_metadata=dict(source.user_metadata)
        )
    if parameters.get("TaggingDirective") != "REPLACE":
        new = replace(new, tags=dict(source.tags))
    return new
