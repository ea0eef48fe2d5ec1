"""Endpoint configurations: which models on how many instances. A record never changes after it was made."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Column, Connection, Float, Index, String, Table, delete, insert, select

from coldframe.state.record_pages import PageQuery, Place, read_page
from coldframe.state.schema import metadata

endpoint_configs = Table(
    "endpoint_configs",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("created_at", Float, nullable=False),
    Column("definition", JSON, nullable=False),
    Index(None, "created_at", "name"),
)


@dataclass(frozen=True, slots=True)
class EndpointConfigRecord:
    """An endpoint configuration."""

    name: str
    created_at: float
    """Seconds since 1970 UTC."""
    definition: dict[str, Any]
    """What CreateEndpointConfig was given, with AWS's defaults, but for its tags."""

    @property
    def variants(self) -> list[dict[str, Any]]:
        """Its production variants."""
        variants: list[dict[str, Any]] = self.definition["ProductionVariants"]
        return variants


def create_endpoint_config(connection: Connection, record: EndpointConfigRecord) -> bool:
    """Write a configuration down; False if the name is in use."""
    if find_endpoint_config(connection, record.name) is not None:
        return False
    values = {"name": record.name, "created_at": record.created_at, "definition": record.definition}
    connection.execute(insert(endpoint_configs), values)
    return True


def find_endpoint_config(connection: Connection, name: str) -> EndpointConfigRecord | None:
    """The configuration of that name."""
    row = connection.execute(select(endpoint_configs).where(endpoint_configs.c.name == name)).first()
    return EndpointConfigRecord(*row) if row is not None else None


def list_endpoint_configs(connection: Connection, query: PageQuery) -> tuple[list[EndpointConfigRecord], Place | None]:
    """A page of configurations, and the place to go on from."""
    rows, place = read_page(connection, endpoint_configs, query)
    return [EndpointConfigRecord(*tuple(row)) for row in rows], place


def delete_endpoint_config(connection: Connection, name: str) -> bool:
    """Forget a configuration; False if there was none."""
    return connection.execute(delete(endpoint_configs).where(endpoint_configs.c.name == name)).rowcount > 0
