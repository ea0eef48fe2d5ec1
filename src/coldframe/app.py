"""Builds the parts of a server and joins them."""

from pathlib import Path

from coldframe.arns import Scope
from coldframe.chance import SystemChance
from coldframe.clock import SystemClock
from coldframe.config import Config
from coldframe.state.blobs import Blobs
from coldframe.state.database import Database
from coldframe.state.migrations.migrate import bring_up_to_date
from coldframe.state.serving import ServingTable
from coldframe.state.signals import Signals
from coldframe.state.state import State


def build_state(config: Config) -> State:
    """Open, or make, what is kept in the data directory."""
    directory = config.directory
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(config.database_url or _sqlite_url(directory))
    bring_up_to_date(database.engine)
    return State(
        config=config,
        scope=Scope(config.account_id, config.region),
        clock=SystemClock(),
        chance=SystemChance(),
        database=database,
        blobs=Blobs(directory / "blobs", database),
        signals=Signals(),
        serving=ServingTable(),
    )


def _sqlite_url(directory: Path) -> str:
    return f"sqlite:///{directory / 'coldframe.sqlite3'}"
