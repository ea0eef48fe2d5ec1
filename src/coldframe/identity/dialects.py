"""How each kind of service says no: the same refusals in the codes and words of S3, JSON and query services."""

import calendar
import time
from dataclasses import dataclass
from typing import NoReturn, Protocol

from coldframe.errors import AwsError
from coldframe.identity import errors
from coldframe.identity.claims import Claim, MalformedClaimError, timestamp_of

MAXIMUM_SKEW_SECONDS = 900
"""How far a request's time may lie from ours; AWS's own figure for all its services."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What was computed for a request whose signature is another."""

    claim: Claim
    signature: str
    canonical_request: str
    string_to_sign: str


class Dialect(Protocol):
    """One way of refusing. Every method gives the error to raise."""

    @property
    def signing_name(self) -> str:
        """The service's name in a credential scope."""
        ...

    @property
    def is_s3(self) -> bool:
        """S3 signs paths as they are and streams its payloads; all others normalise paths and sign whole bodies."""
        ...

    @property
    def regionless(self) -> bool:
        """The service has an endpoint for all regions, signed for us-east-1 whatever region the server plays."""
        ...

    def unsigned(self) -> AwsError:
        """The request carries no signature where one is needed."""
        ...

    def denied(self, message: str) -> AwsError:
        """The caller is known, and may not."""
        ...

    def malformed(self, fault: MalformedClaimError, claim: Claim | None, *, presigned: bool) -> AwsError:
        """The signature's parameters are not of their form."""
        ...

    def wrong_region(self, claim: Claim, expected: str) -> AwsError:
        """The credential scope names another region."""
        ...

    def wrong_service(self, claim: Claim) -> AwsError:
        """The credential scope names another service."""
        ...

    def wrong_date(self, claim: Claim, timestamp: str) -> AwsError:
        """The credential scope names another day than the request's time."""
        ...

    def unknown_key(self, claim: Claim) -> AwsError:
        """There is no such access key."""
        ...

    def bad_token(self, token: str) -> AwsError:
        """The session token is not the one that belongs to the key."""
        ...

    def expired_token(self) -> AwsError:
        """The temporary key has come to its end."""
        ...

    def skewed(self, timestamp: str, now: float) -> AwsError:
        """The request was signed at another time than now."""
        ...

    def expired_url(self, timestamp: str, expires_seconds: int, now: float) -> AwsError:
        """The presigned URL was good for a while, and that is over."""
        ...

    def unsigned_headers(self, names: list[str]) -> AwsError:
        """Headers that must be signed are not."""
        ...

    def mismatch(self, mismatch: Mismatch) -> AwsError:
        """The signature is not the one that the key gives."""
        ...


class S3Dialect:
    """S3's way: errors with many members, so that a client's author can see what went wrong."""

    signing_name = "s3"
    is_s3 = True
    regionless = False

    def unsigned(self) -> AwsError:
        """Anonymous callers are denied like any other."""
        return errors.AccessDenied(message="Access Denied")

    def denied(self, message: str) -> AwsError:
        """Who was refused what, and why."""
        return errors.AccessDenied(message=message)

    def malformed(self, fault: MalformedClaimError, claim: Claim | None, *, presigned: bool) -> AwsError:
        """AuthorizationHeaderMalformed, or its like for queries."""
        if presigned:
            return errors.AuthorizationQueryParametersError(message=_S3_QUERY_FAULTS[fault.part].format(fault.detail))
        if fault.part == "date" and claim is not None:
            return errors.AccessDenied(
                message="AWS authentication requires a valid Date or x-amz-date header",
            )
        if fault.part == "type":
            return errors.InvalidRequest(
                message="The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
            )
        return errors.AuthorizationHeaderMalformed(reason=_S3_HEADER_FAULTS[fault.part].format(fault.detail))

    def wrong_region(self, claim: Claim, expected: str) -> AwsError:
        """Tells the right region, by which SDKs find their way."""
        return errors.AuthorizationHeaderMalformed(
            reason=f"the region '{claim.region}' is wrong; expecting '{expected}'", members={"Region": expected}
        )

    def wrong_service(self, claim: Claim) -> AwsError:
        """Tells the right service."""
        return errors.AuthorizationHeaderMalformed(
            reason=f'incorrect service "{claim.service}". This endpoint belongs to "s3".'
        )

    def wrong_date(self, claim: Claim, timestamp: str) -> AwsError:
        """Tells both days."""
        return errors.AuthorizationHeaderMalformed(
            reason=f'Invalid credential date "{claim.date}". This date is not the same as X-Amz-Date: '
            f'"{timestamp[:8]}".'
        )

    def unknown_key(self, claim: Claim) -> AwsError:
        """Names the key."""
        return errors.InvalidAccessKeyId(members={"AWSAccessKeyId": claim.access_key_id})

    def bad_token(self, token: str) -> AwsError:
        """Names the token."""
        return errors.InvalidToken(members={"Token-0": token})

    def expired_token(self) -> AwsError:
        """The token's time is over."""
        return errors.ExpiredToken()

    def skewed(self, timestamp: str, now: float) -> AwsError:
        """Tells both clocks, by which SDKs set theirs right."""
        return errors.RequestTimeTooSkewed(
            members={
                "RequestTime": timestamp,
                "ServerTime": _iso(now),
                "MaxAllowedSkewMilliseconds": str(MAXIMUM_SKEW_SECONDS * 1000),
            }
        )

    def expired_url(self, timestamp: str, expires_seconds: int, now: float) -> AwsError:
        """Tells when it ended."""
        expired_at = calendar.timegm(time.strptime(timestamp, "%Y%m%dT%H%M%SZ")) + expires_seconds
        return errors.AccessDenied(
            message="Request has expired",
            members={"X-Amz-Expires": str(expires_seconds), "Expires": _iso(expired_at), "ServerTime": _iso(now)},
        )

    def unsigned_headers(self, names: list[str]) -> AwsError:
        """Names them."""
        return errors.AccessDenied(
            message="There were headers present in the request which were not signed",
            members={"HeadersNotSigned": ", ".join(names)},
        )

    def mismatch(self, mismatch: Mismatch) -> AwsError:
        """Shows the texts that were signed here, as text and as bytes."""
        return errors.SignatureDoesNotMatch(
            message=errors.S3_MISMATCH,
            members={
                "AWSAccessKeyId": mismatch.claim.access_key_id,
                "StringToSign": mismatch.string_to_sign,
                "SignatureProvided": mismatch.signature,
                "StringToSignBytes": _hexadecimal(mismatch.string_to_sign),
                "CanonicalRequest": mismatch.canonical_request,
                "CanonicalRequestBytes": _hexadecimal(mismatch.canonical_request),
            },
        )


