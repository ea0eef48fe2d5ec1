r"""A request's body in S3's `aws-chunked` framing: taken out of its frames, and checked, while it is read.

    10000;chunk-signature=ad80...\r\n        length in hexadecimal, and a signature unless the payload is unsigned
    <65536 bytes>\r\n
    0;chunk-signature=b6c6...\r\n
    x-amz-checksum-crc32c:sOO8/Q==\r\n       trailers, if any were announced
    x-amz-trailer-signature:d81f...\r\n
    \r\n

Each signature covers the one before it, so that no chunk can be left out, moved or repeated. Content is handed on
before the signature of its chunk is checked, so whoever stores it must keep nothing if the reading fails.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256

from coldframe.calls import Body
from coldframe.errors import AwsError, RequestBodyIncomplete, RequestBodyTooLarge
from coldframe.identity.errors import S3_MISMATCH, InvalidChunkSize, MalformedTrailer, SignatureDoesNotMatch
from coldframe.identity.signature import EMPTY_SHA256, SigningKey, same

LONGEST_LINE_BYTES = 1024
"""A chunk's header line; a trailer's line may have eight times as many."""
LONGEST_TRAILER_BYTES = 8 * LONGEST_LINE_BYTES
SMALLEST_CHUNK_BYTES = 8192
"""Of a signed payload; only its last chunk may be smaller."""
TRAILER_SIGNATURE = "x-amz-trailer-signature"
_CHUNK_HEADER = re.compile(rb"([0-9a-fA-F]{1,16})(?:[ \t]*;[ \t]*chunk-signature=([0-9a-fA-F]{64}))?[ \t]*")


@dataclass(slots=True)
class ChunkSigner:
    """Computes what each chunk's signature must be; every one hangs on the one before."""

    key: SigningKey
    timestamp: str
    credential_scope: str
    previous: str
    """The signature of the headers first, then that of the chunk before."""

    def check_chunk(self, content_hash: str, given: str) -> None:
        """SignatureDoesNotMatch unless the chunk with this hash was signed as `given`."""
        self._check(f"AWS4-HMAC-SHA256-PAYLOAD\n{self._head()}\n{EMPTY_SHA256}\n{content_hash}", given)

    def check_trailers(self, content_hash: str, given: str) -> None:
        """The same for the trailers."""
        self._check(f"AWS4-HMAC-SHA256-TRAILER\n{self._head()}\n{content_hash}", given)

    def _head(self) -> str:
        return f"{self.timestamp}\n{self.credential_scope}\n{self.previous}"

    def _check(self, text: str, given: str) -> None:
        expected = self.key.sign(text)
        if not same(expected, given.lower()):
            raise SignatureDoesNotMatch(message=S3_MISMATCH, members={"StringToSign": text, "SignatureProvided": given})
        self.previous = expected


