"""Who answers for an endpoint right now: written by the supervisor, read at each invocation, kept in memory only."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from coldframe.workers.messages import ModelAnswer


class ModelServer(Protocol):
    """One instance of a variant, ready to be asked."""

    in_flight: int
    """Invocations that it has not answered yet."""
    log_stream_arn: str

    def invoke(self, headers: Mapping[str, str], body: bytes) -> Awaitable[ModelAnswer]:
        """Ask the model. Raises TimeoutError after 60 s, ConnectionError if the instance is lost."""
        ...


@dataclass(slots=True)
class ServingVariant:
    """A production variant and the instances that stand behind it."""

    name: str
    weight: float
    servers: list[ModelServer] = field(default_factory=list)

    def least_busy(self) -> ModelServer | None:
        """The instance with the fewest open invocations; nothing when there is none."""
        servers = self.servers
        if len(servers) == 1:
            return servers[0]
        return min(servers, key=lambda server: server.in_flight, default=None)


@dataclass(slots=True)
class ServingEndpoint:
    """An endpoint that is InService."""

    name: str
    arn: str
    variants: list[ServingVariant]


class ServingTable:
    """Endpoints by name. Replaced entry by entry, never changed in place, so that a reader needs no lock."""

    def __init__(self) -> None:
        self._endpoints: dict[str, ServingEndpoint] = {}

    def find(self, endpoint_name: str) -> ServingEndpoint | None:
        """The endpoint, if it is in service."""
        return self._endpoints.get(endpoint_name)

    def publish(self, endpoint: ServingEndpoint) -> None:
        """Let an endpoint be invoked from now on."""
        self._endpoints[endpoint.name] = endpoint

    def withdraw(self, endpoint_name: str) -> None:
        """Let an endpoint not be invoked any more."""
        self._endpoints.pop(endpoint_name, None)
