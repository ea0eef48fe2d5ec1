"""A request's body that is checked against the hash that was signed, while it is read."""

from collections.abc import AsyncIterator
from hashlib import sha256

from coldframe.calls import Body
from coldframe.identity.errors import XAmzContentSHA256Mismatch


class HashedBody:
    """Passes a body on unchanged, and raises after its last piece if its SHA-256 is not the signed one."""

    __slots__ = ("_body", "_expected", "length", "trailers")

    def __init__(self, body: Body, expected: str) -> None:
        self._body = body
        self._expected = expected
        self.length = body.length
        self.trailers: dict[str, str] = {}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The content, piece by piece; XAmzContentSHA256Mismatch at the end if it is not what was signed."""
        computed = sha256()
        async for piece in self._body:
            computed.update(piece)
            yield piece
        self._check(computed.hexdigest())

    async def read(self, limit: int) -> bytes:
        """The whole content."""
        content = await self._body.read(limit)
        self._check(sha256(content).hexdigest())
        return content

    def _check(self, computed: str) -> None:
        if computed != self._expected:
            raise XAmzContentSHA256Mismatch(
                members={"ClientComputedContentSHA256": self._expected, "S3ComputedContentSHA256": computed}
            )
