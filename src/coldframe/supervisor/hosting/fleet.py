"""The instances of one deployment: as many as are wanted, each replaced when it dies."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from coldframe.state.endpoints import Deployment, VariantPlan
from coldframe.state.serving import ModelServer, ServingEndpoint, ServingVariant
from coldframe.state.state import State
from coldframe.supervisor.hosting.instance import Instance, StartFailedError, threads_for
from coldframe.supervisor.hosting.model_cache import ModelCache
from coldframe.supervisor.runners.runner import Runner

logger = logging.getLogger(__name__)

FIRST_STARTS = 3
"""How often an instance that never came to answer is tried before the deployment has failed."""
FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 30.0
STEADY_SECONDS = 60.0
"""An instance that lived so long was well: the one in its place starts without delay again."""


class Slot:
    """A place for one instance: starts one, watches it, and starts another when it is gone."""

    def __init__(self, fleet: "Fleet", variant: VariantPlan) -> None:
        self._fleet = fleet
        self.variant = variant
        self.instance: Instance | None = None
        self.is_well = False
        self.was_well = False
        self._failed_starts = 0
        self._ending = False
        self._task = asyncio.create_task(self._keep(), name=f"slot of {fleet.endpoint_name}/{variant.name}")

    async def end(self, *, gently: bool) -> None:
        """End the instance, at once or after what it was asked is answered; none follows it."""
        self._ending = True
        was_well, self.is_well = self.is_well, False
        if was_well and self.instance is not None and gently:
            await self.instance.stop(gently=True)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self.instance is not None:
            await self.instance.stop(gently=False)

    async def _keep(self) -> None:
        retry_seconds = FIRST_RETRY_SECONDS
        while not self._ending:
            lived_seconds = await self._run_one()
            if lived_seconds > STEADY_SECONDS:
                retry_seconds = FIRST_RETRY_SECONDS
            if not self._ending:
                await asyncio.sleep(retry_seconds)
            retry_seconds = min(retry_seconds * 2, LONGEST_RETRY_SECONDS)

    async def _run_one(self) -> float:
        """Start an instance and see it to its end; the seconds for which it was well."""
        fleet, clock = self._fleet, self._fleet.state.clock
        self.instance = instance = fleet.new_instance(self.variant)
        well_since = clock.monotonic()
        try:
            await instance.start()
            self.is_well = self.was_well = True
            well_since = clock.monotonic()
            fleet.changed()
            reason = await instance.wait_for_end()
        except StartFailedError as error:
            reason = str(error)
            self._failed(reason, counts=not error.blameless, final=error.final)
        except Exception as error:  # a full disk, for example: told like any other cause, and tried again
            logger.exception("instance %s of endpoint %s failed", instance.id, fleet.endpoint_name)
            reason = f"{type(error).__name__}: {error}"
            self._failed(reason, counts=True, final=False)
        finally:
            was_well, self.is_well = self.is_well, False
            if was_well:
                fleet.changed()
            if not self._ending:
                await asyncio.shield(instance.stop(gently=False))
        if not self._ending:
            logger.warning("instance %s of endpoint %s ended: %s", instance.id, fleet.endpoint_name, reason)
        return clock.monotonic() - well_since if was_well else 0.0

    def _failed(self, reason: str, *, counts: bool, final: bool) -> None:
        self._failed_starts += counts
        if not self.was_well and (final or self._failed_starts >= FIRST_STARTS):
            self._fleet.fail(self.variant, reason)


class Fleet:
    """The instances of one deployment of an endpoint.

    Args:
        state: what is shared.
        runner: where instances run.
        cache: the model files.
        endpoint_name: whose fleet it is.
        deployment: what is wanted.
        notify: called at each change of what is well, and at failure.
    """

    def __init__(
        self,
        state: State,
        runner: Runner,
        cache: ModelCache,
        endpoint_name: str,
        deployment: Deployment,
        notify: Callable[["Fleet"], None],
    ) -> None:
        self.state = state
        self.endpoint_name = endpoint_name
        self.deployment = deployment
        self.failure = ""
        """Why the deployment cannot be brought up; empty as long as it may."""
        self._runner = runner
        self._cache = cache
        self._notify = notify
        self._contents: dict[str, dict[str, str]] = {one.name: one.content for one in deployment.variants}
        self._slots: dict[str, list[Slot]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self.want(deployment)

    @property
    def is_ready(self) -> bool:
        """Whether each instance that is wanted has come to answer."""
        return all(slot.was_well for slots in self._slots.values() for slot in slots)

    def want(self, deployment: Deployment) -> None:
        """Have as many instances as this says from now on; weights take effect at the next `serving`."""
        self.deployment = deployment
        self.failure = ""
        for variant in deployment.variants:
            slots = self._slots.setdefault(variant.name, [])
            while len(slots) < variant.instance_count:
                slots.append(Slot(self, variant))
            while len(slots) > variant.instance_count:
                leaving = asyncio.create_task(
                    slots.pop().end(gently=True), name=f"instance leaves {self.endpoint_name}"
                )
                self._leaving.add(leaving)
                leaving.add_done_callback(self._leaving.discard)
        self._notify(self)

    def serving(self, arn: str) -> ServingEndpoint:
        """Who answers now."""
        variants = []
        for plan in self.deployment.variants:
            servers: list[ModelServer] = []
            for slot in self._slots[plan.name]:
                if slot.is_well and slot.instance is not None:
                    servers += slot.instance.servers
            variants.append(ServingVariant(plan.name, plan.weight, servers))
        return ServingEndpoint(self.endpoint_name, arn, variants)

    def with_contents(self, deployment: Deployment) -> Deployment:
        """The deployment, with which model files its instances have, for the record."""
        variants = tuple(replace(one, content=self._contents.get(one.name, {})) for one in deployment.variants)
        return replace(deployment, variants=variants)

    def contents_in_use(self) -> set[str]:
        """The model files that this fleet uses."""
        return {digest for content in self._contents.values() for digest in content.values()}

    def new_instance(self, variant: VariantPlan) -> Instance:
        """An instance that is not started yet. All of a variant have the same files: those that the first one found."""
        count = sum(one.instance_count for one in self.deployment.variants)
        return Instance(
            self.state,
            self._runner,
            self._cache,
            self.endpoint_name,
            replace(variant, content=self._contents[variant.name]),
            f"i-{self.state.chance.hexadecimal(17)}",
            threads_for(count),
        )

    def changed(self) -> None:
        """An instance became well or is no longer."""
        for name, slots in self._slots.items():
            for slot in slots:
                if slot.instance is not None and slot.instance.content:
                    self._contents[name] = slot.instance.content
        self._notify(self)

    def fail(self, variant: VariantPlan, reason: str) -> None:
        """The deployment cannot be brought up."""
        self.failure = self.failure or (
            f"The primary container for production variant {variant.name} did not pass the ping health check. "
            f"Please check CloudWatch logs for this endpoint. {reason}"
        )
        self._notify(self)

    async def end(self, *, gently: bool) -> None:
        """End all instances, at once or after what they were asked is answered."""
        slots = [slot for slots in self._slots.values() for slot in slots]
        self._slots = {name: [] for name in self._slots}
        await asyncio.gather(*(slot.end(gently=gently) for slot in slots), *self._leaving, return_exceptions=True)
