"""What figures are held against: plain uvicorn, nginx, a raw loop. Each is started and stopped here."""

import contextlib
import importlib.util
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil


def free_port() -> int:
    """A TCP port that nobody uses right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _process(command: list[str], port: int, *, directory: str | None = None) -> Iterator[int]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=directory)
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"{command[0]} did not start")
            time.sleep(0.01)
        yield process.pid
    finally:
        below = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        process.wait(20)
        for left in below:  # LitServe leaves its workers behind
            with contextlib.suppress(psutil.Error):
                left.kill()


async def echo(scope: dict, receive, send) -> None:  # type: ignore[no-untyped-def, type-arg]
    """An ASGI application that reads the body and sends it back."""
    if scope["type"] != "http":
        return
    message = await receive()
    body = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.contextmanager
def uvicorn_echo() -> Iterator[tuple[str, int]]:
    """Plain uvicorn (uvloop, httptools, no access log) that echoes. Gives its URL and process id."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.peers:echo", "--port", str(port), "--no-access-log"]
    command += ["--log-level", "error", "--loop", "uvloop", "--http", "httptools", "--lifespan", "off"]
    with _process(command, port) as pid:
        yield f"http://127.0.0.1:{port}", pid


def fastapi_application() -> Any:
    """A FastAPI application with a route that takes a JSON document and gives one back."""
    from fastapi import Body, FastAPI

    application = FastAPI()

    @application.post("/endpoints/first/invocations")
    async def invoke(document: dict[str, Any] = Body()) -> dict[str, Any]:  # noqa: B008 - how FastAPI is told
        return document

    return application


@contextlib.contextmanager
def fastapi_echo() -> Iterator[tuple[str, int]]:
    """FastAPI on uvicorn, one process: the model runs inside the web server, with nothing between."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--factory", "benchmarks.peers:fastapi_application"]
    command += ["--port", str(port), "--no-access-log", "--log-level", "error", "--loop", "uvloop"]
    with _process(command, port) as pid:
        yield f"http://127.0.0.1:{port}", pid


@contextlib.contextmanager
def litserve_echo() -> Iterator[tuple[str, int]]:
    """LitServe with one worker process, as it is by default."""
    port = free_port()
    with _process([sys.executable, "-m", "benchmarks.litserve_peer", str(port)], port) as pid:
        yield f"http://127.0.0.1:{port}", pid


def is_installed(module: str) -> bool:
    """Whether a peer is there to be measured."""
    return importlib.util.find_spec(module) is not None


def has_nginx() -> bool:
    """Whether nginx is installed."""
    return shutil.which("nginx") is not None


@contextlib.contextmanager
def nginx_files(files: Path) -> Iterator[tuple[str, int]]:
    """The nginx web server, one worker, serving a folder. Gives its URL and process id."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="nginx-") as name:
        configuration = Path(name, "nginx.conf")
        configuration.write_text(
            f"""user root; worker_processes 1; daemon off; pid {name}/pid; error_log {name}/error.log;
            events {{ worker_connections 512; }}
            http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
              client_body_temp_path {name}/b; proxy_temp_path {name}/p; fastcgi_temp_path {name}/f;
              uwsgi_temp_path {name}/u; scgi_temp_path {name}/s;
              server {{ listen 127.0.0.1:{port}; root {files}; }} }}"""
        )
        with _process(["nginx", "-p", name, "-c", str(configuration)], port) as pid:
            yield f"http://127.0.0.1:{port}", pid
