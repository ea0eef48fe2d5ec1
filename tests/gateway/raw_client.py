"""Speaks HTTP byte by byte, so that a test can send what no client library would."""

import socket
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from servers import ServerProcess

ANSWER_SECONDS = 20.0


class RawAnswer:
    """One HTTP answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self) -> str:
        return self.body.decode()


class RawConnection:
    """A TCP connection to a server."""

    def __init__(self, server: ServerProcess) -> None:
        parts = urlsplit(server.url)
        self.host = parts.netloc
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=ANSWER_SECONDS)
        self._rest = b""

    def __enter__(self) -> "RawConnection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, content: bytes) -> None:
        self.socket.sendall(content)

    def answer(self, *, head: bool = False) -> RawAnswer:
        """The next answer, interim ones (100) included. EOFError when the server closes before it is complete."""
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head_bytes, _, self._rest = self._rest.partition(b"\r\n\r\n")
        lines = head_bytes.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        status = int(lines[0].split()[1])
        length = 0 if head or status in {100, 204, 304} else int(headers["content-length"])
        while len(self._rest) < length:
            self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        return RawAnswer(status, headers, body)

    def closed(self) -> bool:
        """Whether the server closes the connection without a further byte."""
        if self._rest:
            return False
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def nothing_comes(self, seconds: float) -> bool:
        """Whether the server sends nothing for so long."""
        self.socket.settimeout(seconds)
        try:
            piece = self.socket.recv(65536)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(ANSWER_SECONDS)
        self._rest += piece
        return False

    def _more(self) -> None:
        piece = self.socket.recv(65536)
        if not piece:
            raise EOFError(f"closed by the server after {self._rest!r}")
        self._rest += piece


def signed_head(
    server: ServerProcess,
    method: str,
    target: str,
    *,
    service: str = "s3",
    content: bytes = b"",
    headers: Mapping[str, str] | None = None,
    length: int | None = None,
) -> bytes:
    """Request line and headers as the root user signs them, up to and with the empty line.

    `length` is what Content-Length says, if that shall not be the truth.
    """
    signing_name = {"sagemaker-runtime": "sagemaker"}.get(service, service)
    request = AWSRequest(method=method, url=server.url + target, data=content, headers=dict(headers or {}))
    keys = server.credentials
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(
        Credentials(keys.access_key_id, keys.secret_access_key), signing_name, "us-east-1"
    )
    signer.add_auth(request)
    lines = [f"{method} {target} HTTP/1.1", f"Host: {urlsplit(server.url).netloc}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if content or length is not None:
        lines.append(f"Content-Length: {len(content) if length is None else length}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def whoami(server: ServerProcess) -> bytes:
    """A request for sts:GetCallerIdentity, complete."""
    content = b"Action=GetCallerIdentity&Version=2011-06-15"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return signed_head(server, "POST", "/", service="sts", content=content, headers=headers) + content


def slowly(connection: RawConnection, content: bytes, pieces: int) -> None:
    """Send in so many pieces, each in a packet of its own."""
    connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    size = max(1, len(content) // pieces)
    for start in range(0, len(content), size):
        connection.send(content[start : start + size])
        time.sleep(0.002)  # not waiting for anything: being slow is what is tested
