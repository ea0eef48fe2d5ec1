"""Finds out which service and operation a request is for: from its signature's scope, its host, target header and path."""

from coldframe.calls import Request, RoutedCall
from coldframe.errors import AwsError
from coldframe.gateway.models import Models
from coldframe.gateway.protocols.codec import WireAnswer


class Router:
    """Routes requests. One for each server; it compiles an operation's tables at its first call."""

    def __init__(self, models: Models | None = None, form_body_bytes: int = 2 * 1024 * 1024) -> None:
        """Take the models to route by, and the longest form body that is read to find its Action."""
        self._models = models or Models()
        self._form_body_bytes = form_body_bytes

    async def route(self, request: Request) -> RoutedCall:
        """Find the service and operation; nothing of the request is believed or checked but what names them.

        A form body is read to find its Action, and `request.body` then holds it as a BytesBody.

        Raises:
            AwsError: no operation is asked for that AWS has. `unrouted_error` answers it.
        """
        raise NotImplementedError

    def warm(self, operations: list[tuple[str, str]]) -> None:
        """Load the models and compile the codecs of these (service, operation) pairs; meant for a background thread."""
        raise NotImplementedError


def unrouted_error(request: Request, error: AwsError) -> WireAnswer:
    """The answer to a request that has no codec (yet), in the shape of the protocol that it looks most like."""
    raise NotImplementedError
