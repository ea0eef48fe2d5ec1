"""Endpoints: what is wanted of each, what it has now, and how far it is on the way."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import JSON, Column, Connection, Float, Index, String, Table, Text, delete, insert, select, update

from coldframe.arns import Scope
from coldframe.state.lifecycles import ENDPOINT
from coldframe.state.record_pages import PageQuery, Place, read_page
from coldframe.state.schema import metadata
from coldframe.state.serving import ServingEndpoint, ServingTable, ServingVariant

endpoints = Table(
    "endpoints",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("status", String(32), nullable=False),
    Column("failure_reason", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("modified_at", Float, nullable=False),
    Column("current", JSON, nullable=False),
    Column("pending", JSON, nullable=False),
    Column("deployment_config", JSON, nullable=False),
    Index(None, "created_at", "name"),
    Index(None, "status", "name"),
)


@dataclass(frozen=True)
class VariantPlan:
    """A production variant as it is to run. Holds all that its instances need, so that models may be deleted."""

    name: str
    model_name: str
    container: dict[str, Any]
    """The model's ContainerDefinition."""
    weight: float
    instance_count: int
    instance_type: str
    startup_timeout_seconds: float
    download_timeout_seconds: float
    network_isolation: bool = False
    content: dict[str, str] = field(default_factory=dict)
    """Which content was deployed: `model` and `code`, each a key of the model cache. Filled by the supervisor."""


@dataclass(frozen=True)
class Deployment:
    """A set of variants that are started together, and replaced together by the next one."""

    id: str
    """Differs for each UpdateEndpoint; the same when only weights and counts change."""
    config_name: str
    variants: tuple[VariantPlan, ...]
    started_at: float
    """Seconds since 1970 UTC."""

    def to_json(self) -> dict[str, Any]:
        """As plain values, for the database."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Deployment | None":
        """Read back; nothing from an empty one."""
        if not content:
            return None
        values = dict(content)
        values["variants"] = tuple(VariantPlan(**variant) for variant in values["variants"])
        return cls(**values)


@dataclass(frozen=True)
class EndpointRecord:
    """An endpoint. Times are seconds since 1970 UTC."""

    name: str
    status: str
    failure_reason: str
    created_at: float
    modified_at: float
    current: Deployment | None
    """What answers; nothing until it was InService once."""
    pending: Deployment | None
    """What is on the way to take its place."""
    deployment_config: dict[str, Any] = field(default_factory=dict)
    """The DeploymentConfig of the last create or update, as it was given."""

    def to(self, status: str, at: float, **changes: Any) -> "EndpointRecord":
        """The record in its next status; LifecycleError if that may not follow."""
        return replace(self, status=ENDPOINT.step(self.status, status), modified_at=at, **changes)

    def in_service(self) -> Deployment:
        """What answers, of an endpoint that has been InService."""
        if self.current is None:
            raise LookupError(f"the endpoint {self.name} was never in service")
        return self.current


def endpoint_arn(name: str, scope: Scope) -> str:
    """An endpoint's ARN."""
    return scope.arn("sagemaker", f"endpoint/{name}")


def publish_without_instances(connection: Connection, serving: ServingTable, scope: Scope) -> None:
    """Make known which endpoints are in service before their instances have come back, for a server that starts.

    Invocations are then answered that there is no instance yet, which clients retry, and not that there is no such
    endpoint, which would be wrong and which they don't retry.
    """
    for record in all_endpoints(connection):
        if record.status in ("InService", "Updating") and record.current is not None:
            variants = [ServingVariant(variant.name, variant.weight) for variant in record.current.variants]
            serving.publish(ServingEndpoint(record.name, endpoint_arn(record.name, scope), variants))


def create_endpoint(connection: Connection, record: EndpointRecord) -> bool:
    """Write an endpoint down; False if the name is in use."""
    if find_endpoint(connection, record.name) is not None:
        return False
    connection.execute(insert(endpoints), _values(record))
    return True


def find_endpoint(connection: Connection, name: str) -> EndpointRecord | None:
    """The endpoint of that name."""
    row = connection.execute(select(endpoints).where(endpoints.c.name == name)).first()
    return _record(row) if row is not None else None


def list_endpoints(connection: Connection, query: PageQuery) -> tuple[list[EndpointRecord], Place | None]:
    """A page of endpoints, and the place to go on from."""
    rows, place = read_page(connection, endpoints, query)
    return [_record(row) for row in rows], place


def all_endpoints(connection: Connection) -> list[EndpointRecord]:
    """Every endpoint, for the supervisor."""
    return [_record(row) for row in connection.execute(select(endpoints).order_by(endpoints.c.name))]


def save_endpoint(connection: Connection, record: EndpointRecord) -> None:
    """Write down what has changed."""
    connection.execute(update(endpoints).where(endpoints.c.name == record.name).values(_values(record)))


def remove_endpoint(connection: Connection, name: str) -> None:
    """Forget an endpoint."""
    connection.execute(delete(endpoints).where(endpoints.c.name == name))


def _values(record: EndpointRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "status": record.status,
        "failure_reason": record.failure_reason,
        "created_at": record.created_at,
        "modified_at": record.modified_at,
        "current": record.current.to_json() if record.current else {},
        "pending": record.pending.to_json() if record.pending else {},
        "deployment_config": record.deployment_config,
    }


def _record(row: Sequence[Any]) -> EndpointRecord:
    name, status, failure_reason, created_at, modified_at, current, pending, deployment_config = row
    return EndpointRecord(
        name,
        status,
        failure_reason,
        created_at,
        modified_at,
        Deployment.from_json(current),
        Deployment.from_json(pending),
        deployment_config,
    )
