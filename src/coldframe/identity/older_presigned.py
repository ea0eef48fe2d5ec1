"""URLs presigned in S3's older way (signature version 2), as boto3 still makes them for us-east-1 by itself."""

import base64
import hmac
from dataclasses import dataclass
from urllib.parse import unquote

from coldframe.calls import Request, RoutedCall, SignedCall
from coldframe.identity.credentials import Credentials
from coldframe.identity.errors import (
    S3_MISMATCH,
    AccessDenied,
    ExpiredToken,
    InvalidAccessKeyId,
    InvalidToken,
    SignatureDoesNotMatch,
)
from coldframe.identity.signature import same

SIGNED_PARAMETERS = frozenset(
    {
        "accelerate",
        "acl",
        "analytics",
        "cors",
        "defaultObjectAcl",
        "delete",
        "inventory",
        "lifecycle",
        "location",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "partNumber",
        "policy",
        "replication",
        "requestPayment",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "restore",
        "select",
        "select-type",
        "storageClass",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
    }
)
"""Query parameters that are part of what is asked for, and so of what is signed."""
UNSIGNED_PARAMETERS = frozenset(
    {
        "AWSAccessKeyId",
        "Expires",
        "Signature",
        "continuation-token",
        "delimiter",
        "encoding-type",
        "fetch-owner",
        "key-marker",
        "list-type",
        "marker",
        "max-keys",
        "max-parts",
        "max-uploads",
        "part-number-marker",
        "prefix",
        "start-after",
        "upload-id-marker",
        "version-id-marker",
        "x-id",
    }
)
"""Query parameters that clients leave out of the signature: they carry it, or only narrow a listing. Any other (a newer
sub-resource, or one whose name is percent-encoded) would make the URL one for something else, so it must be signed."""


@dataclass(frozen=True, slots=True)
class OlderPresigned:
    """What such a URL says in its query."""

    access_key_id: str
    signature: str
    expires: str
    """Seconds since 1970 UTC, as text."""
    parameters: dict[str, str]
    """The whole query, decoded."""

    @property
    def security_token(self) -> str:
        """The session's token, for temporary keys."""
        return self.parameters.get("x-amz-security-token", "")

    def expired(self, now: float) -> bool:
        """Whether its time is over, or was never told."""
        return not (self.expires.isascii() and self.expires.isdigit()) or now > int(self.expires)


def parse_older_presigned(query_string: str) -> OlderPresigned | None:
    """Read a query, if it carries such a signature."""
    if "AWSAccessKeyId=" not in query_string or "Signature=" not in query_string:
        return None
    parameters: dict[str, str] = {}
    for item in query_string.split("&"):
        name, _, value = item.partition("=")
        parameters[unquote(name)] = unquote(value)
    key, signature = parameters.get("AWSAccessKeyId", ""), parameters.get("Signature", "")
    if not key or not signature:
        return None
    return OlderPresigned(key, signature, parameters.get("Expires", ""), parameters)


def string_to_sign(request: Request, presigned: OlderPresigned, resource: str) -> str:
    """The text that is signed.

    Args:
        request: the request.
        presigned: what its query says.
        resource: the path as it was sent, with the bucket before it where the host names that.
    """
    headers = {name: value for name, value in presigned.parameters.items() if name.startswith(("x-amz-", "content-"))}
    headers |= {name: value for name, value in request.headers.items() if name.startswith(("x-amz-", "content-"))}
    lines = [request.method, headers.get("content-md5", ""), headers.get("content-type", ""), presigned.expires]
    lines += [f"{name}:{value.strip()}" for name, value in sorted(headers.items()) if name.startswith("x-amz-")]
    asked = []
    for item in request.query_string.split("&"):
        name, equals, value = item.partition("=")
        if name in SIGNED_PARAMETERS or (
            name not in UNSIGNED_PARAMETERS and not name.startswith(("x-amz-", "content-"))
        ):
            asked.append((name, f"{name}={unquote(value)}" if equals else name))
    question = "&".join(text for _, text in sorted(asked))
    lines.append(f"{resource}?{question}" if question else resource)
    return "\n".join(lines)


def signature_of(secret_access_key: str, text: str) -> str:
    """The signature, in base64."""
    digest = hmac.digest(secret_access_key.encode(), text.encode("utf-8", "surrogateescape"), "sha1")
    return base64.b64encode(digest).decode()


def verify_older_presigned(
    routed: RoutedCall, presigned: OlderPresigned, credentials: Credentials, now: float
) -> SignedCall:
    """Find out who signed the URL. It says nothing of the body, which is taken as it comes.

    Raises:
        AwsError: the signature is not valid, or its time is over.
    """
    request = routed.request
    credential = credentials.find(presigned.access_key_id)
    if credential is None:
        raise InvalidAccessKeyId(members={"AWSAccessKeyId": presigned.access_key_id})
    token = presigned.security_token
    if (token or credential.session_token) and not same(credential.session_token, token):
        raise InvalidToken(members={"Token-0": token})
    if credential.expires_at is not None and now >= credential.expires_at:
        raise ExpiredToken
    if presigned.expired(now):
        raise AccessDenied(message="Request has expired", members={"Expires": presigned.expires})
    text = string_to_sign(request, presigned, _resource(routed))
    if same(signature_of(credential.secret_access_key, text), presigned.signature):
        return SignedCall(routed, credential.principal, request.body)
    told = {"AWSAccessKeyId": presigned.access_key_id, "StringToSign": text, "SignatureProvided": presigned.signature}
    raise SignatureDoesNotMatch(message=S3_MISMATCH, members=told)


def _resource(routed: RoutedCall) -> str:
    """The path as it was sent, with the bucket before it where the host named that: then the path has the key alone."""
    path = routed.request.raw_path
    named_by_host = unquote(path, errors="surrogateescape") == "/" + routed.path_values.get("Key", "")
    return f"/{routed.path_values['Bucket']}{path}" if named_by_host and "Bucket" in routed.path_values else path
