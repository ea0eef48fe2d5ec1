"""Reads objects: GetObject, HeadObject, GetObjectAttributes."""

from coldframe.calls import AllowedCall, Answer, Parameters
from coldframe.services.operation import operation
from coldframe.services.s3.addressing import (
    check_owner,
    checked_key,
    existing_bucket,
    no_such_key,
    object_of,
    quoted,
    refuse_unsupported,
)
from coldframe.services.s3.attributes import checksum_parameters, described
from coldframe.services.s3.conditions import is_unmodified
from coldframe.services.s3.ranges import ByteRange, range_of
from coldframe.state.object_reads import open_object
from coldframe.state.objects import ObjectRecord, find_object
from coldframe.state.state import State

PARTS_ON_A_PAGE = 1000


def existing_object(call: AllowedCall, state: State) -> ObjectRecord:
    """The call's object. Raises NoSuchKey, NoSuchBucket, or AccessDenied if the bucket is not the expected owner's."""
    refuse_unsupported(call.parameters)
    bucket, key = call.parameters["Bucket"], checked_key(call.parameters)
    record = state.database.read(lambda connection: find_object(connection, bucket, key))
    if record is None:
        existing_bucket(call, state)
        raise no_such_key(key)
    check_owner(call, state)
    return record


@operation("s3", "GetObject", action="s3:GetObject", resource=object_of)
async def get_object(call: AllowedCall, state: State) -> Answer:
    """Give an object's bytes, or a range of them."""
    record = existing_object(call, state)
    if is_unmodified(call.parameters, record):
        return _not_modified(record)
    wanted = range_of(call.parameters, record)
    told = _told(call, record, wanted)
    if record.content is not None:
        told["Body"] = record.content[wanted.start : wanted.start + wanted.length]
    else:  # no await since the look-up: from here on the bytes stay until they are sent, whoever deletes the object
        told["Body"] = open_object(state, record, wanted.start, wanted.length)
    return Answer(told, status=206 if wanted.partial else 200)


@operation("s3", "HeadObject", action="s3:GetObject", resource=object_of)
async def head_object(call: AllowedCall, state: State) -> Answer:
    """Tell everything of an object but its bytes."""
    record = existing_object(call, state)
    if is_unmodified(call.parameters, record):
        return _not_modified(record)
    wanted = range_of(call.parameters, record)
    return Answer(_told(call, record, wanted), status=206 if wanted.partial else 200)


def _told(call: AllowedCall, record: ObjectRecord, wanted: ByteRange) -> Parameters:
    told = described(record, call.parameters)
    told["ContentLength"] = wanted.length
    content_range = wanted.content_range(record.size)
    if content_range is not None:
        told["ContentRange"] = content_range
    if wanted.part_number is not None and record.parts:
        told["PartsCount"] = len(record.parts)
    if call.parameters.get("ChecksumMode") == "ENABLED":
        told.update(_checksum_of_range(record, wanted))
    return told


def _checksum_of_range(record: ObjectRecord, wanted: ByteRange) -> Parameters:
    """The checksum of just the bytes that are given, where there is one: clients check the bytes against it."""
    if wanted.part_number is not None and record.parts:
        part = record.parts[wanted.part_number - 1]
        return checksum_parameters(record.checksum_algorithm, part.checksum, record.checksum_type)
    if wanted.length == record.size:
        return checksum_parameters(record.checksum_algorithm, record.checksum, record.checksum_type)
    return {}


def _not_modified(record: ObjectRecord) -> Answer:
    told = {"ETag": quoted(record.etag), "LastModified": float(int(record.last_modified))}
    return Answer(told, status=304)


@operation("s3", "GetObjectAttributes", action="s3:GetObjectAttributes", resource=object_of)
async def get_object_attributes(call: AllowedCall, state: State) -> Parameters:
    """Tell the attributes of an object that the caller lists."""
    record = existing_object(call, state)
    asked = {name.strip() for item in call.parameters["ObjectAttributes"] for name in item.split(",")}
    told: Parameters = {"LastModified": float(int(record.last_modified))}
    if "ETag" in asked:
        told["ETag"] = record.etag
    if "Checksum" in asked and record.checksum:
        told["Checksum"] = checksum_parameters(record.checksum_algorithm, record.checksum, record.checksum_type)
    if "ObjectParts" in asked and record.parts:
        told["ObjectParts"] = _parts_page(call.parameters, record)
    if "StorageClass" in asked:
        told["StorageClass"] = record.storage_class
    if "ObjectSize" in asked:
        told["ObjectSize"] = record.size
    return told


def _parts_page(parameters: Parameters, record: ObjectRecord) -> Parameters:
    after = parameters.get("PartNumberMarker") or 0
    limit = min(PARTS_ON_A_PAGE, parameters.get("MaxParts", PARTS_ON_A_PAGE))
    # Counted without gaps, as for GET with a part number.
    numbered = [(number, part) for number, part in enumerate(record.parts, start=1) if number > after]
    page = numbered[: max(limit, 0)]
    return {
        "TotalPartsCount": len(record.parts),
        "PartNumberMarker": after,
        "NextPartNumberMarker": page[-1][0] if page else after,
        "MaxParts": limit,
        "IsTruncated": len(numbered) > len(page),
        "Parts": [
            {"PartNumber": number, "Size": part.size, **checksum_parameters(record.checksum_algorithm, part.checksum)}
            for number, part in page
        ],
    }
