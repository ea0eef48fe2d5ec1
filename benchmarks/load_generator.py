"""A load generator in Python, in a process of its own: `python -m benchmarks.load_generator JSON BODY_FILE`."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any


class _Connection(asyncio.Protocol):
    """Sends the request, waits for the answer, sends it again."""

    def __init__(self, request: bytes, until: float, latencies: list[float]) -> None:
        self.request, self.until, self.latencies = request, until, latencies
        self.errors = 0
        self.closed = asyncio.get_running_loop().create_future()
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self._send()

    def _send(self) -> None:
        self.sent_at = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        if len(rest) < length:
            return
        self.buffer = b""
        now = time.perf_counter()
        self.latencies.append(now - self.sent_at)
        if head[9:10] != b"2":
            self.errors += 1
        if now < self.until:
            self._send()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self.errors += 1
        if not self.closed.done():
            self.closed.set_result(None)


async def generate(content: dict[str, Any], body: bytes) -> dict[str, float]:
    """Make the load; returns the members of `Load`."""
    headers = {"Host": f"{content['host']}:{content['port']}", "Content-Length": str(len(body)), **content["headers"]}
    lines = [f"{content['method']} {content['path']} HTTP/1.1", *(f"{key}: {value}" for key, value in headers.items())]
    request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    started = time.perf_counter()
    until = started + content["seconds"]
    connections = []
    for _ in range(content["connections"]):
        _, connection = await loop.create_connection(
            lambda: _Connection(request, until, latencies), content["host"], content["port"]
        )
        connections.append(connection)
    await asyncio.gather(*(connection.closed for connection in connections))
    elapsed = time.perf_counter() - started
    latencies.sort()
    return {
        "requests_per_second": len(latencies) / elapsed,
        "median_milliseconds": latencies[len(latencies) // 2] * 1000,
        "p99_milliseconds": latencies[int(len(latencies) * 0.99)] * 1000,
        "requests": len(latencies),
        "errors": sum(connection.errors for connection in connections),
    }


if __name__ == "__main__":
    try:
        import uvloop as loop_library
    except ImportError:
        loop_library = asyncio  # type: ignore[assignment]
    print(json.dumps(loop_library.run(generate(json.loads(sys.argv[1]), Path(sys.argv[2]).read_bytes()))))
