"""The writer through which jobs log: nothing lost, nothing out of order, whatever the clock and the text."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from coldframe.app import build_state
from coldframe.config import Config
from coldframe.state.log_events import MOST_QUEUED, LogWriter, each_event
from coldframe.state.log_streams import find_log_group, find_log_stream
from coldframe.state.state import State


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = build_state(Config(data_directory=tmp_path))
    yield state
    state.database.close()


def stored(state: State) -> list[tuple[int, str]]:
    with state.database.engine.connect() as connection:
        group = find_log_group(connection, "group")
        assert group is not None
        stream = find_log_stream(connection, group.id, "stream")
        assert stream is not None
        events = list(each_event(connection, stream.id))
        assert (stream.first_event_ms, stream.last_event_ms) == (events[0].timestamp_ms, events[-1].timestamp_ms)
    assert group.stored_bytes == sum(len(event.message) for event in events)
    return [(event.timestamp_ms, event.message) for event in events]


def test_lines_keep_their_order_when_the_clock_is_set_back(state: State) -> None:
    async def write() -> None:
        log = LogWriter(state, "group", "stream")
        for number, seconds in enumerate([10.0, 11.0, 5.0, 10.5, 12.0]):
            log.append(str(number), seconds)
        await log.close()

    asyncio.run(write())
    assert stored(state) == [(10_000, "0"), (11_000, "1"), (11_000, "2"), (11_000, "3"), (12_000, "4")]


def test_a_closed_writer_may_write_again(state: State) -> None:
    async def write() -> None:
        log = LogWriter(state, "group", "stream")
        await log.close()  # nothing to write: makes nothing
        log.append("a", 1.0)
        await log.close()
        log.append("b", 2.0)
        await log.close()

    asyncio.run(write())
    assert [message for _, message in stored(state)] == ["a", "b"]


def test_text_that_a_database_cannot_keep(state: State) -> None:
    async def write() -> None:
        log = LogWriter(state, "group", "stream")
        for text in ("nul \0 here", "half \ud83d of a pair", "whole \U0001f436", ""):
            log.append(text, 1.0)
        await log.close()

    asyncio.run(write())
    assert [message for _, message in stored(state)] == ["nul \ufffd here", "half ? of a pair", "whole \U0001f436", ""]


def test_drain_holds_back_who_writes_very_much(state: State) -> None:
    async def write() -> None:
        log = LogWriter(state, "group", "stream")
        for number in range(MOST_QUEUED + 10_000):
            log.append(str(number), 1.0)
        await log.drain()
        assert len(log._queued) <= MOST_QUEUED
        await log.close()

    asyncio.run(write())
    assert [message for _, message in stored(state)] == [str(number) for number in range(MOST_QUEUED + 10_000)]
