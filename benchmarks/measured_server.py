"""A Coldframe server of its own for a benchmark, and how much processor time and memory its processes take."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials


@dataclass
class MeasuredServer:
    """A running server."""

    process: subprocess.Popen[bytes]
    data_directory: Path
    url: str
    seconds_to_first_answer: float

    @property
    def credentials(self) -> Credentials:
        """The root key."""
        key = json.loads((self.data_directory / "root-credentials.json").read_text())
        return Credentials(key["access_key_id"], key["secret_access_key"])

    def client(self, service: str) -> Any:
        """A boto3 client."""
        key = self.credentials
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=key.access_key,
            aws_secret_access_key=key.secret_key,
            config=Config(retries={"max_attempts": 0}, max_pool_connections=64, read_timeout=120),
        )

    def signed_headers(
        self, service: str, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> dict[str, str]:
        """Headers of a request that is signed once and may then be sent again and again for 15 minutes."""
        request = AWSRequest(method, self.url + path, headers=headers, data=body)
        auth = S3SigV4Auth if service == "s3" else SigV4Auth
        auth(self.credentials, service, "us-east-1").add_auth(request)
        return {name: str(value) for name, value in request.headers.items()}

    def upload_headers(self, path: str, payload_hash: str) -> dict[str, str]:
        """Headers of an upload to S3 whose content has this SHA-256, or is `UNSIGNED-PAYLOAD`."""
        request = AWSRequest("PUT", self.url + path)
        auth = S3SigV4Auth(self.credentials, "s3", "us-east-1")
        auth.payload = lambda _request: payload_hash
        auth.add_auth(request)
        return {name: str(value) for name, value in request.headers.items()}

    def cpu_seconds(self) -> float:
        """Processor time of the server and all its processes so far."""
        return cpu_seconds(self.process.pid)

    def gateway_cpu_seconds(self) -> float:
        """Processor time of the server process alone."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its living descendants."""
    total = 0.0
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def proportional_memory_bytes(pid: int) -> int:
    """PSS of one process."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def running_server(*, environment: dict[str, str] | None = None) -> Iterator[MeasuredServer]:
    """Start a server in a new directory; stop it and remove the directory afterwards."""
    with tempfile.TemporaryDirectory(prefix="coldframe-bench-") as name:
        directory = Path(name)
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "coldframe", "up", "--data-dir", name, "--port", "0"],
            stdout=subprocess.DEVNULL,
            stderr=(directory / "server.log").open("wb"),
            env={**_environment(), **(environment or {})},
        )
        try:
            url = _first_answer(process, directory)
            yield MeasuredServer(process, directory, url, time.perf_counter() - started)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)


def _first_answer(process: subprocess.Popen[bytes], directory: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError((directory / "server.log").read_text()[-4000:])
        with contextlib.suppress(OSError, ValueError):
            url: str = json.loads((directory / "server.json").read_text())["url"]
            with urllib.request.urlopen(url + "/_coldframe/health", timeout=5) as answer:
                if answer.status == 200:
                    return url
        time.sleep(0.002)
    raise RuntimeError("the server did not answer within 60 s")
