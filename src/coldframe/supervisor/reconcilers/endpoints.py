"""Sees to it that each endpoint has the instances that it should have, and that invocations find them."""

from coldframe.state.state import State
from coldframe.supervisor.runners.runner import Runner


class EndpointsReconciler:
    """Starts, watches, replaces and ends the instances of endpoints."""

    topic = "endpoints"
    interval_seconds = 10.0

    def __init__(self, state: State, runner: Runner) -> None:
        self._state = state
        self._runner = runner

    async def start(self) -> None:
        """Clear away what instances of an earlier server left."""

    async def reconcile(self) -> None:
        """Begin what is wanted and does not run, end what runs and is not wanted."""

    async def stop(self) -> None:
        """Give up all instances."""
