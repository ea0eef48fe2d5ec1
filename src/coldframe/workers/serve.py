"""A model server: runs inside a started worker, loads the model and answers invocations on a socket."""

import contextlib
import gc
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections import deque
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from coldframe.workers.inference import CUSTOM_ATTRIBUTES, Answered, Model, ModelLoadError
from coldframe.workers.messages import (
    ANSWER,
    CANCEL,
    HEADER,
    INVOKE,
    LARGEST_PAYLOAD,
    PING,
    PONG,
    FrameReader,
    json_frame,
    with_headers,
)
from coldframe.workers.specification import WorkerSpecification

RECEIVE_BYTES = 1 << 18
SLOW_SECONDS = 0.0005
"""After an invocation that took longer, its answer leaves at once and new frames are looked for; else in groups."""
LARGEST_GROUP_BYTES = 1 << 18
LARGEST_ANSWER_BYTES = LARGEST_PAYLOAD // 2
"""More than clients are given; what is even longer is not sent to the gateway at all."""
REMEMBERED_HEADERS = 1024
FAILURE_TOLD_SECONDS = 5.0
"""How long a server whose model did not load waits to be asked why."""


class Stop(BaseException):
    """SIGTERM came and nothing is left to answer."""


def main(specification: WorkerSpecification) -> int:
    """Serve until SIGTERM; the exit code.

    Raises nothing: a model that cannot be loaded is told in the log and to whoever pings, and the code is 1.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    root = Path(os.environ.get("COLDFRAME_ML_ROOT", "/opt/ml"))
    os.environ.setdefault("SM_MODEL_DIR", str(root / "model"))
    with listen(specification.socket_path) as listener:
        try:
            servers = max(1, int(os.environ.get("SAGEMAKER_MODEL_SERVER_WORKERS") or 1))
        except ValueError:
            return tell_failure(listener, "SAGEMAKER_MODEL_SERVER_WORKERS is not a number")
        limit_threads(specification.threads, servers)
        if servers == 1:
            return serve(listener, root, 1)
        return serve_in_processes(listener, root, servers)


def listen(path: str) -> socket.socket:
    """Listen on a unix socket, by way of its folder, since the kernel takes no socket path over 107 characters."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        listener.bind(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
    finally:
        os.close(folder)
    listener.listen(16)
    return listener


