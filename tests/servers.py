"""Runs real servers for tests: started as a person would, spoken to over real sockets, and never left behind."""

import ctypes
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.config import Config as ClientConfig

from coldframe.data_directory import HEALTH_PATH, RootCredentials, ServerFile
from waiting import wait_until

PR_SET_PDEATHSIG = 1
START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 60.0

CLIENT_CONFIG = ClientConfig(
    connect_timeout=5,
    read_timeout=75,  # an invocation may take 60 s
    retries={"total_max_attempts": 1},
    max_pool_connections=50,
)

FOREIGN_SETTINGS = ("AWS_", "COLDFRAME_")
"""Environment variables so begun belong to whoever runs the tests, and must not reach the servers under test."""


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without anybody's AWS or Coldframe settings, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_SETTINGS)}
    # so that no client looks for a role of the machine, or for somebody's profile
    return kept | {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull} | more


class ServerProcess:
    """A `coldframe up` on a data directory; can be stopped, killed, and started again on the same directory."""

    def __init__(self, data_directory: Path, arguments: list[str] | None = None, **environment: str) -> None:
        self.data_directory = data_directory
        self.log_path = data_directory.parent / f"{data_directory.name}.log"
        self._arguments = arguments or []
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._seen: dict[int, psutil.Process] = {}

    def start(self) -> "ServerProcess":
        """Start it and wait until it answers. After a kill it comes back on the port that it had."""
        command = [sys.executable, "-m", "coldframe", "up"]
        command += ["--data-dir", str(self.data_directory), "--port", str(self._port), *self._arguments]
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=clean_environment(**self._environment),
                start_new_session=True,  # a Ctrl-C in the terminal is for pytest alone
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one call into the kernel, which takes no lock
            )
        wait_until(
            self._answers, START_TIMEOUT_SECONDS, describe=lambda: f"the server's answer; its log:\n{self.log()}"
        )
        self._port = int(self.url.rsplit(":", 1)[1])
        return self

    @property
    def pid(self) -> int:
        """The server's process id."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    @property
    def url(self) -> str:
        """Where it listens."""
        found = ServerFile.read(self.data_directory)
        assert found is not None, f"no server.json in {self.data_directory}; the server's log:\n{self.log()}"
        return found.url

    @property
    def credentials(self) -> RootCredentials:
        """The account's root access key."""
        found = RootCredentials.read(self.data_directory)
        assert found is not None, f"no root credentials in {self.data_directory}"
        return found

    def client(self, service: str, **settings: Any) -> Any:
        """A boto3 client of this server, as root unless `settings` says otherwise."""
        config = CLIENT_CONFIG.merge(settings.pop("config", ClientConfig()))
        settings.setdefault("aws_access_key_id", self.credentials.access_key_id)
        settings.setdefault("aws_secret_access_key", self.credentials.secret_access_key)
        settings.setdefault("region_name", "us-east-1")
        return boto3.session.Session().client(service, endpoint_url=self.url, config=config, **settings)

    def log(self) -> str:
        """What the server printed so far, the last 20,000 characters of it."""
        return self.log_path.read_text(errors="replace")[-20_000:] if self.log_path.exists() else ""

    def descendants(self) -> list[psutil.Process]:
        """The processes below the server now."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def kill9(self) -> None:
        """Kill the server itself, as a crash would; what it started is left to fend for itself."""
        assert self._process is not None, "the server was not started"
        self._remember_descendants()
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Ask it to end, and wait; its exit code."""
        assert self._process is not None, "the server was not started"
        self._remember_descendants()
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the server ignores SIGTERM; its log:\n{self.log()}") from None

    def restart(self) -> "ServerProcess":
        """Start it again on the same directory, ending it in order first if it still runs."""
        if self.running:
            self.stop()
        return self.start()

    @property
    def exit_code(self) -> int | None:
        """How it ended; nothing while it runs, negative if a signal ended it."""
        assert self._process is not None, "the server was not started"
        return self._process.poll()

    @property
    def running(self) -> bool:
        """Whether the server process lives."""
        return self._process is not None and self._process.poll() is None

    def leftovers(self) -> list[psutil.Process]:
        """Processes that the server started and that still live, though it does not."""
        return [process for process in self._seen.values() if _lives(process)] if not self.running else []

    def close(self) -> None:
        """End the server and check that nothing of it is left; whatever is left is killed, and told."""
        try:
            if self.running:
                self.stop()
            wait_until(lambda: not self.leftovers(), 10.0, describe=self._describe_leftovers)
        finally:
            if self.running and self._process is not None:
                self._process.kill()
                self._process.wait()
            for process in self.leftovers():
                process.kill()

    def _describe_leftovers(self) -> str:
        lines = [f"{process.pid} {' '.join(process.cmdline())}" for process in self.leftovers()]
        return "the end of all processes that the server started; left:\n" + "\n".join(lines) + f"\n{self.log()}"

    def _remember_descendants(self) -> None:
        self._seen.update({process.pid: process for process in self.descendants()})

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the server ended with {self._process.returncode}; log:\n{self.log()}"
        found = ServerFile.read(self.data_directory)
        if found is None or found.pid != self._process.pid:
            return False
        try:
            with urllib.request.urlopen(found.url + HEALTH_PATH, timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


def _end_with_parent() -> None:
    """Have the kernel ask this process to end when the one that started it is gone, were it killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
