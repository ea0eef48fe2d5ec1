"""What every protocol gives for one operation: parse a request, serialize an answer, serialize an error."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from coldframe.calls import Answer, Body, Parameters, RoutedCall, Streamed
from coldframe.errors import AwsError


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

    service: str
    """botocore's name of the service."""
    operation: str
    """botocore's name of the operation."""
    protocol: str
    """botocore's name of the protocol, such as `rest-json`."""
    streaming_input: bool
    """Whether `parse` takes the Body itself, unread, which then becomes the value of the payload member; else it takes
    the whole body as bytes."""
    body_limit_bytes: int | None
    """The longest body that the operation's model allows, where it says so; a longer one is refused by `parse`."""

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


def parameters_of(answer: Parameters | Answer) -> tuple[Parameters, int | None, dict[str, Any]]:
    """An operation's result as its parameters, status (None for the model's own) and further headers."""
    if isinstance(answer, Answer):
        return answer.parameters, answer.status, answer.headers
    return answer, None, {}
