"""Sees to it that each endpoint has the instances that it should have, and that invocations find them."""

import asyncio
import logging
import shutil
from typing import Any

from sqlalchemy import Connection

from coldframe.state.endpoints import (
    Deployment,
    EndpointRecord,
    all_endpoints,
    endpoint_arn,
    find_endpoint,
    remove_endpoint,
    save_endpoint,
)
from coldframe.state.state import State
from coldframe.state.tags import delete_all_tags
from coldframe.supervisor.hosting.fleet import Fleet
from coldframe.supervisor.hosting.instance import instances_directory
from coldframe.supervisor.hosting.model_cache import ModelCache
from coldframe.supervisor.runners.runner import Runner

logger = logging.getLogger(__name__)


class EndpointsReconciler:
    """Starts, watches, replaces and ends the instances of endpoints.

    What an endpoint has now is its `current` deployment, and each deployment has a fleet; `pending` is what is to
    take its place. An endpoint's fleet that is published answers invocations.
    """

    topic = "endpoints"
    interval_seconds = 10.0

    def __init__(self, state: State, runner: Runner) -> None:
        self._state = state
        self._runner = runner
        self._cache = ModelCache(state, state.config.directory / "model-cache")
        self._fleets: dict[tuple[str, str], Fleet] = {}
        """By endpoint's name and deployment's id."""
        self._published: dict[str, Fleet] = {}
        self._ending: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Clear away what instances of an earlier server left."""
        await asyncio.to_thread(shutil.rmtree, instances_directory(self._state), ignore_errors=True)

    async def reconcile(self) -> None:
        """Begin what is wanted and does not run, end what runs and is not wanted."""
        records = await self._state.database.read_in_thread(all_endpoints)
        for record in records:
            try:
                await self._look_after(record)
            except Exception:  # one endpoint's trouble must not keep the others waiting
                logger.exception("looking after endpoint %s failed", record.name)
        known = {record.name for record in records}
        for name in {name for name, _ in self._fleets} - known:
            self._end_fleets(name)
        await self._forget_contents(records)

    async def stop(self) -> None:
        """Give up all instances."""
        ending = list(self._ending.values())
        for task in ending:
            task.cancel()
        fleets = list(self._fleets.values())
        self._fleets.clear()
        self._published.clear()
        await asyncio.gather(*ending, *(fleet.end(gently=False) for fleet in fleets), return_exceptions=True)

    async def _look_after(self, record: EndpointRecord) -> None:
        if record.status == "Creating" and record.pending is not None:
            await self._bring_up(record, record.pending)
        elif record.status == "Updating" and record.current is not None and record.pending is not None:
            await self._update(record, record.current, record.pending)
        elif record.status == "InService" and record.current is not None:
            self._publish(self._fleet(record.name, record.current))
            self._end_fleets(record.name, but=record.current.id)
        elif record.status == "Failed":
            self._end_fleets(record.name)
        elif record.status == "Deleting":
            await self._delete(record)

    async def _bring_up(self, record: EndpointRecord, pending: Deployment) -> None:
        fleet = self._fleet(record.name, pending)
        if fleet.failure:
            await self._write(record, "Failed", failure_reason=fleet.failure)
            self._end_fleets(record.name)
        elif fleet.is_ready:
            await self._finish(record, fleet, pending)

    async def _update(self, record: EndpointRecord, current: Deployment, pending: Deployment) -> None:
        old = self._fleet(record.name, current)
        if self._published.get(record.name) is None:
            self._publish(old)
        new = self._fleet(record.name, pending)
        if new is old and old.deployment != pending:
            old.want(pending)
        if new.failure:
            reason, new.failure = new.failure, ""
            await self._write(record, "InService", pending=None, failure_reason=reason)
            if new is old:
                old.want(current)
            self._end_fleets(record.name, but=current.id)
        elif new.is_ready:
            await self._finish(record, new, pending)
            self._end_fleets(record.name, but=pending.id)

    async def _finish(self, record: EndpointRecord, fleet: Fleet, pending: Deployment) -> None:
        """Invocations go to the fleet from now on. First that, then the record, which clients wait for."""
        self._publish(fleet)
        current = fleet.with_contents(pending)
        await self._write(record, "InService", current=current, pending=None, failure_reason="")

    async def _delete(self, record: EndpointRecord) -> None:
        self._end_fleets(record.name)
        if any(name == record.name for name, _ in self._ending):
            return
        arn = endpoint_arn(record.name, self._state.scope)

        def write(connection: Connection) -> None:
            remove_endpoint(connection, record.name)
            delete_all_tags(connection, arn)

        await self._state.database.write(write)
        self._state.signals.notify(self.topic)  # its model files may go, once no record names them

    async def _write(self, seen: EndpointRecord, status: str, **changes: Any) -> None:
        """Write down an endpoint's next status, unless it is not as it was seen any more."""
        now = self._state.clock.now()

        def write(connection: Connection) -> None:
            if find_endpoint(connection, seen.name) == seen:
                save_endpoint(connection, seen.to(status, now, **changes))

        await self._state.database.write(write)
        self._state.signals.notify(self.topic)

    def _fleet(self, name: str, deployment: Deployment) -> Fleet:
        key = name, deployment.id
        if key not in self._fleets:
            self._fleets[key] = Fleet(self._state, self._runner, self._cache, name, deployment, self._changed)
        return self._fleets[key]

    def _changed(self, fleet: Fleet) -> None:
        if self._published.get(fleet.endpoint_name) is fleet:
            self._publish(fleet)
        self._state.signals.notify(self.topic)

    def _publish(self, fleet: Fleet) -> None:
        self._published[fleet.endpoint_name] = fleet
        self._state.serving.publish(fleet.serving(endpoint_arn(fleet.endpoint_name, self._state.scope)))

    def _end_fleets(self, name: str, but: str = "") -> None:
        """End an endpoint's fleets in the background, all or all but one deployment's."""
        for key, fleet in [item for item in self._fleets.items() if item[0][0] == name and item[0][1] != but]:
            del self._fleets[key]
            if self._published.get(name) is fleet:
                del self._published[name]
                self._state.serving.withdraw(name)
            task = asyncio.create_task(fleet.end(gently=True), name=f"end of {name}")
            self._ending[key] = task
            task.add_done_callback(lambda _, key=key: self._ended(key))  # type: ignore[misc]

    def _ended(self, key: tuple[str, str]) -> None:
        self._ending.pop(key, None)
        self._state.signals.notify(self.topic)

    async def _forget_contents(self, records: list[EndpointRecord]) -> None:
        """Remove model files that no endpoint uses; not while any fleet may be fetching some."""
        if self._ending or not all(fleet.is_ready for fleet in self._fleets.values()):
            return
        used = {digest for fleet in self._fleets.values() for digest in fleet.contents_in_use()}
        for record in records:
            for deployment in (record.current, record.pending):
                if deployment is not None:
                    used.update(digest for one in deployment.variants for digest in one.content.values())
        await self._cache.forget_all_but(used)
