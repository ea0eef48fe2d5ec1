"""Sockets and ASGI: HTTP requests become Requests here, and answers become HTTP. The only file that knows either.

uvicorn speaks HTTP; the ASGI application below is called straight, with no framework between.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from coldframe.calls import BytesBody, RawBody, ReceiveMessage, Request, Streamed
from coldframe.chance import Chance
from coldframe.clock import Clock
from coldframe.gateway.protocols.codec import WireAnswer

LONGEST_HEADERS_BYTES = 64 * 1024
"""Request line and headers together. AWS takes 8 KB of them; a URL that was presigned with a session has 2 KB."""
KEEP_ALIVE_SECONDS = 75
"""How long a connection may be idle between requests; longer than clients keep theirs."""
STALL_SECONDS = 60.0
"""How long a client may be silent in the middle of a request."""
SHUTDOWN_SECONDS = 10
"""How long open requests may go on after the server was told to stop."""
DRAIN_BYTES = 1024 * 1024
"""An unread body up to this length is read away before the answer, so that the connection can be used again."""
DRAIN_SECONDS = 2.0
LINGER_BYTES = 64 * 1024 * 1024
"""What is read away, at most, after an answer that comes before the end of a longer body. To close at once would
reset the connection, and the client could lose the answer that tells it why."""
LINGER_SECONDS = 10.0
BACKLOG = 1024
METHODS_WITHOUT_BODY = frozenset({204, 304})

SendMessage = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AnswerRequest = Callable[[Request], Awaitable[WireAnswer]]

log = logging.getLogger("coldframe.gateway")


def open_listener(host: str, port: int) -> socket.socket:
    """A socket that listens on the address; port 0 takes any free one. Raises OSError if it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket) -> str:
    """Where clients reach a listener."""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - a comparison: every address of this machine, loopback among them
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server:
    """Serves one listener until it is told to stop."""

    def __init__(self, answer: AnswerRequest, listener: socket.socket, clock: Clock, chance: Chance) -> None:
        """Take what answers requests, and where they come in."""
        self._listener = listener
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # below that it tells of every client's bad request
        application = Application(answer, clock, chance)
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                application,
                loop="none",
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                headers=[("server", "Coldframe")],
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
                interface="asgi3",
            )
        )

    async def run(self, stop: asyncio.Event, started: Callable[[], None]) -> None:
        """Answer requests until `stop` is set, then let open ones end. `started` is called once it answers."""
        self._uvicorn.when_started = started
        serving = asyncio.create_task(self._uvicorn.serve(sockets=[self._listener]))
        sweeping = asyncio.create_task(self._close_stalled())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        self._uvicorn.should_exit = True
        sweeping.cancel()
        stopping.cancel()
        await serving

    async def _close_stalled(self) -> None:
        """Close connections whose client stopped in the middle of a request, every now and then."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(STALL_SECONDS / 4)
            for connection in list(self._uvicorn.server_state.connections):
                if isinstance(connection, Connection) and connection.stalled(loop.time() - STALL_SECONDS):
                    connection.transport.abort()


class _Uvicorn(uvicorn.Server):
    """uvicorn, without its own ideas about signals: whoever runs the server tells it when to stop."""

    when_started: Callable[[], None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.when_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with bounds on what a client may send before it is listened to, and for how long."""

    heard_at = 0.0
    _headers_pending = False
    _header_bytes = 0

    def stalled(self, since: float) -> bool:
        """Whether the client owes us the rest of a request and has been silent since then (by the loop's clock)."""
        if self.heard_at > since:
            return False
        cycle = self.cycle
        body_pending = cycle is not None and not cycle.response_complete and cycle.more_body
        return self._headers_pending or (body_pending and not self.flow.read_paused)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and close if headers grow beyond their bound."""
        self.heard_at = self.loop.time()
        super().data_received(data)
        if self._headers_pending:
            self._header_bytes += len(data)
            if self._header_bytes > LONGEST_HEADERS_BYTES and not self.transport.is_closing():
                self.send_400_response("The request's headers are too long.")
        else:
            self._header_bytes = 0

    def on_message_begin(self) -> None:
        """A request begins."""
        self._headers_pending = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its headers are complete."""
        self._headers_pending = False
        super().on_headers_complete()

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio asks for a bool: keep the transport?
        """The client will send no more; what it asked for completely it can still have."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            return False
        cycle.keep_alive = False
        return True


class Application:
    """The ASGI application."""

    def __init__(self, answer: AnswerRequest, clock: Clock, chance: Chance) -> None:
        self._answer = answer
        self._now = clock.now
        self._request_id = chance.uuid

    async def __call__(self, scope: MutableMapping[str, Any], receive: ReceiveMessage, send: SendMessage) -> None:
        """Answer one request."""
        request = self._request(scope, receive)
        body = request.body
        answer = await self._answer(request)
        head_only = request.method == "HEAD"
        if isinstance(body, BytesBody) or not isinstance(body, RawBody) or body.finished:
            headers = _headers(answer, head_only=head_only)
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            if isinstance(answer.body, bytes):
                await send({"type": "http.response.body", "body": b"" if head_only else answer.body})
            else:
                await _send_streamed(answer.body, receive, send, head_only=head_only)
            return
        await _answer_before_the_end(request, body, answer, receive, send)

    def _request(self, scope: MutableMapping[str, Any], receive: ReceiveMessage) -> Request:
        raw = scope["headers"]
        headers = {name.decode("latin-1"): value.strip().decode("latin-1") for name, value in raw}
        if len(headers) != len(raw):
            headers = _joined(raw)
        length = headers.get("content-length")
        if length is not None:
            body: RawBody | BytesBody = RawBody(receive, int(length))
        elif "transfer-encoding" in headers:
            body = RawBody(receive, None)
        else:
            body = BytesBody(b"")
            body.length = None
        client = scope["client"]
        return Request(
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            scope["query_string"].decode("latin-1"),
            headers,
            body,
            client[0] if client else "",
            scope["scheme"],
            self._request_id(),
            self._now(),
        )


def _joined(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers of which some came more than once: their values in order, joined by commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1"), raw_value.strip().decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _headers(answer: WireAnswer, *, head_only: bool) -> list[tuple[bytes, bytes]]:
    """The answer's headers, and Content-Length, which every answer has that may have a body."""
    headers = answer.headers
    for name, _ in headers:
        if name == b"content-length":
            return headers
    if answer.status in METHODS_WITHOUT_BODY:
        return headers
    body = answer.body
    length = len(body) if isinstance(body, bytes) else body.length
    if head_only and not length:
        return headers
    return [*headers, (b"content-length", b"%d" % length)]