def limit_threads(threads: int, servers: int) -> None:
    """Share this worker's cores among its processes; PyTorch was loaded before its environment was known."""
    torch = sys.modules.get("torch")
    if torch is not None and threads:
        torch.set_num_threads(max(1, threads // servers))


def code_directories(root: Path) -> list[Path]:
    """Where the user's program may be: first where SAGEMAKER_SUBMIT_DIRECTORY says."""
    usual = [root / "model" / "code", root / "code"]
    named = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    if not named or named.startswith("s3://"):  # what S3 holds was unpacked to `code` before this process began
        return usual[::-1] if named else usual
    if named.startswith("/opt/ml/"):
        return [root / named.removeprefix("/opt/ml/"), *usual]
    return [Path(named.removeprefix("file://")), *usual]


def serve(listener: socket.socket, root: Path, servers: int) -> int:
    """Load the model, then answer one connection after another."""
    try:
        model = Model(root / "model", code_directories(root))
    except ModelLoadError as error:
        traceback.print_exception(error)
        return tell_failure(listener, str(error))
    gc.collect()
    gc.freeze()  # the model's objects live as long as the process: no collection need look at them again
    return ModelServer(listener, model, servers).run()


def serve_in_processes(listener: socket.socket, root: Path, servers: int) -> int:
    """Serve from several processes, each with its own copy of the model; if one ends, all do.

    They are forked before the model is loaded: a fork after PyTorch's thread pool has started can hang in it.
    """
    children = set()
    for _ in range(servers):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = serve(listener, root, servers)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        children.add(child)

    def forward(number: int, _frame: FrameType | None) -> None:
        for process in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    signal.signal(signal.SIGTERM, forward)
    code = 0
    while children:
        ended, status = os.wait()
        children.discard(ended)
        code = code or abs(os.waitstatus_to_exitcode(status))
        forward(signal.SIGTERM, None)
    return code


def tell_failure(listener: socket.socket, message: str) -> int:
    """Answer whoever pings that the model did not load, and why; then give up."""
    print(message, file=sys.stderr)
    listener.settimeout(FAILURE_TOLD_SECONDS)
    with contextlib.suppress(OSError):
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(FAILURE_TOLD_SECONDS)
            reader = FrameReader()
            while piece := connection.recv(RECEIVE_BYTES):
                for kind, stream, _ in reader.feed(piece):
                    if kind == PING:
                        connection.sendall(json_frame(PONG, stream, {"status": 500, "message": message}))
                        return 1
    return 1


class ModelServer:
    """Answers invocations one at a time, in the order in which they came.

    Frames are read and answers are sent many at a time while the model is quick; between slow invocations each
    answer leaves at once, and what came in the meantime is read.
    """

    def __init__(self, listener: socket.socket, model: Model, servers: int) -> None:
        self._listener = listener
        self._model = model
        self._pong = {"status": 200, "servers": servers}
        self._idle = False
        self._stopping = False
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._cancelled: set[int] = set()
        self._out: list[bytes] = []
        self._request_headers: dict[bytes, dict[str, str]] = {}
        self._answer_lines: dict[tuple[int, str, str], bytes] = {}

    def run(self) -> int:
        """Serve until SIGTERM; the exit code."""
        signal.signal(signal.SIGTERM, self._terminate)
        with contextlib.suppress(Stop):
            while True:
                self._idle = True
                if self._stopping:
                    break
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(ConnectionError):
                    self._converse(connection)
        return 0

    def _terminate(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        if self._idle:
            raise Stop

    def _converse(self, connection: socket.socket) -> None:
        """Answer until the other side has closed the connection."""
        reader = FrameReader()
        self._waiting.clear()
        self._cancelled.clear()
        self._out.clear()
        while True:
            self._idle = True
            if self._stopping:
                raise Stop
            piece = connection.recv(RECEIVE_BYTES)
            self._idle = False
            if not piece:
                return
            self._sort(reader.feed(piece))
            self._work(connection, reader)

    def _work(self, connection: socket.socket, reader: FrameReader) -> None:
        """Answer all that waits, and what comes while that is done."""
        out, waiting = self._out, self._waiting
        clock = time.perf_counter
        grouped_bytes = 0
        began = clock()
        while waiting:
            stream, payload = waiting.popleft()
            if stream in self._cancelled:
                self._cancelled.discard(stream)
                status, content_type, attributes, body = 499, "text/plain", "", b"cancelled"
            else:
                status, content_type, attributes, body = self._answer(payload)
            if len(body) > LARGEST_ANSWER_BYTES:
                status, content_type, body = 500, "text/plain", f"An answer of {len(body)} bytes is too long".encode()
            line = self._answer_lines.get((status, content_type, attributes)) or self._written(
                status, content_type, attributes
            )
            out += (HEADER.pack(len(line) + len(body), (stream << 8) | ANSWER), line, body)
            grouped_bytes += len(body)
            ended = clock()
            if ended - began > SLOW_SECONDS or grouped_bytes > LARGEST_GROUP_BYTES:
                self._send(connection)
                grouped_bytes = 0
                self._sort_what_came(connection, reader)
                ended = clock()
            began = ended
        self._send(connection)

    def _answer(self, payload: bytes) -> Answered:
        end = payload.find(b"\n")
        line = payload[:end]
        headers = self._request_headers.get(line)
        if headers is None:
            if len(self._request_headers) >= REMEMBERED_HEADERS:
                self._request_headers.clear()
            headers = self._request_headers[line] = json.loads(line)
        return self._model.answer(payload[end + 1 :], headers)

    def _written(self, status: int, content_type: str, attributes: str) -> bytes:
        if len(self._answer_lines) >= REMEMBERED_HEADERS:
            self._answer_lines.clear()
        headers: dict[str, Any] = {"status": status, "content-type": content_type}
        if attributes:
            headers[CUSTOM_ATTRIBUTES] = attributes
        line = self._answer_lines[status, content_type, attributes] = with_headers(headers, b"")
        return line

    def _send(self, connection: socket.socket) -> None:
        if self._out:
            connection.sendall(b"".join(self._out))
            self._out.clear()

    def _sort_what_came(self, connection: socket.socket, reader: FrameReader) -> None:
        """Take in what has arrived, without waiting for more."""
        with contextlib.suppress(BlockingIOError):
            while piece := connection.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT):
                self._sort(reader.feed(piece))
        self._send(connection)

    def _sort(self, frames: list[tuple[int, int, bytes]]) -> None:
        for kind, stream, payload in frames:
            if kind == INVOKE:
                self._waiting.append((stream, payload))
            elif kind == PING:
                self._out.append(json_frame(PONG, stream, self._pong))
            elif kind == CANCEL and any(waits == stream for waits, _ in self._waiting):
                self._cancelled.add(stream)


def run_specification(content: dict[str, Any]) -> NoReturn:
    """Serve in this very process, from a specification as plain values; for runners that start a process of its own."""
    sys.exit(main(WorkerSpecification.from_json(content)))


if __name__ == "__main__":
    run_specification(json.loads(sys.argv[1]))
