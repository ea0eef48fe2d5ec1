"""Everything that services and supervisor share, in one place that is passed to them."""

from dataclasses import dataclass

from coldframe.arns import Scope
from coldframe.chance import Chance
from coldframe.clock import Clock
from coldframe.config import Config
from coldframe.state.blobs import Blobs
from coldframe.state.database import Database
from coldframe.state.serving import ServingTable
from coldframe.state.signals import Signals


@dataclass(frozen=True)
class State:
    """What is wanted and what is so."""

    config: Config
    scope: Scope
    clock: Clock
    chance: Chance
    database: Database
    blobs: Blobs
    signals: Signals
    serving: ServingTable
