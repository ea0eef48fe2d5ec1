"""Sends one request over and over on many connections and counts: by wrk where it is installed, else by Python."""

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.load_generator import generate


@dataclass(frozen=True)
class Load:
    """What came of it."""

    requests_per_second: float
    median_milliseconds: float
    p99_milliseconds: float
    requests: int
    errors: int


@dataclass(frozen=True)
class RepeatedRequest:
    """A request that is sent again and again as it is."""

    url: str
    method: str
    headers: dict[str, str]
    body: bytes


def generator_name() -> str:
    """Which program makes the load."""
    return "wrk" if shutil.which("wrk") else "the Python generator (install wrk for a lighter one)"


def load(request: RepeatedRequest, *, connections: int, seconds: float) -> Load:
    """Send the request on so many connections, each waiting for its answer, for so many seconds."""
    if shutil.which("wrk"):
        return _with_wrk(request, connections, seconds)
    return _with_python(request, connections, seconds)


def _with_wrk(request: RepeatedRequest, connections: int, seconds: float) -> Load:
    with tempfile.TemporaryDirectory() as name:
        body, script = Path(name, "body"), Path(name, "request.lua")
        body.write_bytes(request.body)
        lines = [f'wrk.method = "{request.method}"']
        lines += [f"wrk.headers[{_lua(key)}] = {_lua(value)}" for key, value in request.headers.items()]
        if request.body:
            lines.append(f'local file = io.open({_lua(str(body))}, "rb"); wrk.body = file:read("*a"); file:close()')
        script.write_text("\n".join(lines))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "--latency"]
        output = subprocess.run([*command, "-s", str(script), request.url], capture_output=True, text=True, check=True)
    return _parse_wrk(output.stdout)


def _lua(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _parse_wrk(text: str) -> Load:
    def latency(percent: str) -> float:
        found = re.search(rf"^\s*{percent}%\s+([\d.]+)(us|ms|s|m)\s*$", text, re.MULTILINE)
        if not found:
            return float("nan")
        return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60000.0}[found[2]]

    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    count = re.search(r"(\d+) requests in", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    socket_errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    errors = (int(bad[1]) if bad else 0) + (sum(map(int, socket_errors.groups())) if socket_errors else 0)
    if not rate or not count:
        raise RuntimeError(f"wrk said something unexpected:\n{text}")
    return Load(float(rate[1]), latency("50"), latency("99"), int(count[1]), errors)


def _with_python(request: RepeatedRequest, connections: int, seconds: float) -> Load:
    import json

    address = urlsplit(request.url)
    content = {
        "host": address.hostname,
        "port": address.port,
        "path": address.path + (f"?{address.query}" if address.query else ""),
        "method": request.method,
        "headers": request.headers,
        "connections": connections,
        "seconds": seconds,
    }
    with tempfile.TemporaryDirectory() as name:
        Path(name, "body").write_bytes(request.body)
        command = [sys.executable, "-m", generate.__module__, json.dumps(content), str(Path(name, "body"))]
        output = subprocess.run(command, capture_output=True, text=True, check=True)
    return Load(**json.loads(output.stdout))
