"""What an object has beside its bytes: how a request gives it, and how an answer tells it."""

from dataclasses import dataclass, field
from typing import Any

from coldframe.calls import AllowedCall, Parameters
from coldframe.services.s3 import errors
from coldframe.services.s3.tags import tags_of_header
from coldframe.state.buckets import BucketRecord
from coldframe.state.objects import ObjectRecord

USER_METADATA_BYTES = 2048
DEFAULT_CONTENT_TYPE = "binary/octet-stream"
CONTENT_HEADERS = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "Expires")
ENCRYPTION_HEADERS = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")
OVERRIDES = (
    "ResponseCacheControl",
    "ResponseContentDisposition",
    "ResponseContentEncoding",
    "ResponseContentLanguage",
    "ResponseContentType",
    "ResponseExpires",
)
HARMLESS_ACLS = frozenset({None, "private", "bucket-owner-full-control", "bucket-owner-read"})
GRANTS = ("GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a request says that its object is to have."""

    content_type: str
    headers: dict[str, Any]
    user_metadata: dict[str, str]
    tags: dict[str, str] = field(default_factory=dict)
    storage_class: str = "STANDARD"


def attributes_of(call: AllowedCall, bucket: BucketRecord) -> Attributes:
    """The attributes in a request, with the bucket's default encryption where it names none."""
    parameters = call.parameters
    refuse_grants(parameters)
    headers = {name: parameters[name] for name in CONTENT_HEADERS if parameters.get(name) is not None}
    if "Expires" in headers:
        headers["Expires"] = call.request.headers.get("expires", "")  # S3 gives it back as it came, a date or not
    if "ContentEncoding" in headers:
        headers["ContentEncoding"] = _without_chunking(headers["ContentEncoding"])
        if not headers["ContentEncoding"]:
            del headers["ContentEncoding"]
    if parameters.get("WebsiteRedirectLocation"):
        headers["WebsiteRedirectLocation"] = parameters["WebsiteRedirectLocation"]
    headers.update(encryption_of(parameters, bucket))
    metadata = parameters.get("Metadata") or {}
    if sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items()) > USER_METADATA_BYTES:
        raise errors.MetadataTooLarge(members={"MaxSizeAllowed": str(USER_METADATA_BYTES)})
    return Attributes(
        content_type=parameters.get("ContentType") or DEFAULT_CONTENT_TYPE,
        headers=headers,
        user_metadata=metadata,
        tags=tags_of_header(parameters.get("Tagging")),
        storage_class=parameters.get("StorageClass") or "STANDARD",
    )


def refuse_grants(parameters: Parameters) -> None:
    """Raise if the caller wants to share by ACL: buckets here belong to their owner alone, as new ones do on AWS."""
    if parameters.get("ACL") not in HARMLESS_ACLS or any(parameters.get(grant) for grant in GRANTS):
        raise errors.AccessControlListNotSupported


def encryption_of(parameters: Parameters, bucket: BucketRecord) -> dict[str, Any]:
    """How the object is said to be encrypted; recorded and told, while the bytes on the disk stay as they are."""
    asked = {name: parameters[name] for name in ENCRYPTION_HEADERS if parameters.get(name) is not None}
    if not asked.get("ServerSideEncryption"):
        if asked.get("SSEKMSKeyId"):
            raise errors.InvalidArgument(
                message="Server Side Encryption with AWS KMS managed key requires HTTP header "
                "x-amz-server-side-encryption : aws:kms",
                members={"ArgumentName": "x-amz-server-side-encryption", "ArgumentValue": "null"},
            )
        return asked | default_encryption(bucket)
    if asked["ServerSideEncryption"] == "AES256" and asked.get("SSEKMSKeyId"):
        raise errors.InvalidArgument(
            message="Server Side Encryption with AWS KMS managed key requires HTTP header "
            "x-amz-server-side-encryption : aws:kms",
            members={"ArgumentName": "x-amz-server-side-encryption", "ArgumentValue": "AES256"},
        )
    return asked


def default_encryption(bucket: BucketRecord) -> dict[str, Any]:
    """What the bucket gives objects that name no encryption."""
    for rule in bucket.settings.get("ServerSideEncryptionConfiguration", {}).get("Rules", ()):
        by_default = rule.get("ApplyServerSideEncryptionByDefault")
        if by_default:
            headers = {"ServerSideEncryption": by_default["SSEAlgorithm"]}
            if by_default.get("KMSMasterKeyID"):
                headers["SSEKMSKeyId"] = by_default["KMSMasterKeyID"]
            return headers
    return {"ServerSideEncryption": "AES256"}


def encryption_parameters(headers: Any) -> Parameters:
    """How an answer tells the encryption."""
    return {name: headers[name] for name in ENCRYPTION_HEADERS if name in headers} or {"ServerSideEncryption": "AES256"}


def checksum_parameters(algorithm: str, checksum: str, checksum_type: str = "") -> Parameters:
    """How an answer tells a checksum."""
    if not checksum:
        return {}
    told: Parameters = {f"Checksum{algorithm}": checksum}
    if checksum_type:
        told["ChecksumType"] = checksum_type
    return told


def described(record: ObjectRecord, parameters: Parameters) -> Parameters:
    """What GET and HEAD tell of an object, less its length, range and checksum."""
    told: Parameters = {
        "AcceptRanges": "bytes",
        "LastModified": float(int(record.last_modified)),
        "ETag": f'"{record.etag}"',
        "ContentType": record.content_type,
        "Metadata": dict(record.user_metadata),
        **{name: record.headers[name] for name in CONTENT_HEADERS if name in record.headers},
        **encryption_parameters(record.headers),
    }
    if "WebsiteRedirectLocation" in record.headers:
        told["WebsiteRedirectLocation"] = record.headers["WebsiteRedirectLocation"]
    if record.storage_class != "STANDARD":  # S3 leaves the usual one out
        told["StorageClass"] = record.storage_class
    if record.tags:
        told["TagCount"] = len(record.tags)
    for override in OVERRIDES:
        if parameters.get(override) is not None:
            told[override.removeprefix("Response")] = parameters[override]
    return told


def _without_chunking(content_encoding: str) -> str:
    """aws-chunked is how the request travelled, and no property of the object."""
    kept = [item.strip() for item in content_encoding.split(",")]
    return ",".join(item for item in kept if item.lower() != "aws-chunked")
