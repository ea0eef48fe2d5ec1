"""Waits for a condition with a deadline, so that no test sleeps and none hangs."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T],
    timeout_seconds: float = 10.0,
    describe: str | Callable[[], object] = "",
    interval_seconds: float = 0.01,
) -> T:
    """Call `condition` until what it returns is true, and return that.

    Args:
        condition: asked again and again. An exception that it raises ends the wait at once.
        timeout_seconds: after so long, AssertionError.
        describe: what was waited for, or a function that tells how things stand at the end.
        interval_seconds: how long to rest between two askings; grows to ten times that.
    """
    deadline = time.monotonic() + timeout_seconds
    rest = interval_seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            what = describe() if callable(describe) else describe
            raise AssertionError(f"waited {timeout_seconds:g} s in vain: {what or condition}; last result: {result!r}")
        time.sleep(rest)
        rest = min(rest * 1.3, interval_seconds * 10)
