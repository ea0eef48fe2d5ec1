"""`coldframe down`: stops the server of a data directory, and never anything else."""

import time
from pathlib import Path
from typing import Annotated

import psutil
import typer

from coldframe.cli.failures import CommandFailure
from coldframe.cli.running_server import read_server_file
from coldframe.cli.settings import DataDirectory, data_directory
from coldframe.data_directory import DataDirectoryInUse, ServerFile, locked


def down(
    data_dir: DataDirectory = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="How long to wait for its end.")] = 60.0,
) -> None:
    """Stop the server in order, and wait until it is gone."""
    directory = data_directory(data_dir)
    if not _is_locked(directory):
        print(f"No server runs in {directory}.")
        if directory.is_dir():
            ServerFile.remove(directory)  # what a killed server left behind
        return
    process = _server_process(directory)
    process.terminate()  # psutil checks that the number still means the same process
    deadline = time.monotonic() + timeout
    while _lives(process):
        if time.monotonic() > deadline:
            raise CommandFailure(
                f"the server (process {process.pid}) was asked to stop but still runs after {timeout:g} s; "
                f"its log says what it waits for, and `kill -9 {process.pid}` ends it without loss."
            )
        time.sleep(0.02)
    print(f"Stopped the server in {directory}.")


def _lives(process: psutil.Process) -> bool:
    """Whether it still runs; an ended process that nobody has asked about yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _is_locked(directory: Path) -> bool:
    """Whether a server runs in the directory: the kernel keeps the lock for as long as it lives, and no longer."""
    if not (directory / "lock").exists():
        return False
    try:
        with locked(directory):
            return False
    except DataDirectoryInUse:
        return True


def _server_process(directory: Path) -> psutil.Process:
    """The process that holds the directory's lock, found by the number that the server wrote down, then checked."""
    server = read_server_file(directory)
    if server is None:
        raise CommandFailure(f"a server is just starting or ending in {directory}; try again in a moment.")
    try:
        process = psutil.Process(server.pid)
        if any(Path(file.path).resolve() == (directory / "lock").resolve() for file in process.open_files()):
            return process
    except psutil.NoSuchProcess:
        pass
    except psutil.AccessDenied:
        raise CommandFailure(f"the server in {directory} belongs to another user; only they may stop it.") from None
    raise CommandFailure(
        f"process {server.pid}, which server.json names, is not the server of {directory}; it is left alone."
    )
