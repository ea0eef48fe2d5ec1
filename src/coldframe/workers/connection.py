"""The gateway's end of a connection to a model server: many invocations at once on one socket."""

import asyncio
import json
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from coldframe.workers.messages import (
    ANSWER,
    CANCEL,
    HEADER,
    INVOKE,
    LARGEST_STREAM,
    PING,
    PONG,
    FrameReader,
    ModelAnswer,
    frame,
)

ANSWER_TIMEOUT_SECONDS = 60.0
"""How long a model may take for one invocation; AWS's limit."""
REMEMBERED_HEADERS = 1024
"""Header lines that are kept in their written form; most invocations of an endpoint have the same headers."""
UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
COPIED_BYTES = 262144
"""Bodies of up to so much together are copied into one piece to be sent; longer ones are sent from where they lie."""


class WorkerConnection(asyncio.Protocol):
    """One connection to one model server process; a `state.serving.ModelServer`.

    Invocations share the connection and may be answered in any order. All of an invocation's work is here and in the
    event loop: no task, no timer and no lock of its own.
    """

    __slots__ = (
        "_abandoned",
        "_answer_headers",
        "_answer_timeout_seconds",
        "_invocation_headers",
        "_loop",
        "_pending",
        "_pings",
        "_reader",
        "_stream",
        "_timer",
        "_transport",
        "_unsent",
        "_unsent_bytes",
        "answered_at",
        "in_flight",
        "log_stream_arn",
        "lost",
    )

    def __init__(self, log_stream_arn: str = "", answer_timeout_seconds: float = ANSWER_TIMEOUT_SECONDS) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader()
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self._pending: dict[int, tuple[asyncio.Future[ModelAnswer], float]] = {}
        self._abandoned: set[int] = set()
        self._pings: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._stream = 0
        self._timer: asyncio.TimerHandle | None = None
        self._answer_timeout_seconds = answer_timeout_seconds
        self._invocation_headers: dict[tuple[tuple[str, str], ...], bytes] = {}
        self._answer_headers: dict[bytes, tuple[int, dict[str, str]]] = {}
        self.in_flight = 0
        """Invocations that the server has not answered, those included that nobody waits for any more."""
        self.log_stream_arn = log_stream_arn
        self.answered_at = self._loop.time()
        """When the server last answered anything, or was last idle: the event loop's time, in seconds."""
        self.lost = asyncio.Event()
        """Set when the connection is gone."""

    @property
    def silent_seconds(self) -> float:
        """How long the server has had invocations and answered none; 0 when it has none."""
        return self._loop.time() - self.answered_at if self.in_flight else 0.0

    def invoke(self, headers: Mapping[str, str], body: bytes) -> asyncio.Future[ModelAnswer]:
        """Ask the model.

        Args:
            headers: names in lower case, such as `content-type` and `accept`.
            body: what the client sent, untouched.

        Returns:
            A future of the answer. It fails with TimeoutError after 60 s, and with ConnectionError if the server is
            lost before it has answered.

        Raises:
            ConnectionRefusedError: the connection is gone already, and nothing was sent: another server may be asked.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ConnectionRefusedError("the model server is gone")
        loop = self._loop
        now = loop.time()
        stream = self._next_stream()
        future: asyncio.Future[ModelAnswer] = loop.create_future()
        if not self.in_flight:
            self.answered_at = now
        self.in_flight += 1
        deadline = now + self._answer_timeout_seconds
        self._pending[stream] = (future, deadline)
        if self._timer is None:
            self._timer = loop.call_at(deadline, self._expire)
        line = self._invocation_headers.get(tuple(headers.items())) or self._written(headers)
        unsent = self._unsent
        if not unsent:
            loop.call_soon(self._flush)
        unsent += (HEADER.pack(len(line) + len(body), (stream << 8) | INVOKE), line, body)
        self._unsent_bytes += len(body)
        return future

    async def ping(self, timeout_seconds: float) -> dict[str, Any]:
        """Ask whether the model is loaded and well; the answer's content.

        Raises TimeoutError when none comes in time, and ConnectionError if the server is lost.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionRefusedError("the model server is gone")
        stream = self._next_stream()
        future: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._pings[stream] = future
        try:
            self._transport.write(frame(PING, stream, b""))
            async with asyncio.timeout(timeout_seconds):
                return await future
        finally:
            self._pings.pop(stream, None)

    def close(self) -> None:
        """Give up the connection; whoever still waits gets a ConnectionError."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not derived from asyncio's

    def data_received(self, data: bytes) -> None:
        """Settle what the server answered."""
        self.answered_at = self._loop.time()
        try:
            for kind, stream, payload in self._reader.feed(data):
                if kind == ANSWER:
                    self._answered(stream, payload)
                elif kind == PONG and (ping := self._pings.get(stream)) is not None and not ping.done():
                    ping.set_result(json.loads(payload))
        except (ValueError, TypeError, KeyError, AttributeError):
            self.close()  # the model's code wrote to our socket: nothing that follows can be trusted

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the name is asyncio's
        """Tell everybody who waits."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for future, _ in self._pending.values():
            if not future.done():
                future.set_exception(ConnectionResetError("the model server ended before it answered"))
        for ping in self._pings.values():
            if not ping.done():
                ping.set_exception(ConnectionResetError("the model server ended before it answered"))
        self._pending.clear()
        self._abandoned.clear()
        self.in_flight = 0
        self.lost.set()

    def _flush(self) -> None:
        """Send what was asked in this turn of the event loop, in one system call, since each wakes the server."""
        unsent, self._unsent = self._unsent, []
        size, self._unsent_bytes = self._unsent_bytes, 0
        if self._transport is None:
            return
        if size <= COPIED_BYTES:
            self._transport.write(b"".join(unsent))
        else:
            self._transport.writelines(unsent)

    def _answered(self, stream: int, payload: bytes) -> None:
        if stream in self._abandoned:
            self._abandoned.discard(stream)
            self.in_flight -= 1
            return
        line_end = payload.find(b"\n")
        line = payload[:line_end]
        known = self._answer_headers.get(line) or self._read(line)
        entry = self._pending.pop(stream, None)
        if entry is None:
            return
        self.in_flight -= 1
        future = entry[0]
        if not future.done():  # else whoever asked has gone away
            future.set_result(ModelAnswer(known[0], known[1], payload[line_end + 1 :]))

    def _next_stream(self) -> int:
        stream = self._stream = self._stream % LARGEST_STREAM + 1
        while stream in self._pending or stream in self._abandoned:
            stream = self._stream = stream % LARGEST_STREAM + 1
        return stream

    def _written(self, headers: Mapping[str, str]) -> bytes:
        line = json.dumps(dict(headers)).encode() + b"\n"
        if len(self._invocation_headers) >= REMEMBERED_HEADERS:
            self._invocation_headers.clear()
        self._invocation_headers[tuple(headers.items())] = line
        return line

    def _read(self, line: bytes) -> tuple[int, dict[str, str]]:
        content: dict[str, Any] = json.loads(line)
        status = int(content.pop("status"))
        headers = {"content-type": "application/octet-stream"}
        # A model's code chose them: what could break a line of HTTP must not pass.
        headers.update({str(name): UNPRINTABLE.sub("?", str(value)) for name, value in content.items()})
        known = status, headers
        if len(self._answer_headers) >= REMEMBERED_HEADERS:
            self._answer_headers.clear()
        self._answer_headers[line] = known
        return known

    def _expire(self) -> None:
        """Fail the invocations whose time is over. They stand in the order of their deadlines."""
        self._timer = None
        now = self._loop.time() + 0.001  # the loop's clock counts whole milliseconds
        for stream, (future, deadline) in list(self._pending.items()):
            if deadline > now:
                self._timer = self._loop.call_at(deadline, self._expire)
                return
            del self._pending[stream]
            self._abandoned.add(stream)
            if self._transport is not None:
                self._transport.write(frame(CANCEL, stream, b""))
            if not future.done():
                future.set_exception(TimeoutError())


async def connect(
    address: str, log_stream_arn: str = "", answer_timeout_seconds: float = ANSWER_TIMEOUT_SECONDS
) -> WorkerConnection:
    """Connect to a worker.

    Args:
        address: `unix:/path` or `tcp://host:port`.
        log_stream_arn: where the worker's output goes; told to clients when the model fails.
        answer_timeout_seconds: how long an invocation may take.

    Raises:
        OSError: nothing listens there, or not yet.
    """
    loop = asyncio.get_running_loop()

    def protocol() -> WorkerConnection:
        return WorkerConnection(log_stream_arn, answer_timeout_seconds)

    url = urlsplit(address)
    if url.scheme == "unix":
        return (await loop.create_unix_connection(protocol, sock=_unix_socket(url.path)))[1]
    return (await loop.create_connection(protocol, url.hostname or "", url.port or 0))[1]


def _unix_socket(path: str) -> socket.socket:
    """Connect by way of the folder's descriptor, since the kernel takes no socket path over 107 characters."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        folder = os.open(Path(path).parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            connection.connect(f"/proc/self/fd/{folder}/{Path(path).name}")
        finally:
            os.close(folder)
    except BaseException:
        connection.close()
        raise
    return connection
