"""Tags of resources, by ARN."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Column, Connection, String, Table, delete, insert, select

from coldframe.state.schema import metadata

tags = Table(
    "tags",
    metadata,
    Column("arn", String(2048), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("value", String(256), nullable=False),
)


def list_tags(connection: Connection, arn: str) -> list[dict[str, str]]:
    """A resource's tags as AWS shows them, `{"Key": ..., "Value": ...}`, in order of their keys."""
    rows = connection.execute(select(tags.c.key, tags.c.value).where(tags.c.arn == arn).order_by(tags.c.key))
    return [{"Key": row.key, "Value": row.value} for row in rows]


def add_tags(connection: Connection, arn: str, new: Sequence[Mapping[str, str]]) -> None:
    """Give a resource tags; one with the same key gets the new value."""
    delete_tags(connection, arn, [tag["Key"] for tag in new])
    values = {tag["Key"]: tag["Value"] for tag in new}
    if values:
        connection.execute(insert(tags), [{"arn": arn, "key": key, "value": value} for key, value in values.items()])


def delete_tags(connection: Connection, arn: str, keys: Iterable[str]) -> None:
    """Take these tags from a resource, as far as it has them."""
    connection.execute(delete(tags).where(tags.c.arn == arn, tags.c.key.in_(list(keys))))


def delete_all_tags(connection: Connection, arn: str) -> None:
    """Take all tags from a resource that is no more."""
    connection.execute(delete(tags).where(tags.c.arn == arn))
