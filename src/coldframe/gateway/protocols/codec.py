"""What every protocol gives for one operation: parse a request, serialize an answer, serialize an error."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from botocore.model import OperationModel

from coldframe.calls import Answer, Body, Parameters, RoutedCall, Streamed
from coldframe.errors import AwsError
from coldframe.gateway.errors import EventStreamsNotSupported
from coldframe.gateway.protocols.error_shapes import ErrorShapes
from coldframe.gateway.validation import Validator


@dataclass(slots=True)
class WireAnswer:
    """An HTTP answer, ready to be sent.

    The headers lack what every answer of a server has whatever the protocol (Content-Length, Date, Server, Connection):
    `gateway/server.py` adds those. An answer to HEAD has an empty body; its Content-Length, where the operation knows
    it, is then among the headers already, and must be kept.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    """Names in lower case."""
    body: bytes | Streamed


class OperationCodec(ABC):
    """Turns one operation's requests and answers into parameters and back. Compiled once, then used by every call."""

    protocol: ClassVar[str]
    """botocore's name of the protocol, such as `rest-json`."""
    streaming_input: bool = False
    """Whether `parse` takes the Body itself, unread, which then becomes the value of the payload member; else it takes
    the whole body as bytes."""
    body_limit_bytes: int | None = None
    """The longest body that the operation's model allows, where it says so; a longer one is refused by `parse`."""

    def __init__(self, model: OperationModel, errors: ErrorShapes) -> None:
        self.service: str = model.service_model.service_name
        """botocore's name of the service."""
        self.operation: str = model.name
        """botocore's name of the operation."""
        self.method: str = model.http.get("method", "POST")
        self.status: int = model.http.get("responseCode", 200)
        """The HTTP status of an answer that says nothing else."""
        self.errors = errors
        self.answers_with_events: bool = model.has_event_stream_output
        self.validator = Validator(self.service, self.protocol, model.input_shape)

    @abstractmethod
    def parse(self, routed: RoutedCall, body: bytes | Body) -> Parameters:
        """The operation's input, valid by the service's model.

        Raises:
            AwsError: the request cannot be understood, or breaks a constraint of the model.
        """

    @abstractmethod
    def serialize(self, answer: Parameters | Answer, request_id: str) -> WireAnswer:
        """The answer to a call that was carried out.

        A timestamp may be given as seconds since 1970 UTC or as an aware datetime. A member whose value is None is left
        out. Raises ValueError for a member that the model does not have: that is a fault of ours, never of the client.
        """

    @abstractmethod
    def serialize_error(self, error: AwsError, request_id: str, resource: str = "") -> WireAnswer:
        """The answer to a call that failed. `resource` is the path that was asked for; S3's errors name it."""

    def refuse_events(self) -> None:
        """Raise EventStreamsNotSupported where the operation answers with an event stream."""
        if self.answers_with_events:
            raise EventStreamsNotSupported(service=self.service, operation=self.operation)


def parts_of(answer: Parameters | Answer) -> tuple[Parameters, int | None, dict[str, str]]:
    """An operation's result as its parameters, status (None for the model's own) and further headers."""
    if isinstance(answer, Answer):
        return answer.parameters, answer.status, answer.headers
    return answer, None, {}


def header_bytes(value: str) -> bytes:
    """A header's value as it is sent: nothing in it can end the header or begin another."""
    if not value.isprintable():
        value = "".join(" " if character < " " or character == "\x7f" else character for character in value)
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace")


def further_headers(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers that come beside those of the model."""
    return [(name.lower().encode("ascii"), header_bytes(value)) for name, value in headers.items()]