@dataclass(frozen=True, slots=True)
class Codes:
    """The error classes of one kind of service."""

    missing: type[AwsError]
    incomplete: type[AwsError]
    unknown_key: type[AwsError]
    signature: type[AwsError]
    expired_token: type[AwsError]
    denied: type[AwsError]


@dataclass(frozen=True)
class ServiceDialect:
    """The way of all services but S3: few codes, and the rest said in the message."""

    signing_name: str
    codes: Codes
    regionless: bool = False
    is_s3: bool = False

    def unsigned(self) -> AwsError:
        """There is no token."""
        return self.codes.missing()

    def denied(self, message: str) -> AwsError:
        """Who was refused what, and why."""
        return self.codes.denied(message=message)

    def malformed(self, fault: MalformedClaimError, claim: Claim | None, *, presigned: bool) -> AwsError:  # noqa: ARG002 - S3's dialect needs it
        """Which parameter lacks or is of a wrong form."""
        if fault.part == "parameters" and not presigned:
            needs = " ".join(f"Authorization header requires '{name}' parameter." for name in fault.detail.split())
            return self.codes.incomplete(
                message=f"{needs} Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
            )
        return self.codes.incomplete(message=_SERVICE_FAULTS[fault.part].format(fault.detail))

    def wrong_region(self, claim: Claim, expected: str) -> AwsError:  # noqa: ARG002 - AWS does not tell the right one
        """The scope's region is not ours."""
        return self.codes.signature(message=f"Credential should be scoped to a valid region, not '{claim.region}'. ")

    def wrong_service(self, claim: Claim) -> AwsError:
        """The scope's service is another."""
        return self.codes.signature(
            message=f"Credential should be scoped to correct service: '{self.signing_name}', not '{claim.service}'. "
        )

    def wrong_date(self, claim: Claim, timestamp: str) -> AwsError:
        """The scope's day is another."""
        return self.codes.signature(
            message="Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{claim.date}' != '{timestamp[:8]}', from '{timestamp}'."
        )

    def unknown_key(self, claim: Claim) -> AwsError:  # noqa: ARG002 - these services don't name it
        """No such key."""
        return self.codes.unknown_key()

    def bad_token(self, token: str) -> AwsError:  # noqa: ARG002 - these services don't name it
        """Not the key's token."""
        return self.codes.unknown_key()

    def expired_token(self) -> AwsError:
        """The token's time is over."""
        return self.codes.expired_token()

    def skewed(self, timestamp: str, now: float) -> AwsError:
        """Tells both clocks, by which SDKs set theirs right."""
        ours, minutes = timestamp_of(now), MAXIMUM_SKEW_SECONDS // 60
        if timestamp < ours:
            bound = timestamp_of(now - MAXIMUM_SKEW_SECONDS)
            text = f"Signature expired: {timestamp} is now earlier than {bound} ({ours} - {minutes} min.)"
        else:
            bound = timestamp_of(now + MAXIMUM_SKEW_SECONDS)
            text = f"Signature not yet current: {timestamp} is still later than {bound} ({ours} + {minutes} min.)"
        return self.codes.signature(message=text)

    def expired_url(self, timestamp: str, expires_seconds: int, now: float) -> AwsError:
        """Tells how long it was good for."""
        return self.codes.signature(
            message=f"Signature expired: {timestamp} is now earlier than "
            f"{timestamp_of(now - expires_seconds)} ({timestamp_of(now)} - {expires_seconds} sec.)"
        )

    def unsigned_headers(self, names: list[str]) -> AwsError:
        """Names the first of them."""
        return self.codes.signature(
            message=" ".join(f"'{name}' must be a 'SignedHeader' in the AWS Authorization." for name in names)
        )

    def mismatch(self, mismatch: Mismatch) -> AwsError:
        """Shows the texts that were signed here."""
        return self.codes.signature(
            message="The request signature we calculated does not match the signature you provided. Check your AWS "
            "Secret Access Key and signing method. Consult the service documentation for details.\n\n"
            f"The Canonical String for this request should have been\n'{mismatch.canonical_request}'\n\n"
            f"The String-to-Sign should have been\n'{mismatch.string_to_sign}'\n"
        )


