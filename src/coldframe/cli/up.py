"""`coldframe up`: runs a server in the foreground."""

import errno
import ipaddress
import logging
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from coldframe.cli.failures import CommandFailure
from coldframe.cli.settings import DataDirectory, read_settings
from coldframe.data_directory import CannotStart, ServerFile

if TYPE_CHECKING:
    from coldframe.config import Config


def up(
    data_dir: DataDirectory = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 takes any free one.  [default: 4599]")] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.  [default: 127.0.0.1]")] = None,
    account_id: Annotated[
        str | None, typer.Option(help="The AWS account to play, 12 digits.  [default: 000000000000]")
    ] = None,
    region: Annotated[str | None, typer.Option(help="The AWS region to play.  [default: us-east-1]")] = None,
) -> None:
    """Run a server here until Ctrl-C; everything that it knows lives in its data directory."""
    config = read_settings(data_directory=data_dir, port=port, host=host, account_id=account_id, region=region)
    from coldframe.app import serve

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("coldframe").setLevel(logging.INFO)
    try:
        serve(config, lambda server: print(announcement(config, server), flush=True))
    except CannotStart as error:
        raise CommandFailure(f"{config.directory}: {error}") from None
    except OSError as error:
        raise CommandFailure(explain(error, config)) from error


def announcement(config: "Config", server: ServerFile) -> str:
    """What a person should know of a server that has just started. Never the secret key itself."""
    from coldframe.config import DEFAULT_DATA_DIRECTORY

    directory = config.directory
    which = "" if config.data_directory == DEFAULT_DATA_DIRECTORY else f" --data-dir {shlex.quote(str(directory))}"
    lines = [
        f"Coldframe listens on {server.url}  (account {server.account_id}, region {server.region})",
        "Every request must be signed, and authorization is enforced.",
        f"The root key is in {directory / 'root-credentials.json'}, readable by you alone.",
        "To use it from another terminal:",
        f'    eval "$(coldframe env{which})"      then boto3, aws and the SDKs speak to it',
        f"    coldframe run{which} -- python script.py",
        "Ctrl-C stops it; nothing is lost.",
    ]
    if not is_loopback(config.host):
        lines.insert(1, f"WARNING: other machines can reach {config.host}, and what they send is not encrypted.")
    return "\n".join(lines)


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def explain(error: OSError, config: "Config") -> str:
    """One sentence for what the operating system refused."""
    place = f"{config.host} port {config.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{place} is in use by another program; give another one with --port, or --port 0 for any free one."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this machine has no address {config.host}; give another one with --host."
    if error.errno == errno.EACCES and error.filename is None:
        return f"you may not listen on {place}; ports below 1024 are for root."
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"{error.filename} cannot be written; give a directory of your own with --data-dir."
    if error.errno == errno.ENOSPC:
        return f"the disk under {config.directory} is full."
    return f"the server could not go on: {error}"
