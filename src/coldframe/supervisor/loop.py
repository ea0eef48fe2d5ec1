"""Runs a reconciler for as long as the server lives: on a signal, on a timer, and again after an error."""

import asyncio
import contextlib
import logging
from typing import Protocol

from coldframe.state.signals import Signals

logger = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 30.0


class Reconciler(Protocol):
    """Makes what is so equal to what is wanted, for one kind of record.

    It takes no input but the state. A pass may happen at any moment and any number of times, so it must be
    idempotent; crash, restart and lost signal are then one case. A pass is short: what takes long (a job, a model
    that loads) belongs into tasks of the reconciler's own, of which it remembers which record each one serves.
    """

    topic: str
    """The topic of `state.signals` that wakes it, such as `training_jobs`."""
    interval_seconds: float
    """The longest time between two passes, signal or not."""

    async def start(self) -> None:
        """Once, before the first pass, when no worker of an earlier server runs any more: settle what that one left."""
        ...

    async def reconcile(self) -> None:
        """One pass: look at the records, and start, look after or stop what stands behind them."""
        ...

    async def stop(self) -> None:
        """Once, after the last pass: give up its tasks. Records stay as they are, for the next server to find."""
        ...


class ReconcilerLoop:
    """One reconciler's passes."""

    def __init__(self, reconciler: Reconciler, signals: Signals) -> None:
        self._reconciler = reconciler
        self._signals = signals
        self._waiting = signals.listen(reconciler.topic)

    async def run(self) -> None:
        """Pass after pass, until cancelled. An error is logged and the pass repeated, later each time."""
        retry_seconds = FIRST_RETRY_SECONDS
        started = False
        try:
            while True:
                self._waiting.clear()
                try:
                    if not started:
                        await self._reconciler.start()
                        started = True
                    await self._reconciler.reconcile()
                except Exception:
                    logger.exception("reconciling %s failed; again in %.1f s", self._reconciler.topic, retry_seconds)
                    await asyncio.sleep(retry_seconds)
                    retry_seconds = min(retry_seconds * 2, LONGEST_RETRY_SECONDS)
                else:
                    retry_seconds = FIRST_RETRY_SECONDS
                    await self._wait()
        finally:
            self._signals.leave(self._reconciler.topic, self._waiting)

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._reconciler.interval_seconds):
                await self._waiting.wait()
