"""Sees to it that training jobs that should run do run, each to a truthful end."""

from coldframe.state.state import State
from coldframe.supervisor.runners.runner import Runner


class TrainingJobsReconciler:
    """Starts, watches and stops training jobs."""

    topic = "training_jobs"
    interval_seconds = 10.0

    def __init__(self, state: State, runner: Runner) -> None:
        self._state = state
        self._runner = runner

    async def start(self) -> None:
        """Settle the jobs that an earlier server left."""

    async def reconcile(self) -> None:
        """Start what waits, stop what should stop."""

    async def stop(self) -> None:
        """Give up all jobs that run."""
