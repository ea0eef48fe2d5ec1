"""`coldframe run`: runs one command whose AWS clients speak to the server."""

import os
import sys
from typing import Annotated

import typer

from coldframe.cli.environment import environment_of
from coldframe.cli.failures import CommandFailure
from coldframe.cli.running_server import require_credentials, require_server
from coldframe.cli.settings import DataDirectory, data_directory

CANNOT_EXECUTE = 126
NOT_FOUND = 127


def run(
    command: Annotated[list[str], typer.Argument(metavar="[--] COMMAND...", help="The command and its arguments.")],
    data_dir: DataDirectory = None,
) -> None:
    """Run a command with the variables that `env` prints; its exit code and signals are its own."""
    directory = data_directory(data_dir)
    environment = environment_of(require_server(directory), require_credentials(directory), os.environ)
    sys.stdout.flush()
    try:
        # this process becomes the command: nothing stands between it and the terminal, its signals, its exit code
        os.execvpe(command[0], command, environment.apply_to(os.environ))  # noqa: S606 - no shell is wanted here
    except FileNotFoundError:
        raise CommandFailure(f"there is no command {command[0]!r}.", NOT_FOUND) from None
    except OSError as error:
        raise CommandFailure(f"{command[0]} cannot be run: {error.strerror}.", CANNOT_EXECUTE) from None