class ChunkedBody:
    """The content inside the frames of another body."""

    __slots__ = ("_announced", "_body", "_signer", "length", "trailers")

    def __init__(self, body: Body, length: int, signer: ChunkSigner | None, announced: frozenset[str]) -> None:
        """Take the framed body.

        Args:
            body: the body as it came over the wire.
            length: bytes of content, by x-amz-decoded-content-length.
            signer: checks the signatures; None for a payload that is framed but not signed.
            announced: the names in x-amz-trailer, in lower case.
        """
        self._body = body
        self._signer = signer
        self._announced = announced
        self.length: int | None = length
        self.trailers: dict[str, str] = {}

    async def read(self, limit: int) -> bytes:
        """The whole content."""
        if (self.length or 0) > limit:
            raise RequestBodyTooLarge(limit=limit)
        return b"".join([piece async for piece in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The content, piece by piece. Raises if a frame is malformed, a signature wrong, or the length another."""
        frames = _Frames(self._body)
        remaining = self.length or 0
        small = False
        while True:
            size, signature = _chunk_header(await frames.line(LONGEST_LINE_BYTES), signed=self._signer is not None)
            if size > remaining or (size and small):
                raise InvalidChunkSize if small else RequestBodyIncomplete
            remaining -= size
            small = self._signer is not None and size < SMALLEST_CHUNK_BYTES
            computed = sha256()
            left = size
            while left:
                piece = await frames.piece(left)
                left -= len(piece)
                if self._signer is not None:
                    computed.update(piece)
                yield piece
            if self._signer is not None:
                self._signer.check_chunk(computed.hexdigest(), signature)
            if not size:
                break
            await frames.line_end()
        if remaining:
            raise RequestBodyIncomplete
        await self._read_trailers(frames)

    async def _read_trailers(self, frames: "_Frames") -> None:
        signature = ""
        signed = []
        line = await frames.line(LONGEST_TRAILER_BYTES, or_end=True)
        if not line and self._announced:  # some clients close the last chunk with a line end of its own
            line = await frames.line(LONGEST_TRAILER_BYTES, or_end=True)
        while line:
            name, colon, value = line.decode("latin-1").partition(":")
            name, value = name.strip().lower(), value.strip()
            if name == TRAILER_SIGNATURE:
                signature = value
            elif not colon or name not in self._announced or name in self.trailers or signature:
                raise MalformedTrailer
            else:
                self.trailers[name] = value
                signed.append(f"{name}:{value}\n")
            line = await frames.line(LONGEST_TRAILER_BYTES, or_end=True)
        await frames.expect_end()
        if self._announced - self.trailers.keys():
            raise MalformedTrailer
        if self._signer is not None and self._announced:
            self._signer.check_trailers(sha256("".join(signed).encode("latin-1")).hexdigest(), signature)


def _chunk_header(line: bytes, *, signed: bool) -> tuple[int, str]:
    """A chunk's size and signature."""
    found = _CHUNK_HEADER.fullmatch(line)
    if found is None or (signed and found[2] is None):
        raise _malformed_chunk()
    return int(found[1], 16), (found[2] or b"").decode()


def _malformed_chunk() -> AwsError:
    return RequestBodyIncomplete()


class _Frames:
    """Takes lines and lengths out of a stream of pieces that may be cut anywhere."""

    __slots__ = ("_pieces", "_position", "_rest")

    def __init__(self, body: Body) -> None:
        self._pieces = aiter(body)
        self._rest = b""
        self._position = 0

    async def _more(self) -> bool:
        """Get the next piece in place of one that is used up."""
        self._rest = await anext(self._pieces, b"")
        self._position = 0
        return bool(self._rest)

    async def piece(self, most: int) -> bytes:
        """At least one and at most so many bytes."""
        if self._position == len(self._rest) and not await self._more():
            raise RequestBodyIncomplete
        start = self._position
        if start == 0 and len(self._rest) <= most:
            self._position = len(self._rest)
            return self._rest
        self._position = min(start + most, len(self._rest))
        return self._rest[start : self._position]

    async def line(self, longest: int, *, or_end: bool = False) -> bytes:
        """The bytes up to the next line end, without it; nothing at the stream's end if `or_end`."""
        line = b""
        while True:
            end = self._rest.find(b"\n", self._position)
            line += self._rest[self._position : end if end >= 0 else len(self._rest)]
            if len(line) > longest:
                raise _malformed_chunk()
            if end >= 0:
                self._position = end + 1
                return line.removesuffix(b"\r")
            if not await self._more():
                if or_end and not line:
                    return b""
                raise RequestBodyIncomplete

    async def line_end(self) -> None:
        """The line end that closes a chunk's content."""
        if await self.line(1):
            raise _malformed_chunk()

    async def expect_end(self) -> None:
        """Nothing but line ends may follow: some clients send one or two more than are needed."""
        while True:
            if self._rest[self._position :].strip(b"\r\n"):
                raise MalformedTrailer
            if not await self._more():
                return
