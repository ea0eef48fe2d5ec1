"""Objects: small ones by the thousand, large ones by the gigabyte, beside nginx, MD5 and a plain file copy."""

import hashlib
import os
import shutil
import socket
import tempfile
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.figures import Figure, middle
from benchmarks.load import RepeatedRequest, load
from benchmarks.measured_server import MeasuredServer, running_server
from benchmarks.peers import has_nginx, nginx_files

KIB, MIB, GIB = 1024, 1024**2, 1024**3


def measure(*, rounds: int, seconds: float, large_bytes: int = GIB) -> list[Figure]:
    """Put and get objects of three sizes."""
    figures: list[Figure] = []
    with running_server() as server, tempfile.TemporaryDirectory(prefix="nginx-files-") as files:
        server.client("s3").create_bucket(Bucket="bench")
        figures += _small(server, Path(files), rounds, seconds)
        figures += _large(server, Path(files), "1 MB object", MIB, max(rounds, 3) * 20, few=False)
        figures += _large(server, Path(files), _size_name(large_bytes), large_bytes, rounds, few=True)
    return figures


def _size_name(size: int) -> str:
    return f"{size / GIB:g} GB object"


def _small(server: MeasuredServer, files: Path, rounds: int, seconds: float) -> list[Figure]:
    content = os.urandom(KIB)
    puts, gets, nginx_rates, syncs = [], [], [], []
    (files / "small").write_bytes(content)
    for _ in range(rounds):
        path = f"/bench/{uuid.uuid4()}"
        headers = server.signed_headers("s3", "PUT", path, content, {})
        result = load(RepeatedRequest(server.url + path, "PUT", headers, content), connections=32, seconds=seconds)
        _no_errors(result.errors, result.requests)
        puts.append(result.requests_per_second)
        syncs.append(_synced_files_per_second(files, content, seconds / 4))
        headers = server.signed_headers("s3", "GET", path, b"", {})
        result = load(RepeatedRequest(server.url + path, "GET", headers, b""), connections=32, seconds=seconds)
        _no_errors(result.errors, result.requests)
        gets.append(result.requests_per_second)
        if has_nginx():
            with nginx_files(files) as (url, _):
                result = load(RepeatedRequest(url + "/small", "GET", {}, b""), connections=32, seconds=seconds)
                nginx_rates.append(result.requests_per_second)
    put, get = middle(puts), middle(gets)
    return [
        Figure(
            "PUT of 1 KB, durable, 32 clients", put, "requests/s", "one file written and synced at a time",
            middle(syncs), ">= 1,500", put >= 1500, puts,
        ),
        Figure(
            "GET of 1 KB, 32 clients", get, "requests/s", "nginx, unsigned" if nginx_rates else "",
            middle(nginx_rates) if nginx_rates else None, ">= 3,000", get >= 3000, gets,
        ),
    ]  # fmt: skip


def _no_errors(errors: int, requests: int) -> None:
    if errors:
        raise RuntimeError(f"{errors} of {requests} requests failed")


def _synced_files_per_second(directory: Path, content: bytes, seconds: float) -> float:
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        path = directory / f"sync-{count}"
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fdatasync(file.fileno())
        count += 1
        path.unlink()
    return count / (time.perf_counter() - started)


def _large(server: MeasuredServer, files: Path, what: str, size: int, rounds: int, *, few: bool) -> list[Figure]:
    piece = os.urandom(MIB)
    source = files / "source"
    with source.open("wb") as file:
        for _ in range(size // MIB):
            file.write(piece)
    digest = hashlib.sha256(source.read_bytes()).hexdigest() if size <= 64 * MIB else "UNSIGNED-PAYLOAD"
    puts, gets, md5s, copies, peers = [], [], [], [], []
    for _ in range(rounds):
        path = f"/bench/{uuid.uuid4()}"
        put_headers = server.upload_headers(path, digest)
        puts.append(size / _send(server.url, path, put_headers, source, size))
        md5s.append(size / _md5_seconds(source))
        copies.append(size / _copy_seconds(source, files / "copy"))
        gets.append(size / _receive(server.url, path, server.signed_headers("s3", "GET", path, b"", {}), size))
        if few:
            server.client("s3").delete_object(Bucket="bench", Key=path.removeprefix("/bench/"))
    if has_nginx():
        with nginx_files(files) as (url, _):
            peers = [size / _receive(url, "/source", {}, size) for _ in range(rounds)]
    source.unlink()
    put, get, md5 = middle(puts) / 1e6, middle(gets) / 1e6, middle(md5s) / 1e6
    reference = middle(peers) / 1e6 if peers else middle(copies) / 1e6
    return [
        Figure(f"PUT of a {what}", put, "MB/s", "MD5 alone", md5, ">= 0.8 of MD5", put >= 0.8 * md5),
        Figure("  beside a synced file copy", put, "MB/s", "copy and sync", middle(copies) / 1e6),
        Figure(
            f"GET of a {what}", get, "MB/s", "nginx" if peers else "copy and sync", reference,
            ">= 1.0 of nginx" if peers else "", get >= reference if peers else None,
        ),
    ]  # fmt: skip


def _md5_seconds(source: Path) -> float:
    started = time.perf_counter()
    with source.open("rb") as file:
        hashlib.file_digest(file, "md5")
    return time.perf_counter() - started


def _copy_seconds(source: Path, target: Path) -> float:
    started = time.perf_counter()
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())
    seconds = time.perf_counter() - started
    target.unlink()
    return seconds


def _connect(url: str) -> tuple[socket.socket, str]:
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname or "127.0.0.1", address.port or 80))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection, f"{address.hostname}:{address.port}"


def _send(url: str, path: str, headers: dict[str, str], source: Path, size: int) -> float:
    """Seconds from connection to answer of one upload."""
    started = time.perf_counter()
    connection, host = _connect(url)
    with connection, source.open("rb") as file:
        given = {"Host": host, **{k: v for k, v in headers.items() if k.lower() != "content-length"}}
        lines = [f"PUT {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
        connection.sendall("\r\n".join([*lines, f"Content-Length: {size}", "", ""]).encode())
        connection.sendfile(file)
        answer = connection.recv(65536)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode(errors="replace"))
    return time.perf_counter() - started


def _receive(url: str, path: str, headers: dict[str, str], size: int) -> float:
    """Seconds from connection to the last byte of one download."""
    buffer = bytearray(MIB)
    started = time.perf_counter()
    connection, host = _connect(url)
    with connection:
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in {"Host": host, **headers}.items())]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode(errors="replace"))
        received = len(head.partition(b"\r\n\r\n")[2])
        while received < size:
            count = connection.recv_into(buffer)
            if not count:
                raise RuntimeError("the connection ended early")
            received += count
    return time.perf_counter() - started
