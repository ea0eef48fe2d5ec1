"""The whole path of a request, on one screen."""

import asyncio
import json
import logging
import os
from collections.abc import Mapping

import coldframe
from coldframe.calls import Body, ParsedCall, Request, RoutedCall, SignedCall
from coldframe.data_directory import HEALTH_PATH
from coldframe.errors import AwsError, InternalFailure, OperationNotImplemented
from coldframe.gateway.protocols.codec import OperationCodec, WireAnswer
from coldframe.gateway.routing import Router
from coldframe.gateway.unrouted import unrouted_error
from coldframe.identity.authorization import authorize, refuse_anonymous
from coldframe.identity.verification import Verifier
from coldframe.services.operation import Operation
from coldframe.state.state import State

log = logging.getLogger("coldframe.gateway")


class Gateway:
    """Answers requests: every one, whatever is wrong with it."""

    def __init__(
        self, state: State, router: Router, verifier: Verifier, catalog: Mapping[tuple[str, str], Operation]
    ) -> None:
        """Take the stages, and the operations that there are."""
        self._state = state
        self._router = router
        self._verifier = verifier
        self._catalog = catalog

    async def answer(self, request: Request) -> WireAnswer:
        """The answer to a request, or to the error that it met, in the shape of its protocol."""
        if request.raw_path == HEALTH_PATH:
            return health()
        routed: RoutedCall | None = None
        try:
            routed = await self._router.route(request)
            signed = await self._verifier.verify(routed)
            operation = self._operation(signed)
            parsed = await self._parse(signed)
            allowed = authorize(parsed, operation, self._state.scope)
            answer = await operation.handler(allowed, self._state)
            codec: OperationCodec = routed.codec
            return codec.serialize(answer, request.request_id)
        except AwsError as error:
            return _error_answer(request, routed, error)
        except asyncio.CancelledError:
            if _is_being_stopped():
                raise
            log.exception("request %s: what %s awaited was cancelled", request.request_id, request.raw_path)
            return _error_answer(request, routed, InternalFailure(request_id=request.request_id))
        except Exception:  # whatever happens, the client gets an answer, and the cause goes to the log alone
            log.exception("request %s: %s %s failed", request.request_id, request.method, request.raw_path)
            return _error_answer(request, routed, InternalFailure(request_id=request.request_id))

    def _operation(self, signed: SignedCall) -> Operation:
        """What carries out the call; only a known caller is told that there is nothing."""
        routed = signed.routed
        operation = self._catalog.get((routed.service, routed.operation))
        if operation is None:
            refuse_anonymous(signed)
            raise OperationNotImplemented(service=routed.service, operation=routed.operation)
        return operation

    async def _parse(self, signed: SignedCall) -> ParsedCall:
        """Read the call's parameters. A body that is streamed stays unread, for the operation."""
        codec: OperationCodec = signed.routed.codec
        body: bytes | Body = signed.body
        if not codec.streaming_input:
            body = await signed.body.read(codec.body_limit_bytes or self._state.config.json_body_bytes)
        return ParsedCall(signed, codec.parse(signed.routed, body))


def _is_being_stopped() -> bool:
    """Whether the request itself is cancelled, by a server that stops, and not only something that it awaits."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _error_answer(request: Request, routed: RoutedCall | None, error: AwsError) -> WireAnswer:
    if routed is None:
        return unrouted_error(request, error)
    codec: OperationCodec = routed.codec
    return codec.serialize_error(error, request.request_id, request.raw_path)


def health() -> WireAnswer:
    """Tells anybody that the server answers, and nothing else of it."""
    content = {"status": "ok", "version": coldframe.__version__, "pid": os.getpid()}
    return WireAnswer(200, [(b"content-type", b"application/json")], json.dumps(content).encode())
