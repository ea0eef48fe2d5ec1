"""Starts the runner and the reconcilers, and stops them again."""

import asyncio
import contextlib
import logging

from coldframe.state.state import State
from coldframe.supervisor.loop import FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, Reconciler, ReconcilerLoop
from coldframe.supervisor.reconcilers.endpoints import EndpointsReconciler
from coldframe.supervisor.reconcilers.training_jobs import TrainingJobsReconciler
from coldframe.supervisor.runners.runner import Runner

logger = logging.getLogger(__name__)


class Supervisor:
    """Makes what the state wants so, with the help of a runner."""

    def __init__(self, state: State, runner: Runner) -> None:
        self._state = state
        self._runner = runner
        self._reconcilers: list[Reconciler] = [
            EndpointsReconciler(state, runner),
            TrainingJobsReconciler(state, runner),
        ]
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin. Returns at once: the runner warms up while the server already answers."""
        self._tasks.append(asyncio.create_task(self._run(), name="supervisor"))

    async def stop(self) -> None:
        """End all passes, then all workers. Records stay as they are, for the next server to find."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for reconciler in self._reconcilers:
            with contextlib.suppress(Exception):
                await reconciler.stop()
        await self._runner.stop()

    async def _run(self) -> None:
        await self._start_runner()
        async with asyncio.TaskGroup() as group:
            for reconciler in self._reconcilers:
                loop = ReconcilerLoop(reconciler, self._state.signals)
                group.create_task(loop.run(), name=f"reconcile {reconciler.topic}")

    async def _start_runner(self) -> None:
        retry_seconds = FIRST_RETRY_SECONDS
        while True:
            try:
                await self._runner.start()
            except Exception:
                logger.exception("the runner did not start; again in %.1f s", retry_seconds)
                await asyncio.sleep(retry_seconds)
                retry_seconds = min(retry_seconds * 2, LONGEST_RETRY_SECONDS)
            else:
                return
