"""`coldframe env`: prints what a shell must evaluate for AWS's clients to speak to the server."""

import os
from enum import StrEnum
from typing import Annotated

import typer

from coldframe.cli.environment import environment_of, for_fish, for_posix_shell
from coldframe.cli.running_server import require_credentials, require_server
from coldframe.cli.settings import DataDirectory, data_directory


class Shell(StrEnum):
    """Families of shells that set variables alike."""

    SH = "sh"
    FISH = "fish"


def env(
    data_dir: DataDirectory = None,
    shell: Annotated[Shell, typer.Option(help="sh (also bash, zsh, dash) or fish.")] = Shell.SH,
) -> None:
    """Print the variables by which boto3, aws and the SDKs find the server: eval "$(coldframe env)"."""
    directory = data_directory(data_dir)
    environment = environment_of(require_server(directory), require_credentials(directory), os.environ)
    print(for_fish(environment) if shell is Shell.FISH else for_posix_shell(environment))
