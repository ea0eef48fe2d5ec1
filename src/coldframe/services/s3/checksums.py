"""The digests that a client sends along: which there are, where they come, and whether the bytes match them."""

import base64
import binascii
from dataclasses import dataclass

from coldframe.calls import AllowedCall, Body, Parameters
from coldframe.services.s3 import errors
from coldframe.state.checksums import ALGORITHMS, DEFAULT_ALGORITHM, digest_bytes, in_base64
from coldframe.state.object_writes import Stored

_HEADERS = {f"x-amz-checksum-{name.lower()}": name for name in ALGORITHMS}


@dataclass(frozen=True, slots=True)
class Expected:
    """What the bytes of a request must amount to."""

    algorithm: str
    """AWS's name of the checksum that is computed and kept."""
    checksum: str | None
    """In base64; nothing if the client sent none, or sends it after the bytes."""
    trailer: str
    """The name of the trailer that will hold it, or nothing."""
    md5: bytes | None
    """From Content-MD5."""

    def verify(self, stored: Stored, body: Body | None) -> None:
        """Raise BadDigest if what has come is not what was meant."""
        if self.md5 is not None and self.md5 != stored.md5:
            raise errors.BadDigest(
                digest="Content-MD5",
                computed="what we received",
                members={
                    "ExpectedDigest": in_base64(self.md5),
                    "CalculatedDigest": in_base64(stored.md5),
                },
            )
        wanted = self.checksum
        if self.trailer:
            wanted = body.trailers.get(self.trailer) if body is not None else None
            if wanted is None:
                raise errors.MalformedTrailerError
            check_form(self.algorithm, wanted, f"{self.trailer} trailing header")
        if wanted is not None and wanted != in_base64(stored.checksums[self.algorithm]):
            raise errors.BadDigest(digest=self.algorithm, computed="the calculated checksum")


def expected_of(call: AllowedCall, algorithm: str = "") -> Expected:
    """What a request that carries bytes says of them.

    Args:
        call: the request.
        algorithm: the checksum to compute if the client sends none; S3's usual one if that is empty.
    """
    parameters = call.parameters
    sent = {name: parameters[f"Checksum{name}"] for name in ALGORITHMS if parameters.get(f"Checksum{name}")}
    trailers = [item.strip().lower() for item in call.request.headers.get("x-amz-trailer", "").split(",")]
    trailers = [item for item in trailers if item.startswith("x-amz-checksum-")]
    if len(sent) + len(trailers) > 1:
        raise errors.InvalidRequest(
            message="Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        )
    md5 = _content_md5(parameters)
    for name, value in sent.items():
        check_form(name, value, f"x-amz-checksum-{name.lower()} header")
        return Expected(name, value, "", md5)
    for trailer in trailers:
        if trailer not in _HEADERS:
            raise errors.InvalidRequest(message="The value specified in the x-amz-trailer header is not supported")
        return Expected(_HEADERS[trailer], None, trailer, md5)
    return Expected(algorithm or DEFAULT_ALGORITHM, None, "", md5)


def check_form(algorithm: str, value: str, where: str) -> None:
    """Raise InvalidRequest if a checksum cannot be one of this algorithm."""
    digest = _decoded(value)
    if digest is None or len(digest) != digest_bytes(algorithm):
        raise errors.InvalidRequest(message=f"Value for {where} is invalid.")


def decoded(value: str) -> bytes:
    """A checksum's bytes; it has been checked before."""
    return base64.b64decode(value)


def _content_md5(parameters: Parameters) -> bytes | None:
    value = parameters.get("ContentMD5")
    if value is None:
        return None
    digest = _decoded(value)
    if digest is None or len(digest) != 16:
        raise errors.InvalidDigest(members={"Content-MD5": value})
    return digest


def _decoded(value: str) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
