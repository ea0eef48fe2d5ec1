"""Reads the settings for a command, and turns what is wrong with them into one sentence."""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from coldframe.cli.failures import CommandFailure

if TYPE_CHECKING:
    from pydantic import ValidationError

    from coldframe.config import Config

DataDirectory = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="DIR", help="The server's data directory.  [default: ~/.coldframe]"),
]
"""The option by which every command says which server it means."""


def read_settings(**given: Any) -> "Config":
    """The settings, with those flags that were given (others are None) before environment and file."""
    from pydantic import ValidationError

    from coldframe.config import Config

    try:
        return Config(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise CommandFailure(_explain(error)) from None
    except tomllib.TOMLDecodeError as error:
        raise CommandFailure(f"coldframe.toml in this directory is not valid TOML: {error}.") from None


def data_directory(given: Path | None) -> Path:
    """The data directory that a command means, as an absolute path."""
    return read_settings(data_directory=given).directory


def _explain(error: "ValidationError") -> str:
    from coldframe.config import Config

    sentences = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"])
        if name not in Config.model_fields:
            sentences.append(f"there is no setting {name!r}; docs/settings.md lists them all")
            continue
        sentences.append(f"{problem['input']!r} will not do for the setting {name}: {problem['msg'].lower()}")
    return f"{'; '.join(sentences)}."
