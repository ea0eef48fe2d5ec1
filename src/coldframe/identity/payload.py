"""What a request says of its payload's signature (x-amz-content-sha256), and the body that holds it to that."""

import re

from coldframe.calls import Body, Request
from coldframe.identity.chunked_body import ChunkedBody, ChunkSigner
from coldframe.identity.dialects import Dialect
from coldframe.identity.errors import (
    InvalidArgument,
    InvalidRequest,
    MissingContentLength,
    StreamingNotImplemented,
)
from coldframe.identity.hashed_body import HashedBody
from coldframe.identity.signature import UNSIGNED_PAYLOAD, SigningKey

SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_CHUNKS_AND_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_CHUNKS_AND_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_STREAMING = frozenset({SIGNED_CHUNKS, SIGNED_CHUNKS_AND_TRAILER, UNSIGNED_CHUNKS_AND_TRAILER})
_HASH = re.compile(r"[0-9a-f]{64}").fullmatch

Seed = tuple[SigningKey, str, str, str]
"""Signing key, timestamp, credential scope and signature of the headers: what the first chunk's signature hangs on."""


def declared_payload(headers: dict[str, str], dialect: Dialect) -> str | None:
    """What stands for the payload in the canonical request; None where that is the hash of the whole body.

    Only S3 goes by the header alone. All others hash what they got, and so find out whether the header told the truth;
    they let a payload be unsigned if the caller signed that it is.
    """
    declared = headers.get("x-amz-content-sha256")
    if dialect.is_s3:
        if declared is None:
            raise InvalidRequest(message="Missing required header for this request: x-amz-content-sha256")
        return declared
    return UNSIGNED_PAYLOAD if declared == UNSIGNED_PAYLOAD else None


def verified_body(request: Request, declared: str, seed: Seed) -> Body:
    """The body that yields the content, and holds it to what was signed."""
    if declared == UNSIGNED_PAYLOAD:
        return request.body
    if _HASH(declared):
        return HashedBody(request.body, declared)
    if declared not in _STREAMING:
        raise _unknown(declared)
    return _chunked(request, declared, seed)


def _chunked(request: Request, declared: str, seed: Seed) -> ChunkedBody:
    headers = request.headers
    length = headers.get("x-amz-decoded-content-length", "")
    if not (length.isascii() and length.isdecimal() and len(length) < 20):
        raise MissingContentLength
    announced = frozenset(name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",") if name.strip())
    signer = None if declared == UNSIGNED_CHUNKS_AND_TRAILER else ChunkSigner(*seed)
    if declared == SIGNED_CHUNKS and announced:
        raise InvalidRequest(message="x-amz-trailer is not allowed with x-amz-content-sha256: " + declared)
    return ChunkedBody(request.body, int(length), signer, announced)


def _unknown(declared: str) -> Exception:
    if declared.startswith("STREAMING-"):
        return StreamingNotImplemented(value=declared)
    return InvalidArgument(
        message="x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
        members={"ArgumentName": "x-amz-content-sha256", "ArgumentValue": declared},
    )
