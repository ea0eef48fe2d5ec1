"""Log events: lines with a time, in streams; and the writer through which jobs and endpoints log."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text, delete, insert, select, tuple_

from coldframe.state.log_streams import (
    LogStream,
    create_log_group,
    create_log_stream,
    find_log_group,
    find_log_stream,
    log_groups,
    log_streams,
    note_events,
)
from coldframe.state.schema import metadata
from coldframe.state.state import State

logger = logging.getLogger(__name__)

log_events = Table(
    "log_events",
    metadata,
    Column("stream_id", Integer, primary_key=True, autoincrement=False),
    Column("timestamp_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("ingested_ms", BigInteger, nullable=False),
    Column("message", Text, nullable=False),
    # The key is the order in which events are read, and there is no second tree to keep.
    sqlite_with_rowid=False,
)

LARGEST_BATCH = 4000
"""Lines in one write at most: some 20 ms of the database's one writer."""
GATHER_SECONDS = 0.2
"""How long lines gather before they are written, when a first one has been written already."""
MOST_QUEUED = 50_000
"""Lines that may wait to be written before `drain` holds the producer back."""
WRITE_ATTEMPTS = 5
FIRST_ROWS = 100
MOST_ROWS = 1600

Place = tuple[int, int]
"""Where an event stands in its stream: (timestamp_ms, sequence)."""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event of a stream."""

    timestamp_ms: int
    sequence: int
    ingested_ms: int
    message: str

    @property
    def place(self) -> Place:
        """Where it stands in its stream."""
        return self.timestamp_ms, self.sequence


def write_events(
    connection: Connection, stream: LogStream, events: Sequence[tuple[int, str]], ingested_ms: int
) -> None:
    """Add (timestamp_ms, message) pairs, in order of their time, to a stream."""
    connection.execute(
        insert(log_events),
        [
            {
                "stream_id": stream.id,
                "timestamp_ms": timestamp_ms,
                "sequence": sequence,
                "ingested_ms": ingested_ms,
                "message": message,
            }
            for sequence, (timestamp_ms, message) in enumerate(events, stream.next_sequence)
        ],
    )
    note_events(
        connection,
        stream,
        first_ms=events[0][0],
        last_ms=events[-1][0],
        at_ms=ingested_ms,
        count=len(events),
        size=sum(len(message) for _, message in events),
    )


def each_event(
    connection: Connection,
    stream_id: int,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
    beyond: Place | None = None,
    newest_first: bool = False,
) -> Iterator[LogEvent]:
    """A stream's events from `start_ms` on and earlier than `end_ms`, beyond a place in the direction of reading.

    They are read some at a time, since one message may have 256 KiB.
    """
    rows = FIRST_ROWS
    while True:
        events = _read_events(connection, stream_id, start_ms, end_ms, beyond, newest_first=newest_first, limit=rows)
        yield from events
        if len(events) < rows:
            return
        beyond = events[-1].place
        rows = min(rows * 2, MOST_ROWS)


def _read_events(
    connection: Connection,
    stream_id: int,
    start_ms: int | None,
    end_ms: int | None,
    beyond: Place | None,
    *,
    newest_first: bool,
    limit: int,
) -> list[LogEvent]:
    time, sequence = log_events.c.timestamp_ms, log_events.c.sequence
    query = select(time, sequence, log_events.c.ingested_ms, log_events.c.message)
    query = query.where(log_events.c.stream_id == stream_id)
    if start_ms is not None:
        query = query.where(time >= start_ms)
    if end_ms is not None:
        query = query.where(time < end_ms)
    if beyond is not None:
        place = tuple_(time, sequence)
        query = query.where(place < beyond if newest_first else place > beyond)
    query = query.order_by(time.desc(), sequence.desc()) if newest_first else query.order_by(time, sequence)
    return [LogEvent(*row) for row in connection.execute(query.limit(limit))]


def delete_log_group(connection: Connection, group_id: int) -> None:
    """Delete a group, its streams and their events."""
    streams = select(log_streams.c.id).where(log_streams.c.group_id == group_id)
    connection.execute(delete(log_events).where(log_events.c.stream_id.in_(streams)))
    connection.execute(delete(log_streams).where(log_streams.c.group_id == group_id))
    connection.execute(delete(log_groups).where(log_groups.c.id == group_id))


def delete_log_stream(connection: Connection, stream_id: int) -> None:
    """Delete a stream and its events."""
    connection.execute(delete(log_events).where(log_events.c.stream_id == stream_id))
    connection.execute(delete(log_streams).where(log_streams.c.id == stream_id))


class LogWriter:
    """Writes lines to one log stream, in order, without ever making the caller wait.

    Group and stream are made if they are not there. Lines gather while a batch is being written, so that many lines
    cost few commits. To be used from the event loop's thread.
    """

    def __init__(self, state: State, group: str, stream: str) -> None:
        self._state = state
        self._group = group
        self._stream = stream
        self._queued: list[tuple[int, str]] = []
        self._latest_ms = 0
        self._writing: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._written = asyncio.Event()

    def append(self, text: str, written_at: float) -> None:
        """Take a line, written at this time (seconds since 1970 UTC). Never blocks; keeps the order of calls."""
        # A clock that is set back must not change the order of lines.
        self._latest_ms = max(self._latest_ms, int(written_at * 1000))
        self._queued.append((self._latest_ms, _storable(text)))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name=f"log {self._stream}")
        elif len(self._queued) >= LARGEST_BATCH:
            self._hurry.set()

    async def drain(self) -> None:
        """Wait until few enough lines are queued that more may come: back-pressure for whoever produces very many."""
        while len(self._queued) > MOST_QUEUED and self._writing is not None and not self._writing.done():
            self._written.clear()
            self._hurry.set()
            await self._written.wait()

    async def close(self) -> None:
        """Return when every line is durable."""
        self._hurry.set()
        if self._writing is not None:
            await self._writing

    async def _write(self) -> None:
        try:
            while self._queued:
                batch = self._queued[:LARGEST_BATCH]
                await self._write_batch(batch)
                del self._queued[: len(batch)]
                self._written.set()
                if len(self._queued) < LARGEST_BATCH and not self._hurry.is_set():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(GATHER_SECONDS):
                            await self._hurry.wait()
        finally:
            self._writing = None
            self._written.set()

    async def _write_batch(self, batch: list[tuple[int, str]]) -> None:
        for attempt in range(WRITE_ATTEMPTS):
            try:
                await self._state.database.write(lambda connection: self._insert(connection, batch))
            except Exception:
                if attempt == WRITE_ATTEMPTS - 1:
                    raise
                logger.exception("writing %d lines to the log stream %s failed; again", len(batch), self._stream)
                await asyncio.sleep(0.1 * 2**attempt)
            else:
                return

    def _insert(self, connection: Connection, batch: list[tuple[int, str]]) -> None:
        now_ms = int(self._state.clock.now() * 1000)
        group = find_log_group(connection, self._group) or create_log_group(connection, self._group, now_ms)
        assert group is not None  # noqa: S101 - it was there or it was made
        stream = find_log_stream(connection, group.id, self._stream) or create_log_stream(
            connection, group.id, self._stream, now_ms
        )
        assert stream is not None  # noqa: S101
        write_events(connection, stream, batch, now_ms)


def _storable(text: str) -> str:
    """The text without what a database cannot keep: NUL, and halves of surrogate pairs."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
