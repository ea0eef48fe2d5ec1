"""Every message to and from a worker, and how messages are framed on a socket.

A frame is 8 bytes of header and a payload:

    length   4 bytes, unsigned, big endian: bytes of payload
    stream   3 bytes, unsigned: which exchange the frame belongs to; replies carry the stream of their request
    kind     1 byte: one of the kinds below

Requests and replies of many exchanges share one connection, so that an invocation costs no connection of its own.
Payloads of control messages are JSON; an invocation's payload is a JSON object of headers, one line long, a line
feed, and the body untouched.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HEADER = struct.Struct(">II")
HEADER_BYTES = HEADER.size
LARGEST_STREAM = 0xFFFFFF
LARGEST_PAYLOAD = 64 * 1024 * 1024

# From the supervisor to the template process.
FORK = 1
"""JSON: a WorkerSpecification (see `specification.py`). File descriptors for output ride along (SCM_RIGHTS)."""
SIGNAL = 2
"""JSON: {"worker": id, "signal": number}: send a signal to the worker's user process, or to its whole tree if KILL."""
# From the template process to the supervisor.
READY = 3
"""JSON: {"modules": {name: version}, "python": version, "isolation": "namespaces"|"none"}: what was preloaded."""
FORKED = 4
"""JSON: {"worker": id, "pid": number}."""
EXITED = 5
"""JSON: {"worker": id, "exit_code": number or null, "signal": number or null, "out_of_memory": bool}."""
# From the gateway to a model server, and back.
INVOKE = 16
"""Headers line and body of an invocation."""
ANSWER = 17
"""Headers line ({"status": 200, "content-type": ...}) and body."""
PING = 18
"""No payload: is the model loaded and well?"""
PONG = 19
"""JSON: {"status": 200, "servers": number of processes that each take a connection}, or {"status": 500, "message": ...}
if the model could not be loaded."""
CANCEL = 20
"""No payload: nobody waits for this stream any more. What has not begun is dropped; an ANSWER comes in any case."""


@dataclass(slots=True)
class ModelAnswer:
    """What a model server answered to one invocation."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


def frame(kind: int, stream: int, payload: bytes) -> bytes:
    """One frame, ready to be sent."""
    return HEADER.pack(len(payload), (stream << 8) | kind) + payload


def json_frame(kind: int, stream: int, content: Any) -> bytes:
    """One frame of which the payload is JSON."""
    return frame(kind, stream, json.dumps(content).encode())


def with_headers(headers: Mapping[str, Any], body: bytes) -> bytes:
    """The payload of an invocation or an answer."""
    return json.dumps(headers).encode() + b"\n" + body


def split_headers(payload: bytes) -> tuple[dict[str, Any], bytes]:
    """The headers and the body of an invocation or an answer."""
    line, _, body = payload.partition(b"\n")
    return json.loads(line), body


class FrameReader:
    """Cuts a byte stream into frames; keeps what is not complete yet."""

    __slots__ = ("_buffer", "_needed")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = HEADER_BYTES

    def feed(self, piece: bytes) -> list[tuple[int, int, bytes]]:
        """Take in a piece; give (kind, stream, payload) for each frame that is now complete."""
        content: bytes | bytearray = piece
        if self._buffer:
            self._buffer += piece
            if len(self._buffer) < self._needed:
                return []  # still inside a long frame: don't look at it again for each piece
            content = self._buffer
        frames = []
        position = 0
        available = len(content)
        self._needed = HEADER_BYTES
        while available - position >= HEADER_BYTES:
            length, tail = HEADER.unpack_from(content, position)
            if length > LARGEST_PAYLOAD:
                raise ValueError(f"a frame of {length} bytes is longer than any that is sent")
            end = position + HEADER_BYTES + length
            if end > available:
                self._needed = end - position
                break
            frames.append((tail & 0xFF, tail >> 8, bytes(content[position + HEADER_BYTES : end])))
            position = end
        if content is self._buffer:
            del self._buffer[:position]
        elif position < available:
            self._buffer += content[position:]
        return frames
