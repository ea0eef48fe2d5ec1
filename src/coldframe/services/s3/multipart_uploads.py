"""Multipart uploads: create, list, abort."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from coldframe.calls import AllowedCall, Parameters
from coldframe.services.operation import operation
from coldframe.services.s3 import errors
from coldframe.services.s3.addressing import (
    bucket_of,
    checked_key,
    existing_bucket,
    no_such_bucket,
    object_of,
    owner,
    refuse_unsupported,
    text_bytes,
    whole_seconds,
)
from coldframe.services.s3.attributes import attributes_of, encryption_parameters
from coldframe.services.s3.listings import encoded, page_size
from coldframe.state.buckets import find_bucket
from coldframe.state.checksums import DEFAULT_ALGORITHM, FULL_OBJECT_ALGORITHMS
from coldframe.state.listings import Page, list_page
from coldframe.state.multipart_uploads import (
    MultipartUploadRecord,
    add_upload,
    end_upload,
    find_upload,
    scan_uploads,
)
from coldframe.state.state import State


def existing_upload(call: AllowedCall, state: State) -> MultipartUploadRecord:
    """The call's upload. Raises NoSuchUpload, NoSuchBucket or AccessDenied."""
    refuse_unsupported(call.parameters)
    bucket, key, upload_id = existing_bucket(call, state), checked_key(call.parameters), call.parameters["UploadId"]
    upload = state.database.read(lambda connection: find_upload(connection, bucket.name, key, upload_id))
    if upload is None:
        raise no_such_upload(upload_id)
    return upload


def upload_checksum_parameters(upload: MultipartUploadRecord) -> Parameters:
    """How answers tell which checksum was chosen for an upload, if one was."""
    if not upload.checksum_algorithm:
        return {}
    return {"ChecksumAlgorithm": upload.checksum_algorithm, "ChecksumType": upload.checksum_type}


def no_such_upload(upload_id: str) -> errors.NoSuchUpload:
    """The error that names the upload."""
    return errors.NoSuchUpload(members={"UploadId": upload_id})


@operation("s3", "CreateMultipartUpload", action="s3:PutObject", resource=object_of)
async def create_multipart_upload(call: AllowedCall, state: State) -> Parameters:
    """Begin an upload in parts."""
    refuse_unsupported(call.parameters)
    bucket, key = existing_bucket(call, state), checked_key(call.parameters)
    attributes = attributes_of(call, bucket)
    algorithm, checksum_type = _checksum(call.parameters)
    now = state.clock.now()
    record = MultipartUploadRecord(
        upload_id=f"{int(now * 1_000_000):016x}{state.chance.hexadecimal(32)}",
        bucket=bucket.name,
        key=key,
        initiated_at=now,
        storage_class=attributes.storage_class,
        checksum_algorithm=algorithm,
        checksum_type=checksum_type,
        content_type=attributes.content_type,
        headers=attributes.headers,
        user_metadata=attributes.user_metadata,
        tags=attributes.tags,
    )

    def work(connection: Connection) -> None:
        if find_bucket(connection, bucket.name) is None:
            raise no_such_bucket(bucket.name)
        add_upload(connection, record)

    await state.database.write(work)
    told: Parameters = {"Bucket": bucket.name, "Key": key, "UploadId": record.upload_id}
    return told | upload_checksum_parameters(record) | encryption_parameters(record.headers)


def _checksum(parameters: Parameters) -> tuple[str, str]:
    """Which checksum the object is to have, of the whole of it or of its parts' checksums; nothing for S3's choice."""
    algorithm: str | None = parameters.get("ChecksumAlgorithm")
    kind: str | None = parameters.get("ChecksumType")
    if algorithm is None:
        if kind is not None:
            raise errors.InvalidRequest(
                message="The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
            )
        return "", ""
    usual = "FULL_OBJECT" if algorithm == DEFAULT_ALGORITHM else "COMPOSITE"
    kind = kind or usual
    if (kind == "FULL_OBJECT" and algorithm not in FULL_OBJECT_ALGORITHMS) or (
        kind == "COMPOSITE" and algorithm == DEFAULT_ALGORITHM
    ):
        raise errors.InvalidRequest(
            message=f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm."
        )
    return algorithm, kind


@operation("s3", "AbortMultipartUpload", action="s3:AbortMultipartUpload", resource=object_of)
async def abort_multipart_upload(call: AllowedCall, state: State) -> Parameters:
    """End an upload and forget its parts."""
    upload = existing_upload(call, state)

    def work(connection: Connection) -> Sequence[str]:
        if find_upload(connection, upload.bucket, upload.key, upload.upload_id) is None:
            raise no_such_upload(upload.upload_id)
        return end_upload(connection, upload.upload_id)

    state.blobs.discard(await state.database.write(work))
    return {}


@operation("s3", "ListMultipartUploads", action="s3:ListBucketMultipartUploads", resource=bucket_of)
async def list_multipart_uploads(call: AllowedCall, state: State) -> Parameters:
    """List the uploads to a bucket that are under way, by key and then by age."""
    parameters = call.parameters
    bucket = existing_bucket(call, state).name
    prefix, delimiter = parameters.get("Prefix") or "", parameters.get("Delimiter") or ""
    key_marker = parameters.get("KeyMarker") or ""
    upload_id_marker = (parameters.get("UploadIdMarker") or "") if key_marker else ""
    text_bytes(prefix + delimiter)
    after, limit = text_bytes(key_marker), page_size(parameters, "MaxUploads")
    page = await state.database.read_in_thread(
        lambda connection: list_page(
            _scan(connection, bucket, prefix, after, upload_id_marker), prefix, delimiter, after, limit
        )
    )
    told: Parameters = {
        "Bucket": bucket,
        "KeyMarker": encoded(parameters, key_marker),
        "UploadIdMarker": upload_id_marker,
        "Prefix": encoded(parameters, prefix),
        "Delimiter": encoded(parameters, parameters.get("Delimiter")),
        "EncodingType": parameters.get("EncodingType"),
        "MaxUploads": limit,
        "IsTruncated": page.truncated,
        "Uploads": [_entry(parameters, upload, owner(state)) for upload in page.entries],
        "CommonPrefixes": [{"Prefix": encoded(parameters, name)} for name in page.common_prefixes],
    }
    return told | (_next_markers(parameters, page) if page.truncated else {})


def _scan(
    connection: Connection, bucket: str, prefix: str, first_after: bytes, first_upload_id: str
) -> Callable[[bytes, int], Sequence[MultipartUploadRecord]]:
    """A scan that goes on within a key where the last one ended within it: a key may have many uploads."""
    last = (first_after, first_upload_id)

    def scan(after: bytes, limit: int) -> Sequence[MultipartUploadRecord]:
        nonlocal last
        found = scan_uploads(connection, bucket, prefix, after, last[1] if last[0] == after else "", limit)
        if found:
            last = (found[-1].key.encode(), found[-1].upload_id)
        return found

    return scan


def _next_markers(parameters: Parameters, page: Page[MultipartUploadRecord]) -> Parameters:
    markers: Parameters = {"NextKeyMarker": encoded(parameters, page.last)}
    if not page.last_is_prefix:
        markers["NextUploadIdMarker"] = page.entries[-1].upload_id
    return markers


def _entry(parameters: Parameters, upload: MultipartUploadRecord, account: Parameters) -> Parameters:
    return {
        "UploadId": upload.upload_id,
        "Key": encoded(parameters, upload.key),
        "Initiated": whole_seconds(upload.initiated_at),
        "StorageClass": upload.storage_class,
        "Owner": account,
        "Initiator": account,
        **upload_checksum_parameters(upload),
    }
