"""The time, given to whoever needs it, so that a test can give another."""

import time
from datetime import UTC, datetime
from typing import Protocol


def utc(seconds: float) -> datetime:
    """The moment that lies so many seconds after 1970-01-01 UTC, as answers carry it."""
    return datetime.fromtimestamp(seconds, UTC)


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes backwards."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes backwards."""
        return time.monotonic()
