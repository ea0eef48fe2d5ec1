"""The stages of a call, each a type: a stage takes one and returns the next, so that none can be left out.

    Request → RoutedCall → SignedCall → ParsedCall → AllowedCall → Answer

An operation takes an AllowedCall, and only `identity/authorization.py` makes one.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from coldframe.arns import Scope
from coldframe.errors import RequestBodyIncomplete, RequestBodyTooLarge

Parameters = dict[str, Any]
"""An operation's input or output, as boto3 users know it: the model's member names, Python values."""

ReceiveMessage = Callable[[], Awaitable[Mapping[str, Any]]]
"""ASGI's receive."""


class Body(Protocol):
    """A request's body, read once, either as a stream or whole."""

    length: int | None
    """Bytes of content to expect, where the client said so."""
    trailers: dict[str, str]
    """Headers that came after the content, names in lower case; filled when the content has been read to its end."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The content, piece by piece. Raises at the end if it was cut short or does not match what was signed."""
        ...

    async def read(self, limit: int) -> bytes:
        """The whole content; RequestBodyTooLarge above `limit` bytes."""
        ...


class RawBody:
    """The body as it came over the wire, by way of ASGI."""

    __slots__ = ("_receive", "finished", "length", "started", "trailers")

    def __init__(self, receive: ReceiveMessage, length: int | None) -> None:
        self._receive = receive
        self.length = length
        self.trailers: dict[str, str] = {}
        self.started = False
        """Whether anybody began to read: a client that asked for leave to send it has then got it."""
        self.finished = False
        """Whether the last byte has been read: if not, the connection still holds what nobody wanted."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield pieces as they arrive; RequestBodyIncomplete if the client goes away first."""
        more = not self.finished
        self.started = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise RequestBodyIncomplete
            piece = message.get("body", b"")
            more = message.get("more_body", False)
            self.finished = not more
            if piece:
                yield piece

    async def read(self, limit: int) -> bytes:
        """The whole body."""
        if self.length is not None and self.length > limit:
            raise RequestBodyTooLarge(limit=limit)
        self.started = True
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self.finished = True
            only: bytes = message.get("body", b"")  # the usual case on the hot path: one message has it all
            if len(only) > limit:
                raise RequestBodyTooLarge(limit=limit)
            return only
        if message["type"] == "http.disconnect":
            raise RequestBodyIncomplete
        pieces = [message.get("body", b"")]
        size = len(pieces[0])
        async for piece in self:
            size += len(piece)
            if size > limit:
                raise RequestBodyTooLarge(limit=limit)
            pieces.append(piece)
        return b"".join(pieces)


class BytesBody:
    """A body that is already whole in memory."""

    __slots__ = ("content", "length", "trailers")

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.trailers: dict[str, str] = {}
        self.length: int | None = len(content)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the content in one piece."""
        if self.content:
            yield self.content

    async def read(self, limit: int) -> bytes:
        """The whole body."""
        if len(self.content) > limit:
            raise RequestBodyTooLarge(limit=limit)
        return self.content


@dataclass(slots=True)
class Request:
    """One HTTP request, before anything is known about it."""

    method: str
    raw_path: str
    """The path as sent, percent-encoded, without the query string."""
    query_string: str
    """The query string as sent, percent-encoded, without the question mark."""
    headers: dict[str, str]
    """Names in lower case; values of a repeated header joined by commas."""
    body: Body
    client: str
    """The address of the caller."""
    scheme: str
    request_id: str
    received_at: float
    """Seconds since 1970 UTC."""


@dataclass(slots=True)
class RoutedCall:
    """A request of which service and operation are known."""

    request: Request
    service: str
    """The service's name in botocore, such as `sagemaker-runtime`."""
    operation: str
    """The operation's name in botocore, such as `InvokeEndpoint`."""
    path_values: dict[str, str]
    """Values of the path's labels, decoded; for S3, Bucket and Key."""
    codec: Any
    """The compiled operation codec of the gateway's protocol; nothing below the gateway looks into it."""


@dataclass(slots=True, frozen=True)
class Principal:
    """Who asks."""

    arn: str
    account_id: str
    kind: str
    """`root`, `user`, `assumed-role` or `anonymous`."""
    user_id: str
    access_key_id: str = ""
    session: Mapping[str, Any] = field(default_factory=dict)
    """What a temporary credential carries with it."""


@dataclass(slots=True)
class SignedCall:
    """A call of which the caller is known. Its body verifies itself as it is read."""

    routed: RoutedCall
    principal: Principal
    body: Body


@dataclass(slots=True)
class ParsedCall:
    """A call of which the parameters are known and valid by the service's model."""

    signed: SignedCall
    parameters: Parameters
    """A streaming payload member holds a Body; any other blob holds bytes; a timestamp holds a datetime in UTC."""


@dataclass(slots=True)
class AllowedCall:
    """A call that may be carried out."""

    service: str
    operation: str
    parameters: Parameters
    principal: Principal
    scope: Scope
    request: Request

    @property
    def request_id(self) -> str:
        """The id that the answer carries."""
        return self.request.request_id


class Streamed(Protocol):
    """Bytes of an answer that are sent as they are read."""

    length: int

    def pieces(self) -> AsyncIterator[bytes]:
        """The bytes, some 1 MiB at a time."""
        ...


@dataclass(slots=True)
class Answer:
    """What an operation returns when it has more to say than its output parameters."""

    parameters: Parameters
    """A streaming payload member holds bytes or a Streamed."""
    status: int | None = None
    """An HTTP status other than the model's, such as 206."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers that the model does not have."""
