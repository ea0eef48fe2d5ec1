"""Sockets: HTTP requests become Requests here, and answers become HTTP. The only file that knows of either.

uvicorn and httptools speak HTTP, uvloop waits for sockets. Connection and Exchange are uvicorn's own classes, made
shorter where every request passes.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from coldframe.calls import BytesBody, RawBody, Request, Streamed
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
SMALL_BODY_BYTES = 64 * 1024
"""A body up to this length is waited for before its request is answered; that spares small requests a stream."""
WRITE_BUFFER_BYTES = 1024 * 1024
"""What waits for a client before no more is read for it: so much that the next piece is read while one is sent."""
DRAIN_BYTES = 1024 * 1024
"""An unread body up to this length is read away before the answer, so that the connection can be used again."""
DRAIN_SECONDS = 2.0
LINGER_BYTES = 64 * 1024 * 1024
"""What is read away, at most, after an answer that comes before the end of a longer body. To close at once would
reset the connection, and the client could lose the answer that tells it why."""
LINGER_SECONDS = 10.0
BACKLOG = 1024
STATUSES_WITHOUT_BODY = frozenset({204, 304})

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

    def __init__(
        self,
        answer: AnswerRequest,
        listener: socket.socket,
        clock: Clock,
        chance: Chance,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        """Take what answers requests, where they come in, and how long a client may be silent within one."""
        self._stall_seconds = stall_seconds
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
        """Close connections whose client stopped in the middle of a request, or sends no more, every now and then."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._stall_seconds / 4)
            for connection in list(self._uvicorn.server_state.connections):
                if isinstance(connection, Connection):
                    connection.close_if_silent(loop.time(), self._stall_seconds)


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
    """uvicorn's connection, with bounds on what a client may send, and for how long it may be silent.

    uvicorn parses, times, queues and shuts down. What is done for every request is done here instead, without ASGI's
    dictionaries between: that halves what a request costs before and after Coldframe's own work.
    """

    heard_at = 0.0
    """When the client last sent something, or was last answered, by the loop's clock."""
    fields: dict[str, str]
    _headers_pending = False
    _header_bytes = 0
    _before: RequestResponseCycle | None = None
    """The request before this one, whose answer must go first."""

    def close_if_silent(self, now: float, stall_seconds: float) -> None:
        """Close if the client has owed us the rest of a request for so long, or has been idle since its last one."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        silent_seconds = now - self.heard_at
        if cycle is None or (cycle.response_complete and self._headers_pending):
            overdue = silent_seconds > stall_seconds
        elif cycle.response_complete:
            overdue = silent_seconds > KEEP_ALIVE_SECONDS
        else:
            overdue = silent_seconds > stall_seconds and cycle.more_body and not self.flow.read_paused
        if overdue:
            self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """A client has come."""
        self.heard_at = self.loop.time()
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        super().connection_made(transport)

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
        self.url = b""
        self.expect_100_continue = False
        self.fields = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; the values of a repeated one are joined by commas."""
        field = _NAMES.get(name) or _name_of(name)
        text = value.strip().decode("latin-1")
        fields = self.fields
        fields[field] = f"{fields[field]},{text}" if field in fields else text

    def on_headers_complete(self) -> None:
        """The headers are complete: begin to answer, unless the body is so small that it can be waited for."""
        self._headers_pending = False
        parser = self.parser
        url = self.url
        if not url.startswith(b"/"):  # an absolute URL, or no URL at all, which raises
            parsed = httptools.parse_url(url)
            url = (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")
        self._before = self.cycle
        self.cycle = exchange = Exchange(self, parser.get_method().decode("ascii"), url.decode("ascii"))
        if exchange.small_content is None:
            self._begin(exchange)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        exchange = cast("Exchange", self.cycle)
        if exchange.small_content is None:
            super().on_body(body)
        else:
            exchange.small_content += body

    def on_message_complete(self) -> None:
        """The request is complete."""
        exchange = cast("Exchange", self.cycle)
        if exchange.small_content is None:
            super().on_message_complete()
        else:
            exchange.more_body = False
            self._begin(exchange)

    def _begin(self, exchange: "Exchange") -> None:
        """Begin to answer, or wait until the requests before it are answered."""
        application = cast("Any", self.app)  # uvicorn, which would call it with ASGI's arguments, only passes it on
        before, self._before = self._before, None
        if before is None or before.response_complete:
            self._start_asgi_task(exchange, application)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, application))

    def on_response_complete(self) -> None:
        """A request is answered: turn to the next one, if it has come already."""
        self.heard_at = self.loop.time()
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                exchange, application = self.pipeline.pop()
                self._start_asgi_task(exchange, application)

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio asks for a bool: keep the transport?
        """The client will send no more; what it asked for completely it can still have."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            return False
        cycle.keep_alive = False
        return True


_NAMES: dict[bytes, str] = {}
"""Header names as they came, and as they are kept; clients send the same few over and over."""
MOST_NAMES = 1024


def _name_of(name: bytes) -> str:
    field = name.decode("latin-1").lower()
    if len(_NAMES) < MOST_NAMES and len(name) < 64:
        _NAMES[name] = field
    return field


class Exchange(RequestResponseCycle):
    """One request and its answer on a connection; with ASGI's `receive` and `send`, for what goes in pieces."""

    def __init__(self, connection: Connection, method: str, target: str) -> None:
        """Take the request that the connection has just heard the headers of."""
        parser = connection.parser
        self.fields = connection.fields
        self.target = target
        self.method = method
        self.client_address = connection.client[0] if connection.client else ""
        self.small_content = _nothing_yet(self.fields)
        super().__init__(
            scope=cast("Any", {"method": method}),  # all of it that uvicorn's send looks at
            transport=connection.transport,
            flow=connection.flow,
            logger=connection.logger,
            access_logger=connection.access_logger,
            access_log=False,
            default_headers=connection.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.fields.get("expect", "").lower() == "100-continue",
            keep_alive=parser.get_http_version() != "1.0" and parser.should_keep_alive(),
            on_response=connection.on_response_complete,
        )

    async def run_asgi(self, app: Any) -> None:
        """Have the application answer; uvicorn calls this when it is the request's turn."""
        application: Application = app
        try:
            await application(self)
        except Exception:
            log.exception("%s %s could not be answered", self.method, self.target)
            self.transport.close()
        except asyncio.CancelledError:  # the server stops, and has waited long enough
            self.transport.abort()
            raise
        finally:
            self.on_response = _nothing

    def send_whole(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Send an answer that is whole in memory, in one write."""
        if self.disconnected:
            return
        self.response_started = self.response_complete = True
        lines = [STATUS_LINE[status]]
        for name, value in self.default_headers:
            lines += (name, b": ", value, b"\r\n")
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        head = b"".join(lines)
        expected_lines = 1 + len(self.default_headers) + len(headers) + (not self.keep_alive)
        if head.count(b"\n") != expected_lines or head.count(b"\r") != expected_lines or b"\0" in head:
            raise ValueError(f"a header has a line end in it: {headers}")
        self.transport.write(b"%b\r\n%b" % (head, body))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def _nothing_yet(fields: dict[str, str]) -> bytes | None:
    """Where to gather a body that is waited for; None for one that is read as a stream."""
    length = fields.get("content-length")
    if "expect" in fields or "transfer-encoding" in fields or (length is not None and int(length) > SMALL_BODY_BYTES):
        return None
    return b""


def _nothing() -> None:
    """In place of a callback that holds its connection in memory."""


class Application:
    """Turns what was heard into Requests, and has them answered."""

    def __init__(self, answer: AnswerRequest, clock: Clock, chance: Chance) -> None:
        """Take what answers requests."""
        self._answer = answer
        self._now = clock.now
        self._request_id = chance.uuid

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        request = self._request(exchange)
        body = request.body
        answer = await self._answer(request)
        head_only = request.method == "HEAD"
        if isinstance(body, RawBody) and not body.finished:
            await _answer_before_the_end(request, body, answer, exchange)
            return
        headers = _headers(answer, head_only=head_only)
        content = answer.body
        if isinstance(content, bytes):
            if exchange.flow.write_paused:
                await exchange.flow.drain()
            exchange.send_whole(answer.status, headers, b"" if head_only else content)
        else:
            await exchange.send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await _send_streamed(content, exchange, head_only=head_only)

    def _request(self, exchange: Exchange) -> Request:
        headers = exchange.fields
        length = headers.get("content-length")
        body: RawBody | BytesBody
        if exchange.small_content is None:
            body = RawBody(exchange.receive, None if length is None else int(length))
        else:
            body = BytesBody(exchange.small_content)
            if length is None:
                body.length = None
        path, _, query = exchange.target.partition("?")
        return Request(
            exchange.method,
            path,
            query.partition("#")[0],
            headers,
            body,
            exchange.client_address,
            "http",
            self._request_id(),
            self._now(),
        )


def _headers(answer: WireAnswer, *, head_only: bool) -> list[tuple[bytes, bytes]]:
    """The answer's headers, and Content-Length, which every answer has that may have a body."""
    headers = answer.headers
    for name, _ in headers:
        if name == b"content-length":
            return headers
    if answer.status in STATUSES_WITHOUT_BODY:
        return headers
    body = answer.body
    length = len(body) if isinstance(body, bytes) else body.length
    if head_only and not length:
        return headers
    headers.append((b"content-length", b"%d" % length))
    return headers


async def _send_streamed(body: Streamed, exchange: Exchange, *, head_only: bool) -> None:
    """Send the pieces as fast as the client takes them; stop reading them when it goes away."""
    pieces = body.pieces()
    try:
        if not head_only:
            async for piece in pieces:
                if exchange.disconnected:
                    return
                await exchange.send({"type": "http.response.body", "body": piece, "more_body": True})
        await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


async def _answer_before_the_end(request: Request, body: RawBody, answer: WireAnswer, exchange: Exchange) -> None:
    """Answer a request whose body nobody wanted to the end, so that the client hears it whatever it is sending."""
    awaits_leave = "expect" in request.headers and not body.started
    if not awaits_leave and body.length is not None and body.length <= DRAIN_BYTES:
        await _discard(body, exchange, DRAIN_BYTES, DRAIN_SECONDS)
    head_only = request.method == "HEAD"
    headers = _headers(answer, head_only=head_only)
    if not body.finished:
        headers = [*headers, (b"connection", b"close")]
    await exchange.send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if isinstance(answer.body, bytes):
        content = b"" if head_only else answer.body
        await exchange.send({"type": "http.response.body", "body": content, "more_body": True})
    elif not head_only:
        async for piece in answer.body.pieces():
            await exchange.send({"type": "http.response.body", "body": piece, "more_body": True})
    if not body.finished and not awaits_leave:
        await _discard(body, exchange, LINGER_BYTES, LINGER_SECONDS)
    await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})


async def _discard(body: RawBody, exchange: Exchange, most_bytes: int, seconds: float) -> None:
    """Read the rest of a body away, within bounds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not body.finished and most_bytes > 0:
                message = await exchange.receive()
                if message["type"] == "http.disconnect":
                    return
                most_bytes -= len(cast("bytes", message.get("body", b"")))
                body.finished = not message.get("more_body", False)
