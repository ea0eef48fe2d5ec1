"""`coldframe status`: tells whether the server answers."""

import json
from typing import Annotated

import typer

from coldframe.cli.running_server import find_server, up_command
from coldframe.cli.settings import DataDirectory, data_directory


def status(
    data_dir: DataDirectory = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Tell whether the server answers: exit code 0 if it does, 1 if not."""
    directory = data_directory(data_dir)
    server = find_server(directory)
    if as_json:
        found = {"url": server.url, "pid": server.pid, "version": server.version} if server else {}
        scope = {"account_id": server.account_id, "region": server.region} if server else {}
        print(json.dumps({"running": server is not None, "data_directory": str(directory), **found, **scope}, indent=2))
    elif server:
        print(f"Coldframe {server.version} answers on {server.url}  (process {server.pid})")
        print(f"account {server.account_id}, region {server.region}, data in {directory}")
    else:
        print(f"No server answers for {directory}; start one with `{up_command(directory)}`.")
    if server is None:
        raise typer.Exit(1)
