"""Buckets: who has them, where, and the few settings that are kept for them."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import JSON, Column, Connection, Float, String, Table, bindparam, delete, insert, select, update

from coldframe.state.schema import metadata
from coldframe.state.statements import Statement

buckets = Table(
    "buckets",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("region", String(32), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("settings", JSON, nullable=False),
)


@dataclass(frozen=True, slots=True)
class BucketRecord:
    """One bucket."""

    name: str
    region: str
    created_at: float
    """Seconds since 1970 UTC."""
    tags: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    """What was put with PutBucketEncryption and the like, by the name of the parameter that held it."""


_FIND = Statement(select(buckets).where(buckets.c.name == bindparam("named")))


def find_bucket(connection: Connection, name: str) -> BucketRecord | None:
    """The bucket, if there is one of that name."""
    row = _FIND.first(connection, {"named": name})
    return BucketRecord(*row) if row is not None else None


def list_buckets(
    connection: Connection, *, prefix: str = "", after_name: str = "", limit: int = 10_000
) -> list[BucketRecord]:
    """Buckets of which the name begins with `prefix` and comes after `after_name`, in the order of their names."""
    query = select(buckets).where(buckets.c.name > after_name).order_by(buckets.c.name).limit(limit)
    if prefix:  # a name is of letters, digits, dots and hyphens, all of which sort before the tilde
        query = query.where(buckets.c.name >= prefix, buckets.c.name < prefix + "~")
    return [BucketRecord(**row._mapping) for row in connection.execute(query)]


def add_bucket(connection: Connection, record: BucketRecord) -> BucketRecord | None:
    """Add the bucket; if there is one of that name already, change nothing and return it."""
    existing = find_bucket(connection, record.name)
    if existing is None:
        values = {name: getattr(record, name) for name in ("name", "region", "created_at", "tags", "settings")}
        connection.execute(insert(buckets).values(values))
    return existing


def set_bucket_tags(connection: Connection, name: str, tags: dict[str, str]) -> bool:
    """Replace all tags of the bucket; whether there is such a bucket."""
    return connection.execute(update(buckets).where(buckets.c.name == name).values(tags=tags)).rowcount > 0


def set_bucket_setting(connection: Connection, name: str, setting: str, value: object | None) -> bool:
    """Keep a setting of the bucket, or forget it when the value is None; whether there is such a bucket."""
    bucket = find_bucket(connection, name)
    if bucket is None:
        return False
    settings = {key: kept for key, kept in bucket.settings.items() if key != setting}
    if value is not None:
        settings[setting] = value
    connection.execute(update(buckets).where(buckets.c.name == name).values(settings=settings))
    return True


def remove_bucket(connection: Connection, name: str) -> None:
    """Forget the bucket. The caller has looked that it is empty."""
    connection.execute(delete(buckets).where(buckets.c.name == name))
