"""Models: what a container is to be made of. A record never changes after it was made."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Column, Connection, Float, Index, String, Table, delete, insert, select

from coldframe.state.record_pages import PageQuery, Place, read_page
from coldframe.state.schema import metadata

models = Table(
    "models",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("created_at", Float, nullable=False),
    Column("definition", JSON, nullable=False),
    Index(None, "created_at", "name"),
)


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A model."""

    name: str
    created_at: float
    """Seconds since 1970 UTC."""
    definition: dict[str, Any]
    """What CreateModel was given, but for its tags."""

    @property
    def container(self) -> dict[str, Any]:
        """Its one container's definition."""
        container: dict[str, Any] = self.definition.get("PrimaryContainer") or self.definition["Containers"][0]
        return container


def create_model(connection: Connection, record: ModelRecord) -> bool:
    """Write a model down; False if the name is in use."""
    if find_model(connection, record.name) is not None:
        return False
    values = {"name": record.name, "created_at": record.created_at, "definition": record.definition}
    connection.execute(insert(models), values)
    return True


def find_model(connection: Connection, name: str) -> ModelRecord | None:
    """The model of that name."""
    row = connection.execute(select(models).where(models.c.name == name)).first()
    return ModelRecord(*row.tuple()) if row is not None else None


def list_models(connection: Connection, query: PageQuery) -> tuple[list[ModelRecord], Place | None]:
    """A page of models, and the place to go on from."""
    rows, place = read_page(connection, models, query)
    return [ModelRecord(*tuple(row)) for row in rows], place


def delete_model(connection: Connection, name: str) -> bool:
    """Forget a model; False if there was none."""
    return connection.execute(delete(models).where(models.c.name == name)).rowcount > 0
