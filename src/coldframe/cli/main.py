"""Reads the command line and hands over to the one command that it names."""

import sys
from typing import Annotated

import typer

from coldframe import __version__
from coldframe.cli.demo import demo
from coldframe.cli.doctor import doctor
from coldframe.cli.down import down
from coldframe.cli.env import env
from coldframe.cli.failures import CommandFailure
from coldframe.cli.run import run
from coldframe.cli.status import status
from coldframe.cli.up import up

application = typer.Typer(
    name="coldframe",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The SageMaker workflow, run for real on this machine, behind the AWS wire protocols.",
)

# In the order of the help text. The modules above are quick to import: what takes time, they import when they run.
application.command()(up)
application.command()(status)
application.command()(env)
# From the first word that is not an option of ours on, everything belongs to the command that `run` is given.
application.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})(run)
application.command()(down)
application.command()(doctor)
application.command()(demo)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"coldframe {__version__}")
        raise typer.Exit


@application.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Options that stand before the command."""


def main() -> None:
    """The program `coldframe`: 0 when all went well, 1 with one sentence when not, 2 for a wrong command line."""
    try:
        application()
    except CommandFailure as failure:
        print(f"coldframe: {failure}", file=sys.stderr)
        sys.exit(failure.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has enough
        sys.exit(1)
