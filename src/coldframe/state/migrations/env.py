"""What Alembic runs to carry out steps, and to draft a new one."""

from typing import Any, Literal

from alembic import context
from sqlalchemy.types import TypeDecorator

from coldframe.state.tables import metadata


def render_plainly(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write a type of ours as what the database keeps it as, so that a step never changes when our code does."""
    return f"sa.{item.impl_instance!r}" if kind == "type" and isinstance(item, TypeDecorator) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a column by making the table anew
    compare_type=True,
    render_item=render_plainly,
)
with context.begin_transaction():
    context.run_migrations()
