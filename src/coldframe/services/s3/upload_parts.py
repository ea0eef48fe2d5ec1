"""Parts of multipart uploads: upload, copy, list."""

from collections.abc import Sequence

from coldframe.calls import AllowedCall, Parameters
from coldframe.services.operation import operation
from coldframe.services.s3 import errors
from coldframe.services.s3.addressing import object_of, owner, quoted, whole_seconds
from coldframe.services.s3.attributes import checksum_parameters, encryption_parameters
from coldframe.services.s3.checksums import Expected, expected_of
from coldframe.services.s3.copy_sources import source_object, take_in
from coldframe.services.s3.listings import page_size
from coldframe.services.s3.multipart_uploads import existing_upload, no_such_upload, upload_checksum_parameters
from coldframe.services.s3.object_writes import LARGEST_PUT_BYTES, received, too_large
from coldframe.services.s3.ranges import copy_range
from coldframe.state.checksums import in_base64
from coldframe.state.multipart_uploads import MultipartUploadRecord, UploadMissing, UploadPart, put_part
from coldframe.state.multipart_uploads import list_parts as list_part_records
from coldframe.state.object_writes import Stored, discard
from coldframe.state.state import State

HIGHEST_PART_NUMBER = 10_000


@operation("s3", "UploadPart", action="s3:PutObject", resource=object_of)
async def upload_part(call: AllowedCall, state: State) -> Parameters:
    """Take in a part; it replaces an earlier one of the same number."""
    number = _part_number(call.parameters)
    upload = existing_upload(call, state)
    expected = _expected(call, upload)
    stored = await received(call, state, expected, also=upload.kept_algorithm, inline=False)
    part = await _keep(state, upload, number, stored)
    return {
        "ETag": quoted(part.etag),
        **checksum_parameters(expected.algorithm, in_base64(stored.checksums[expected.algorithm])),
        **encryption_parameters(upload.headers),
    }


@operation("s3", "UploadPartCopy", action="s3:PutObject", resource=object_of)
async def upload_part_copy(call: AllowedCall, state: State) -> Parameters:
    """Take a part from another object, or from a range of it."""
    number = _part_number(call.parameters)
    upload = existing_upload(call, state)
    source = source_object(call, state)
    text = call.parameters.get("CopySourceRange")
    wanted = copy_range(text, source.size) if text is not None else None
    if (wanted.length if wanted else source.size) > LARGEST_PUT_BYTES:
        raise too_large(source.size)
    stored = await take_in(state, source, upload.kept_algorithm, wanted, inline=False)
    part = await _keep(state, upload, number, stored)
    result = {
        "ETag": quoted(part.etag),
        "LastModified": whole_seconds(part.last_modified),
        **checksum_parameters(upload.kept_algorithm, part.checksum),
    }
    return {"CopyPartResult": result, **encryption_parameters(upload.headers)}


def _part_number(parameters: Parameters) -> int:
    number: int = parameters["PartNumber"]
    if not 1 <= number <= HIGHEST_PART_NUMBER:
        raise errors.InvalidArgument(
            message=f"Part number must be an integer between 1 and {HIGHEST_PART_NUMBER}, inclusive",
            members={"ArgumentName": "partNumber", "ArgumentValue": str(number)},
        )
    return number


def _expected(call: AllowedCall, upload: MultipartUploadRecord) -> Expected:
    expected = expected_of(call, upload.kept_algorithm)
    if upload.checksum_algorithm not in {"", expected.algorithm}:
        raise errors.InvalidRequest(
            message=f"Checksum Type mismatch occurred, expected checksum Type: {upload.checksum_algorithm.lower()}, "
            f"actual checksum Type: {expected.algorithm.lower()}"
        )
    return expected


async def _keep(state: State, upload: MultipartUploadRecord, number: int, stored: Stored) -> UploadPart:
    part = UploadPart(
        upload_id=upload.upload_id,
        number=number,
        size=stored.size,
        etag=stored.md5.hex(),
        checksum=in_base64(stored.checksums[upload.kept_algorithm]),
        last_modified=state.clock.now(),
        blob=stored.segments[0].blob,
    )
    try:
        replaced: Sequence[str] = await state.database.write(lambda connection: put_part(connection, part))
    except UploadMissing:
        discard(state, stored)
        raise no_such_upload(upload.upload_id) from None
    except Exception:  # not when cancelled: then the transaction may have happened
        discard(state, stored)
        raise
    state.blobs.discard(replaced)
    return part


@operation("s3", "ListParts", action="s3:ListMultipartUploadParts", resource=object_of)
async def list_parts(call: AllowedCall, state: State) -> Parameters:
    """List the parts that have come for an upload."""
    parameters = call.parameters
    upload = existing_upload(call, state)
    after, limit = parameters.get("PartNumberMarker") or 0, page_size(parameters, "MaxParts")
    found = state.database.read(lambda connection: list_part_records(connection, upload.upload_id, after, limit + 1))
    page = found[:limit]
    account = owner(state)
    told: Parameters = {
        "Bucket": upload.bucket,
        "Key": upload.key,
        "UploadId": upload.upload_id,
        "PartNumberMarker": after,
        "NextPartNumberMarker": page[-1].number if page else after,
        "MaxParts": limit,
        "IsTruncated": len(found) > limit,
        "Initiator": account,
        "Owner": account,
        "StorageClass": upload.storage_class,
        **upload_checksum_parameters(upload),
        "Parts": [
            {
                "PartNumber": part.number,
                "LastModified": whole_seconds(part.last_modified),
                "ETag": quoted(part.etag),
                "Size": part.size,
                **(checksum_parameters(upload.checksum_algorithm, part.checksum) if upload.checksum_algorithm else {}),
            }
            for part in page
        ],
    }
    return told
