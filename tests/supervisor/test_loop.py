"""A reconciler's passes: on a signal, on a timer, and again after an error."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from coldframe.state.signals import Signals
from coldframe.supervisor.loop import ReconcilerLoop


class Counting:
    """A reconciler that counts its passes and fails when it is told to."""

    topic = "things"

    def __init__(self, interval_seconds: float = 1000.0, *, failures: int = 0, start_failures: int = 0) -> None:
        self.interval_seconds = interval_seconds
        self.passes = 0
        self.starts = 0
        self._failures = failures
        self._start_failures = start_failures
        self._changed = asyncio.Condition()

    async def start(self) -> None:
        self.starts += 1
        if self.starts <= self._start_failures:
            raise RuntimeError("not yet")

    async def reconcile(self) -> None:
        async with self._changed:
            self.passes += 1
            self._changed.notify_all()
        if self.passes <= self._failures:
            raise RuntimeError("a fault")

    async def stop(self) -> None:
        """Nothing to give up."""

    async def reach(self, passes: int) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.passes >= passes)


def run(check: Callable[[Signals], Awaitable[None]]) -> None:
    asyncio.run(check(Signals()))  # type: ignore[arg-type]


def test_a_signal_wakes_it() -> None:
    async def check(signals: Signals) -> None:
        reconciler = Counting()
        task = asyncio.create_task(ReconcilerLoop(reconciler, signals).run())
        for number in range(1, 5):
            await reconciler.reach(number)
            signals.notify("other things")
            signals.notify("things")
        await reconciler.reach(5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(check)


def test_it_wakes_by_itself_when_a_signal_is_lost() -> None:
    async def check(signals: Signals) -> None:
        reconciler = Counting(interval_seconds=0.01)
        task = asyncio.create_task(ReconcilerLoop(reconciler, signals).run())
        await reconciler.reach(5)
        task.cancel()

    run(check)


def test_a_signal_during_a_pass_leads_to_another() -> None:
    async def check(signals: Signals) -> None:
        class Notifying(Counting):
            async def reconcile(self) -> None:
                if self.passes == 0:
                    signals.notify("things")  # something changes after this pass has looked
                await super().reconcile()

        reconciler = Notifying()
        task = asyncio.create_task(ReconcilerLoop(reconciler, signals).run())
        await reconciler.reach(2)
        task.cancel()

    run(check)


def test_errors_do_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    async def check(signals: Signals) -> None:
        reconciler = Counting(failures=2, start_failures=1)
        task = asyncio.create_task(ReconcilerLoop(reconciler, signals).run())
        await reconciler.reach(3)
        assert reconciler.starts == 2  # until it succeeded, and then no more
        assert not task.done()
        task.cancel()

    run(check)
    assert "reconciling things failed; again in 0.2 s" in caplog.text
    assert "reconciling things failed; again in 0.8 s" in caplog.text
