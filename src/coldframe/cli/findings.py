"""What a doctor finds: things that this machine has or lacks, and what each lack means."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How much a finding matters."""

    GOOD = "good"
    LACK = "lack"
    """Coldframe runs without it, but something is slower, weaker or missing."""
    FATAL = "fatal"
    """Coldframe cannot run."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    severity: Severity
    found: str
    consequence: str = ""
    """What a lack means for the user."""
    cure: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)