JSON = Codes(
    missing=errors.MissingAuthenticationTokenException,
    incomplete=errors.IncompleteSignatureException,
    unknown_key=errors.UnrecognizedClientException,
    signature=errors.InvalidSignatureException,
    expired_token=errors.ExpiredTokenException,
    denied=errors.JsonAccessDenied,
)
REST_JSON = Codes(
    missing=errors.RestMissingAuthenticationToken,
    incomplete=errors.RestIncompleteSignature,
    unknown_key=errors.RestUnrecognizedClient,
    signature=errors.RestInvalidSignature,
    expired_token=errors.RestExpiredToken,
    denied=errors.RestAccessDenied,
)
QUERY = Codes(
    missing=errors.MissingAuthenticationToken,
    incomplete=errors.IncompleteSignature,
    unknown_key=errors.InvalidClientTokenId,
    signature=errors.QuerySignatureDoesNotMatch,
    expired_token=errors.QueryExpiredToken,
    denied=errors.AccessDenied,
)

S3 = S3Dialect()
_DIALECTS: dict[str, Dialect] = {
    "s3": S3,
    "sagemaker-runtime": ServiceDialect("sagemaker", REST_JSON),
    "lambda": ServiceDialect("lambda", REST_JSON),
    "sts": ServiceDialect("sts", QUERY, regionless=True),
    "iam": ServiceDialect("iam", QUERY, regionless=True),
    "ec2": ServiceDialect("ec2", QUERY),
    "cloudwatch": ServiceDialect("monitoring", JSON),
}


def dialect_of(service: str) -> Dialect:
    """The dialect of a service by botocore's name; one not listed speaks JSON and signs by its own name."""
    dialect = _DIALECTS.get(service)
    if dialect is None:
        dialect = _DIALECTS.setdefault(service, ServiceDialect(service, JSON))
    return dialect


def raise_malformed(dialect: Dialect, fault: MalformedClaimError, claim: Claim | None, *, presigned: bool) -> NoReturn:
    """Raise the dialect's error for a fault of form; the fault itself stays out of the answer."""
    raise dialect.malformed(fault, claim, presigned=presigned) from None


_S3_HEADER_FAULTS = {
    "parameters": "the authorization header requires three components: Credential, SignedHeaders, and Signature.",
    "credential": 'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    "terminator": 'incorrect terminal "{0}". This endpoint uses "aws4_request".',
    "date": 'invalid date "{0}".',
}
_S3_QUERY_FAULTS = {
    "type": 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"',
    "parameters": "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
    "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
    "credential": "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "
    '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    "terminator": 'Error parsing the X-Amz-Credential parameter; incorrect terminal "{0}". This endpoint uses '
    '"aws4_request".',
    "date": "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
    "expires": "{0}",
}
_SERVICE_FAULTS = {
    "type": "Unsupported AWS 'algorithm': '{0}'.",
    "parameters": "AWS query-string parameters must include '{0}'. Re-examine the query-string parameters.",
    "credential": "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
    "got '{0}'",
    "terminator": "Credential should be scoped with a valid terminator: 'aws4_request', not '{0}'. ",
    "date": "Date must be in ISO-8601 'basic format'. Got '{0}'. See http://en.wikipedia.org/wiki/ISO_8601",
    "expires": "{0}",
}


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _hexadecimal(text: str) -> str:
    return text.encode("latin-1", "replace").hex(" ")
