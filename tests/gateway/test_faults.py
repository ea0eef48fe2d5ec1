"""Faults of operations, and clients that fall silent: on a server of the test's own, with operations made for it."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from coldframe.app import build_gateway, build_state
from coldframe.calls import AllowedCall, Answer, Parameters
from coldframe.config import Config
from coldframe.data_directory import RootCredentials
from coldframe.gateway.answer import Gateway
from coldframe.gateway.routing import Router
from coldframe.gateway.server import Server, open_listener, url_of
from coldframe.services.operation import Handler, Operation, any_resource
from coldframe.state.state import State
from gateway.raw_client import RawConnection, signed_head
from waiting import wait_until

MIB = 1024 * 1024


class InProcessServer:
    """A server in a thread, whose operations the test has made; enough of ServerProcess for a RawConnection."""

    def __init__(self, directory: Path, operations: dict[tuple[str, str], Handler]) -> None:
        self._config = Config(data_directory=directory, port=0)
        self._operations = {
            key: Operation(*key, "test:Test", any_resource, handler, "") for key, handler in operations.items()
        }
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self.connections: Callable[[], int] = lambda: 0

    async def _run(self) -> None:
        state = build_state(self._config)
        gateway = build_gateway(self._config, state, Router())
        gateway = Gateway(state, gateway._router, gateway._verifier, self._operations)
        with contextlib.closing(open_listener("127.0.0.1", 0)) as listener:
            self.url = url_of(listener)
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            server = Server(gateway.answer, listener, state.clock, state.chance, stall_seconds=0.4)
            self.connections = lambda: len(server._uvicorn.server_state.connections)
            await server.run(self._stop, self._ready.set)
        state.blobs.close()
        state.database.close()

    def start(self) -> "InProcessServer":
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive()

    @property
    def credentials(self) -> RootCredentials:
        found = RootCredentials.read(self._config.directory)
        assert found is not None
        return found


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Callable[..., InProcessServer]]:
    servers: list[InProcessServer] = []

    def make(operations: dict[tuple[str, str], Handler] | None = None) -> InProcessServer:
        servers.append(InProcessServer(tmp_path / f"data-{len(servers)}", operations or {}).start())
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


SECRET = "the database password is swordfish"


async def raising(_call: AllowedCall, _state: State) -> Parameters:
    raise ZeroDivisionError(SECRET)


async def wrong_answer(_call: AllowedCall, _state: State) -> Parameters:
    return {"NoSuchMember": SECRET}


async def awaiting_what_is_cancelled(_call: AllowedCall, _state: State) -> Parameters:
    future = asyncio.get_running_loop().create_future()
    future.cancel(SECRET)
    await future
    return {}


@pytest.mark.parametrize("handler", [raising, wrong_answer, awaiting_what_is_cancelled])
@pytest.mark.parametrize(
    ("service", "operation", "method", "target", "content", "headers"),
    [
        ("s3", "ListBuckets", "GET", "/", b"", {}),
        ("sagemaker", "ListModels", "POST", "/", b"{}", {"X-Amz-Target": "SageMaker.ListModels"}),
        ("sagemaker-runtime", "InvokeEndpoint", "POST", "/endpoints/a/invocations", b"{}", {}),
        ("sts", "GetCallerIdentity", "POST", "/", b"Action=GetCallerIdentity&Version=2011-06-15", None),
    ],
)
def test_fault_in_an_operation_is_an_internal_failure(
    serving: Callable[..., InProcessServer],
    caplog: pytest.LogCaptureFixture,
    handler: Handler,
    service: str,
    operation: str,
    method: str,
    target: str,
    content: bytes,
    headers: dict[str, str] | None,
) -> None:
    server = serving({(service, operation): handler})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    head = signed_head(
        server, method, target, service=service, content=content, headers=form if headers is None else headers
    )
    with RawConnection(server) as connection, caplog.at_level(logging.ERROR):
        for _ in range(2):
            connection.send(head + content)
            answer = connection.answer()
            assert answer.status == 500
            assert b"swordfish" not in answer.body + repr(answer.headers).encode()
            assert b"Internal" in answer.body or "Internal" in answer.headers["x-amzn-errortype"]
            request_id = answer.headers.get("x-amzn-requestid") or answer.headers["x-amz-request-id"]
            assert request_id in caplog.text
    assert "Traceback" in caplog.text


class Endless:
    """A streamed answer that breaks off, and tells whether it was closed."""

    def __init__(self, pieces: int, length: int) -> None:
        self.length = length
        self.sent = 0
        self.closed = False
        self._pieces = pieces

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            for _ in range(self._pieces):
                self.sent += 1
                yield b"x" * MIB
                await asyncio.sleep(0)
            raise OSError("the disk is gone")
        finally:
            self.closed = True


def test_fault_in_a_streamed_answer_ends_the_connection(serving: Callable[..., InProcessServer]) -> None:
    stream = Endless(pieces=2, length=10 * MIB)

    async def get_object(_call: AllowedCall, _state: State) -> Answer:
        return Answer({"Body": stream})

    server = serving({("s3", "GetObject"): get_object})
    with RawConnection(server) as connection:
        connection.send(signed_head(server, "GET", "/bucket/key"))
        with pytest.raises(EOFError):
            connection.answer()
    assert stream.closed


def test_streamed_answer_waits_for_a_slow_client_and_stops_when_it_leaves(
    serving: Callable[..., InProcessServer],
) -> None:
    stream = Endless(pieces=100_000, length=100_000 * MIB)

    async def get_object(_call: AllowedCall, _state: State) -> Answer:
        return Answer({"Body": stream})

    server = serving({("s3", "GetObject"): get_object})
    with RawConnection(server) as connection:
        connection.send(signed_head(server, "GET", "/bucket/key"))
        assert connection.socket.recv(1000)
        wait_until(lambda: stream.sent >= 2, 10, describe="the first pieces")
        assert stream.sent < 64, "it was read without regard to how fast the client takes it"
    wait_until(lambda: stream.closed, 10, describe="the end of the stream")
    assert stream.sent < 200


@pytest.mark.parametrize(
    "silent_after",
    [
        b"",
        b"GET",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"PUT /bucket/key HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\nabc",
    ],
)
def test_client_that_falls_silent_is_cut_off(serving: Callable[..., InProcessServer], silent_after: bytes) -> None:
    server = serving()
    with RawConnection(server) as connection:
        connection.send(silent_after)
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                connection.answer()
    wait_until(lambda: server.connections() == 0, 10, describe="the connection's end")


def test_operation_goes_on_when_its_client_leaves(serving: Callable[..., InProcessServer]) -> None:
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    async def create_model(_call: AllowedCall, _state: State) -> Parameters:
        began.set()
        await asyncio.to_thread(go_on.wait, 20)
        ended.set()
        return {"ModelArn": "arn"}

    server = serving({("sagemaker", "ListModels"): create_model})
    with RawConnection(server) as connection:
        headers = {"X-Amz-Target": "SageMaker.ListModels"}
        connection.send(signed_head(server, "POST", "/", service="sagemaker", content=b"{}", headers=headers) + b"{}")
        assert began.wait(10)
    go_on.set()
    assert ended.wait(10)


def test_header_with_a_line_end_is_never_sent(serving: Callable[..., InProcessServer]) -> None:
    async def head_object(_call: AllowedCall, _state: State) -> Answer:
        return Answer({}, headers={"x-amz-meta-a": "b\r\nset-cookie: evil"})

    server = serving({("s3", "HeadObject"): head_object})
    with RawConnection(server) as connection:
        connection.send(signed_head(server, "HEAD", "/bucket/key"))
        with contextlib.suppress(EOFError):
            assert "set-cookie" not in connection.answer(head=True).headers
