"""What a caller is told whose request is not let in. Each style of service has its own codes, statuses and texts."""

from coldframe.errors import AwsError

S3_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)


class SignatureDoesNotMatch(AwsError):
    """{message}"""

    status = 403


class InvalidAccessKeyId(AwsError):
    """The AWS Access Key Id you provided does not exist in our records."""

    status = 403


class RequestTimeTooSkewed(AwsError):
    """The difference between the request time and the current time is too large."""

    status = 403


class AuthorizationHeaderMalformed(AwsError):
    """The authorization header is malformed; {reason}"""


class AuthorizationQueryParametersError(AwsError):
    """{message}"""


class AccessDenied(AwsError):
    """{message}"""

    status = 403


class InvalidRequest(AwsError):
    """{message}"""


class InvalidArgument(AwsError):
    """{message}"""


class InvalidToken(AwsError):
    """The provided token is malformed or otherwise invalid."""


class ExpiredToken(AwsError):
    """The provided token has expired."""


class XAmzContentSHA256Mismatch(AwsError):
    """The provided 'x-amz-content-sha256' header does not match what was computed."""


class MissingContentLength(AwsError):
    """You must provide the Content-Length HTTP header."""

    status = 411


class InvalidChunkSize(AwsError):
    """Only the last chunk is allowed to have a size less than 8192 bytes"""

    code = "InvalidChunkSizeError"
    status = 403


class MalformedTrailer(AwsError):
    """The request contained trailing data that was not well-formed or did not conform to our published schema."""

    code = "MalformedTrailerError"


class StreamingNotImplemented(AwsError):
    """A header you provided implies functionality that is not implemented: x-amz-content-sha256: {value}."""

    code = "NotImplemented"
    status = 501


class InvalidClientTokenId(AwsError):
    """The security token included in the request is invalid."""

    status = 403


class QuerySignatureDoesNotMatch(AwsError):
    """{message}"""

    code = "SignatureDoesNotMatch"
    status = 403


class QueryExpiredToken(AwsError):
    """The security token included in the request is expired"""

    code = "ExpiredToken"
    status = 403


class IncompleteSignature(AwsError):
    """{message}"""


class MissingAuthenticationToken(AwsError):
    """Request is missing Authentication Token"""

    status = 403


class UnrecognizedClientException(AwsError):
    """The security token included in the request is invalid."""


class InvalidSignatureException(AwsError):
    """{message}"""


class ExpiredTokenException(AwsError):
    """The security token included in the request is expired"""


class IncompleteSignatureException(AwsError):
    """{message}"""


class MissingAuthenticationTokenException(AwsError):
    """Missing Authentication Token"""


class JsonAccessDenied(AwsError):
    """{message}"""

    code = "AccessDeniedException"


class RestUnrecognizedClient(UnrecognizedClientException):
    """The security token included in the request is invalid."""

    code = "UnrecognizedClientException"
    status = 403


class RestInvalidSignature(InvalidSignatureException):
    """{message}"""

    code = "InvalidSignatureException"
    status = 403


class RestExpiredToken(ExpiredTokenException):
    """The security token included in the request is expired"""

    code = "ExpiredTokenException"
    status = 403


class RestIncompleteSignature(IncompleteSignatureException):
    """{message}"""

    code = "IncompleteSignatureException"
    status = 403


class RestMissingAuthenticationToken(MissingAuthenticationTokenException):
    """Missing Authentication Token"""

    code = "MissingAuthenticationTokenException"
    status = 403


class RestAccessDenied(JsonAccessDenied):
    """{message}"""

    code = "AccessDeniedException"
    status = 403