async def _send_streamed(body: Streamed, receive: ReceiveMessage, send: SendMessage, *, head_only: bool) -> None:
    """Send the pieces as fast as the client takes them; stop reading them when it goes away."""
    pieces = body.pieces()
    gone = asyncio.create_task(_wait_for_disconnect(receive))
    try:
        if not head_only:
            async for piece in pieces:
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


async def _wait_for_disconnect(receive: ReceiveMessage) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer_before_the_end(
    request: Request, body: RawBody, answer: WireAnswer, receive: ReceiveMessage, send: SendMessage
) -> None:
    """Answer a request whose body nobody wanted to the end, so that the client hears it whatever it is sending."""
    awaits_leave = "expect" in request.headers and not body.started
    if not awaits_leave and body.length is not None and body.length <= DRAIN_BYTES:
        await _discard(body, receive, DRAIN_BYTES, DRAIN_SECONDS)
    head_only = request.method == "HEAD"
    headers = _headers(answer, head_only=head_only)
    if not body.finished:
        headers = [*headers, (b"connection", b"close")]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if isinstance(answer.body, bytes):
        content = b"" if head_only else answer.body
        await send({"type": "http.response.body", "body": content, "more_body": True})
    elif not head_only:
        async for piece in answer.body.pieces():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    if not body.finished and not awaits_leave:
        await _discard(body, receive, LINGER_BYTES, LINGER_SECONDS)
    await send({"type": "http.response.body", "body": b""})


async def _discard(body: RawBody, receive: ReceiveMessage, most_bytes: int, seconds: float) -> None:
    """Read the rest of a body away, within bounds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not body.finished and most_bytes > 0:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                most_bytes -= len(message.get("body", b""))
                body.finished = not message.get("more_body", False)
