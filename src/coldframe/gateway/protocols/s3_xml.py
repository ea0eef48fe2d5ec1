"""S3's own ways of speaking REST-XML: names of documents, errors, dates, and one answer without a wrapper."""

from typing import Any

from botocore.model import OperationModel

from coldframe.calls import Parameters
from coldframe.errors import AwsError
from coldframe.gateway.errors import InvalidArgument, InvalidURI
from coldframe.gateway.protocols.codec import WireAnswer, further_headers
from coldframe.gateway.protocols.error_shapes import ErrorShapes, code_of, status_of
from coldframe.gateway.protocols.rest import BODILESS
from coldframe.gateway.protocols.rest_xml import RestXmlCodec
from coldframe.gateway.protocols.scalars import WrongValue
from coldframe.gateway.protocols.xml_writing import DECLARATION, escape

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

# What S3 calls the documents that it answers with; the model does not say.
ROOTS = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "CreateSession": "CreateSessionResult",
    "DeleteObjects": "DeleteResult",
    "GetBucketAccelerateConfiguration": "AccelerateConfiguration",
    "GetBucketAcl": "AccessControlPolicy",
    "GetBucketCors": "CORSConfiguration",
    "GetBucketLifecycle": "LifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "LifecycleConfiguration",
    "GetBucketLogging": "BucketLoggingStatus",
    "GetBucketNotification": "NotificationConfiguration",
    "GetBucketNotificationConfiguration": "NotificationConfiguration",
    "GetBucketRequestPayment": "RequestPaymentConfiguration",
    "GetBucketTagging": "Tagging",
    "GetBucketVersioning": "VersioningConfiguration",
    "GetBucketWebsite": "WebsiteConfiguration",
    "GetObjectAcl": "AccessControlPolicy",
    "GetObjectAttributes": "GetObjectAttributesResponse",
    "GetObjectTagging": "Tagging",
    "ListBucketAnalyticsConfigurations": "ListBucketAnalyticsConfigurationResult",
    "ListBucketIntelligentTieringConfigurations": "ListBucketIntelligentTieringConfigurationsResult",
    "ListBucketInventoryConfigurations": "ListInventoryConfigurationsResult",
    "ListBucketMetricsConfigurations": "ListMetricsConfigurationsResult",
    "ListBuckets": "ListAllMyBucketsResult",
    "ListDirectoryBuckets": "ListAllMyDirectoryBucketsResult",
    "ListMultipartUploads": "ListMultipartUploadsResult",
    "ListObjectVersions": "ListVersionsResult",
    "ListObjects": "ListBucketResult",
    "ListObjectsV2": "ListBucketResult",
    "ListParts": "ListPartsResult",
}
# What S3 calls errors that other services have under another name.
ITS_WORDS = {"InternalFailure": "InternalError", "RequestEntityTooLargeException": "EntityTooLarge"}
# HTTP wants a date in these that cannot be read to be passed over; S3 keeps any text in Expires.
LENIENT_DATES = {"if-modified-since", "if-unmodified-since", "expires"}


class S3Codec(RestXmlCodec):
    """One of S3's operations."""

    always_milliseconds = True
    blob_content_type = b"binary/octet-stream"
    text_content_type = b"application/json"  # its only text is a bucket's policy

    def __init__(self, model: OperationModel, errors: ErrorShapes) -> None:
        super().__init__(model, errors)
        self.root_out = ROOTS.get(self.operation, self.root_out)

    @property
    def namespace(self) -> str:
        """S3's."""
        return f' xmlns="{NAMESPACE}"'

    def request_id_headers(self, request_id: str) -> list[tuple[bytes, bytes]]:
        """S3 names a request twice."""
        named = request_id.encode()
        return [(b"x-amz-request-id", named), (b"x-amz-id-2", named)]

    def write_document(self, parameters: Parameters) -> bytes:
        """The members in an XML body; a bucket's location is a document by itself."""
        if self.operation == "GetBucketLocation":
            location = escape(parameters.get("LocationConstraint") or "")
            return f"{DECLARATION}<LocationConstraint{self.namespace}>{location}</LocationConstraint>".encode()
        return super().write_document(parameters)

    def unreadable(self, error: WrongValue, name: str, value: str) -> AwsError | None:
        """S3 names the argument, and repeats its value."""
        if name in LENIENT_DATES:
            return None
        if name == "query string":
            return InvalidURI(reason=error.message)
        message = error.message
        if name in {"max-keys", "max-uploads", "max-parts"}:
            message = f"Provided {name} not an integer or within integer range"
        return InvalidArgument(message=message, members={"ArgumentName": name, "ArgumentValue": value})

    def serialize_error(self, error: AwsError, request_id: str, resource: str = "") -> WireAnswer:
        """The error in S3's own document; none for HEAD."""
        return s3_error(error, request_id, resource, self.errors, bodiless=self.method == "HEAD")


def s3_error(
    error: AwsError, request_id: str, resource: str, errors: ErrorShapes | None = None, *, bodiless: bool = False
) -> WireAnswer:
    """An error in S3's shape."""
    shape = errors.find(error) if errors is not None else None
    status = status_of(error, shape)
    named = request_id.encode()
    headers = [(b"x-amz-request-id", named), (b"x-amz-id-2", named), *further_headers(error.headers)]
    if bodiless or status in BODILESS:
        return WireAnswer(status, headers, b"")
    code = code_of(error, shape)
    members: dict[str, Any] = {"Code": ITS_WORDS.get(code, code), "Message": error.message}
    members |= {name: value for name, value in error.members.items() if value is not None}
    members |= {"Resource": resource, "RequestId": request_id, "HostId": request_id}
    told = "".join(f"<{name}>{escape(_text(value))}</{name}>" for name, value in members.items())
    headers.append((b"content-type", b"application/xml"))
    return WireAnswer(status, headers, f"{DECLARATION}<Error>{told}</Error>".encode("utf-8", "replace"))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
