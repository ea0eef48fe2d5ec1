"""Finds the server of a data directory, and makes sure that it really is that server."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coldframe.cli.failures import CommandFailure
from coldframe.data_directory import HEALTH_PATH, RootCredentials, ServerFile

ANSWER_SECONDS = 5.0
"""A server that takes longer to say that it is well is not."""


@dataclass(frozen=True)
class RunningServer:
    """A server that answered just now."""

    data_directory: Path
    url: str
    pid: int
    account_id: str
    region: str
    version: str


def find_server(data_directory: Path) -> RunningServer | None:
    """The server of this data directory, if it answers."""
    server = read_server_file(data_directory)
    if server is None:
        return None
    health = ask_health(server.url)
    if health is None or health.get("pid", server.pid) != server.pid:
        return None  # nobody, or somebody else on a port that was this server's before it was killed
    version = str(health.get("version", "unknown"))
    return RunningServer(data_directory, server.url, server.pid, server.account_id, server.region, version)


def require_server(data_directory: Path) -> RunningServer:
    """The same, but its absence ends the command."""
    server = find_server(data_directory)
    if server is None:
        raise CommandFailure(f"no server answers for {data_directory}; start one with `{up_command(data_directory)}`.")
    return server


def require_credentials(data_directory: Path) -> RootCredentials:
    """The account's root key, or a sentence on why it cannot be read."""
    path = data_directory / "root-credentials.json"
    try:
        credentials = RootCredentials.read(data_directory)
    except PermissionError:
        raise CommandFailure(f"{path} belongs to somebody else: only its owner may read the root key.") from None
    except (ValueError, TypeError):
        raise CommandFailure(f"{path} is damaged; move it away and restart the server to get a new root key.") from None
    if credentials is None:
        raise CommandFailure(f"{path} is missing; restart the server to get a new root key.")
    return credentials


def read_server_file(data_directory: Path) -> ServerFile | None:
    """What the server last wrote about itself; nothing where it is missing or cannot be understood."""
    try:
        return ServerFile.read(data_directory)
    except PermissionError:
        raise CommandFailure(f"{data_directory} belongs to somebody else and cannot be read.") from None
    except (ValueError, TypeError):
        return None


def ask_health(url: str) -> dict[str, Any] | None:
    """What a server says of its health; nothing if none of ours answers there."""
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through somebody's HTTP_PROXY
    try:
        with opener.open(url + HEALTH_PATH, timeout=ANSWER_SECONDS) as answer:
            health = json.loads(answer.read(65536))
    except (OSError, ValueError):
        return None
    return health if isinstance(health, dict) and health.get("status") == "ok" else None


def up_command(data_directory: Path) -> str:
    """What to type to start this directory's server."""
    from coldframe.config import DEFAULT_DATA_DIRECTORY

    if data_directory == DEFAULT_DATA_DIRECTORY.expanduser():
        return "coldframe up"
    return f"coldframe up --data-dir {data_directory}"
