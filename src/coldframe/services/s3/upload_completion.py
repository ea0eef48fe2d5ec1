"""Completes multipart uploads: checks the list of parts, and makes one object of them without copying a byte."""

import hashlib
from collections.abc import Sequence
from itertools import pairwise

from sqlalchemy import Connection

from coldframe.calls import AllowedCall, Parameters
from coldframe.services.operation import operation
from coldframe.services.s3 import errors
from coldframe.services.s3.addressing import checked_key, existing_bucket, object_of, quoted, refuse_unsupported
from coldframe.services.s3.attributes import checksum_parameters, encryption_parameters
from coldframe.services.s3.checksums import check_form, decoded
from coldframe.services.s3.conditions import write_precondition
from coldframe.services.s3.multipart_uploads import no_such_upload
from coldframe.state.checksums import combined, composite
from coldframe.state.multipart_uploads import MultipartUploadRecord, UploadPart, end_upload, find_upload, list_parts
from coldframe.state.object_writes import commit_object
from coldframe.state.objects import ObjectRecord, Part, Segment, find_object
from coldframe.state.state import State

SMALLEST_PART_BYTES = 5 * 1024**2


@operation("s3", "CompleteMultipartUpload", action="s3:PutObject", resource=object_of)
async def complete_multipart_upload(call: AllowedCall, state: State) -> Parameters:
    """Make the object; asking again after it was made is answered as the first time."""
    parameters = call.parameters
    refuse_unsupported(parameters)
    bucket, key = existing_bucket(call, state).name, checked_key(parameters)
    listed = _listed_parts(parameters)
    precondition = write_precondition(parameters)
    now = state.clock.now()

    def work(connection: Connection) -> tuple[ObjectRecord, list[str]]:
        upload = find_upload(connection, bucket, key, parameters["UploadId"])
        if upload is None:
            return _completed_before(connection, bucket, key, parameters["UploadId"]), []
        parts = _chosen(upload, listed, {part.number: part for part in list_parts(connection, upload.upload_id)})
        record = _object_of(upload, parts, now)
        _check_whole(parameters, record)
        loose = list(commit_object(connection, record, precondition, claimed=True))
        return record, loose + list(end_upload(connection, upload.upload_id, keep=record.blobs))

    record, loose = await state.database.write(work)
    state.blobs.discard(loose)
    return {
        "Location": f"{call.request.scheme}://{call.request.headers.get('host', '')}{call.request.raw_path}",
        "Bucket": bucket,
        "Key": key,
        "ETag": quoted(record.etag),
        **checksum_parameters(record.checksum_algorithm, record.checksum, record.checksum_type),
        **encryption_parameters(record.headers),
    }


def _listed_parts(parameters: Parameters) -> list[Parameters]:
    listed: list[Parameters] = (parameters.get("MultipartUpload") or {}).get("Parts") or []
    if not listed or any("PartNumber" not in part or "ETag" not in part for part in listed):
        raise errors.MalformedXML
    numbers = [part["PartNumber"] for part in listed]
    if any(number >= following for number, following in pairwise(numbers)):
        raise errors.InvalidPartOrder(members={"UploadId": parameters["UploadId"]})
    return listed


def _completed_before(connection: Connection, bucket: str, key: str, upload_id: str) -> ObjectRecord:
    """The object that this upload has made; a client whose answer was lost asks twice."""
    record = find_object(connection, bucket, key)
    if record is None or record.upload_id != upload_id:
        raise no_such_upload(upload_id)
    return record


def _chosen(
    upload: MultipartUploadRecord, listed: Sequence[Parameters], present: dict[int, UploadPart]
) -> list[UploadPart]:
    """The parts that the caller lists; each must be there, as the caller knows it, and large enough."""
    chosen = []
    for entry in listed:
        part = present.get(entry["PartNumber"])
        checksum = entry.get(f"Checksum{upload.kept_algorithm}")
        known = part is not None and entry["ETag"].strip('"') == part.etag and checksum in (None, part.checksum)
        if part is None or not known:
            members = {"UploadId": upload.upload_id, "PartNumber": str(entry["PartNumber"]), "ETag": entry["ETag"]}
            raise errors.InvalidPart(members=members)
        chosen.append(part)
    for part in chosen[:-1]:
        if part.size < SMALLEST_PART_BYTES:
            raise errors.EntityTooSmall(
                members={
                    "ProposedSize": str(part.size),
                    "MinSizeAllowed": str(SMALLEST_PART_BYTES),
                    "PartNumber": str(part.number),
                    "ETag": part.etag,
                }
            )
    return chosen


def _object_of(upload: MultipartUploadRecord, parts: Sequence[UploadPart], now: float) -> ObjectRecord:
    md5s = b"".join(bytes.fromhex(part.etag) for part in parts)
    digests = [(decoded(part.checksum), part.size) for part in parts]
    algorithm = upload.kept_algorithm
    kind = upload.checksum_type or "FULL_OBJECT"
    whole = kind == "FULL_OBJECT"
    return ObjectRecord(
        bucket=upload.bucket,
        key=upload.key,
        size=sum(part.size for part in parts),
        etag=f"{hashlib.md5(md5s, usedforsecurity=False).hexdigest()}-{len(parts)}",
        last_modified=now,
        storage_class=upload.storage_class,
        checksum_algorithm=algorithm,
        checksum=combined(algorithm, digests) if whole else composite(algorithm, [digest for digest, _ in digests]),
        checksum_type=kind,
        content_type=upload.content_type,
        headers=upload.headers,
        user_metadata=upload.user_metadata,
        tags=upload.tags,
        upload_id=upload.upload_id,
        segments=tuple(Segment(part.blob, part.size) for part in parts),
        parts=tuple(Part(part.number, part.size, part.checksum) for part in parts),
    )


def _check_whole(parameters: Parameters, record: ObjectRecord) -> None:
    """Raise if the object is not what the caller says it must be as a whole."""
    kind = parameters.get("ChecksumType")
    if kind is not None and kind != record.checksum_type:
        raise errors.InvalidRequest(
            message=f"The upload was created using the {record.checksum_type} checksum mode. The complete request must "
            "use the same checksum mode."
        )
    size = parameters.get("MpuObjectSize")
    if size is not None and size != record.size:
        raise errors.InvalidRequest(
            message=f"The provided 'x-amz-mp-object-size' header value {size} does not match what was computed: "
            f"{record.size}"
        )
    expected = parameters.get(f"Checksum{record.checksum_algorithm}")
    if expected is not None:
        check_form(
            record.checksum_algorithm,
            expected.partition("-")[0],
            f"x-amz-checksum-{record.checksum_algorithm.lower()} header",
        )
        # A composite one may come with or without the number of parts behind it.
        if expected not in (record.checksum, record.checksum.partition("-")[0]):
            raise errors.BadDigest(digest=record.checksum_algorithm, computed="the calculated checksum")
