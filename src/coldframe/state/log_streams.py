"""Log groups and the streams in them."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    Row,
    String,
    Table,
    UniqueConstraint,
    insert,
    select,
    tuple_,
    update,
)

from coldframe.state.schema import metadata

log_groups = Table(
    "log_groups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(512), nullable=False, unique=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("retention_days", Integer),
    Column("kms_key_id", String(256)),
    Column("log_class", String(32), nullable=False),
    Column("stored_bytes", BigInteger, nullable=False),
)

log_streams = Table(
    "log_streams",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("group_id", Integer, nullable=False),
    Column("name", String(512), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("first_event_ms", BigInteger),
    Column("last_event_ms", BigInteger),
    Column("last_ingested_ms", BigInteger),
    Column("next_sequence", BigInteger, nullable=False),
    # The time of the last event, or 0: what LastEventTime sorts by, so that streams without events have a place too.
    Column("sort_ms", BigInteger, nullable=False),
    UniqueConstraint("group_id", "name"),
    Index(None, "group_id", "sort_ms", "name"),
)

AFTER_ANY_NAME = "\U0010ffff"
"""Sorts behind every character, so that a prefix is a range of an index."""


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A named set of streams. Times are milliseconds since 1970 UTC, as CloudWatch Logs has them."""

    id: int
    name: str
    created_at_ms: int
    retention_days: int | None
    kms_key_id: str | None
    log_class: str
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class LogStream:
    """A sequence of events from one source."""

    id: int
    group_id: int
    name: str
    created_at_ms: int
    first_event_ms: int | None
    last_event_ms: int | None
    last_ingested_ms: int | None
    next_sequence: int
    sort_ms: int


def create_log_group(
    connection: Connection, name: str, at_ms: int, *, kms_key_id: str | None = None, log_class: str = "STANDARD"
) -> LogGroup | None:
    """Make a group; nothing if there is one of this name."""
    if find_log_group(connection, name) is not None:
        return None
    connection.execute(
        insert(log_groups).values(
            name=name, created_at_ms=at_ms, kms_key_id=kms_key_id, log_class=log_class, stored_bytes=0
        )
    )
    return find_log_group(connection, name)


def find_log_group(connection: Connection, name: str) -> LogGroup | None:
    """The group of this name."""
    row = connection.execute(select(log_groups).where(log_groups.c.name == name)).one_or_none()
    return None if row is None else LogGroup(*row)


def list_log_groups(
    connection: Connection, *, prefix: str, contains: str, after_name: str, limit: int
) -> list[LogGroup]:
    """Groups in order of their names, from after one name."""
    query = select(log_groups).where(log_groups.c.name > after_name).order_by(log_groups.c.name).limit(limit)
    if prefix:
        query = query.where(log_groups.c.name >= prefix, log_groups.c.name < prefix + AFTER_ANY_NAME)
    if contains:
        query = query.where(log_groups.c.name.contains(contains, autoescape=True))
    return [LogGroup(*row) for row in connection.execute(query)]


def set_retention(connection: Connection, group_id: int, days: int | None) -> None:
    """Record for how long events are to be kept."""
    connection.execute(update(log_groups).where(log_groups.c.id == group_id).values(retention_days=days))


def create_log_stream(connection: Connection, group_id: int, name: str, at_ms: int) -> LogStream | None:
    """Make a stream; nothing if the group has one of this name."""
    if find_log_stream(connection, group_id, name) is not None:
        return None
    connection.execute(
        insert(log_streams).values(group_id=group_id, name=name, created_at_ms=at_ms, next_sequence=1, sort_ms=0)
    )
    return find_log_stream(connection, group_id, name)


def find_log_stream(connection: Connection, group_id: int, name: str) -> LogStream | None:
    """The stream of this name in a group."""
    query = select(log_streams).where(log_streams.c.group_id == group_id, log_streams.c.name == name)
    return _stream(connection.execute(query).one_or_none())


def find_log_stream_by_id(connection: Connection, stream_id: int) -> LogStream | None:
    """The stream of this id."""
    return _stream(connection.execute(select(log_streams).where(log_streams.c.id == stream_id)).one_or_none())


def list_log_streams(
    connection: Connection, group_id: int, *, prefix: str = "", after_name: str | None, descending: bool, limit: int
) -> list[LogStream]:
    """Streams in order of their names, from after one name."""
    name = log_streams.c.name
    query = select(log_streams).where(log_streams.c.group_id == group_id)
    if prefix:
        query = query.where(name >= prefix, name < prefix + AFTER_ANY_NAME)
    if after_name is not None:
        query = query.where(name < after_name if descending else name > after_name)
    query = query.order_by(name.desc() if descending else name).limit(limit)
    return [LogStream(*row) for row in connection.execute(query)]


def list_log_streams_by_time(
    connection: Connection, group_id: int, *, after: tuple[int, str] | None, descending: bool, limit: int
) -> list[LogStream]:
    """Streams in order of their last event's time, from after one (time, name)."""
    time, name = log_streams.c.sort_ms, log_streams.c.name
    query = select(log_streams).where(log_streams.c.group_id == group_id)
    if after is not None:
        place = tuple_(time, name)
        query = query.where(place < after if descending else place > after)
    query = query.order_by(time.desc(), name.desc()) if descending else query.order_by(time, name)
    return [LogStream(*row) for row in connection.execute(query.limit(limit))]


def note_events(
    connection: Connection, stream: LogStream, *, first_ms: int, last_ms: int, at_ms: int, count: int, size: int
) -> None:
    """Record on a stream that so many events, of so many bytes, were added to it."""
    first = first_ms if stream.first_event_ms is None else min(stream.first_event_ms, first_ms)
    last = last_ms if stream.last_event_ms is None else max(stream.last_event_ms, last_ms)
    connection.execute(
        update(log_streams)
        .where(log_streams.c.id == stream.id)
        .values(
            first_event_ms=first,
            last_event_ms=last,
            last_ingested_ms=at_ms,
            next_sequence=stream.next_sequence + count,
            sort_ms=last,
        )
    )
    connection.execute(
        update(log_groups)
        .where(log_groups.c.id == stream.group_id)
        .values(stored_bytes=log_groups.c.stored_bytes + size)
    )


def _stream(row: Row[Any] | None) -> LogStream | None:
    return None if row is None else LogStream(*tuple(row))
