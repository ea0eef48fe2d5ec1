"""Objects and their blobs below the front door: what is written, shared, swept, and kept for readers."""

import asyncio
import hashlib
import json
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from coldframe.app import build_state
from coldframe.config import Config
from coldframe.state.blobs import loose_blobs
from coldframe.state.buckets import BucketRecord, add_bucket
from coldframe.state.checksums import Digests
from coldframe.state.object_writes import (
    BucketMissing,
    commit_object,
    delete_object,
    materialize,
    open_object,
    receive,
    store_bytes,
    store_file,
    write_object,
)
from coldframe.state.objects import ObjectRecord, Part, find_object
from coldframe.state.state import State
from waiting import wait_until

BIG = os.urandom(3 * 1024 * 1024 + 17)


def open_state(directory: Path) -> State:
    state = build_state(Config(data_directory=directory))
    state.database.submit(lambda connection: add_bucket(connection, BucketRecord("bucket", "us-east-1", 0.0))).result()
    return state


def close(state: State) -> None:
    state.blobs.close()
    state.database.close()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = open_state(tmp_path / "data")
    yield state
    close(state)


def files(state: State) -> list[Path]:
    return [path for path in (state.config.directory / "blobs").rglob("*") if path.is_file()]


def find(state: State, key: str) -> ObjectRecord | None:
    return state.database.read(lambda connection: find_object(connection, "bucket", key))


async def content_of(state: State, key: str, start: int = 0, length: int | None = None) -> bytes:
    record = find(state, key)
    assert record is not None
    return b"".join([piece async for piece in open_object(state, record, start, length).pieces()])


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


@pytest.mark.parametrize("size", [0, 1, 8192, 8193, 1024 * 1024, len(BIG)])
def test_store_bytes_gives_back_the_bytes(state: State, size: int) -> None:
    async def work() -> None:
        record = await store_bytes(state, "bucket", "key", BIG[:size], content_type="a/b", metadata={"c": "d"})
        assert record.etag == hashlib.md5(BIG[:size]).hexdigest()
        assert find(state, "key") == record
        assert await content_of(state, "key") == BIG[:size]
        assert await content_of(state, "key", size // 3, size // 2) == BIG[size // 3 :][: size // 2]

    run(work)
    assert len(files(state)) == (size > 8192)


def test_store_bytes_without_the_bucket_raises_and_leaves_no_file(state: State) -> None:
    async def work() -> None:
        with pytest.raises(BucketMissing):
            await store_bytes(state, "other", "key", BIG)

    run(work)
    wait_until(lambda: not files(state))


def test_overwrite_and_delete_remove_the_old_blob(state: State) -> None:
    async def work() -> None:
        for number in range(3):
            await store_bytes(state, "bucket", "key", BIG[number:])

    run(work)
    wait_until(lambda: len(files(state)) == 1)

    async def remove() -> None:
        assert await delete_object(state, "bucket", "key")
        assert not await delete_object(state, "bucket", "key")

    run(remove)
    wait_until(lambda: not files(state))


def test_reader_gets_the_whole_object_that_is_deleted_while_it_reads(state: State) -> None:
    async def work() -> None:
        await store_bytes(state, "bucket", "key", BIG)
        record = find(state, "key")
        assert record is not None
        stream = open_object(state, record)
        await delete_object(state, "bucket", "key")
        assert b"".join([piece async for piece in stream.pieces()]) == BIG

    run(work)
    wait_until(lambda: not files(state), describe="the blob's file to go after its last reader")


def test_reader_that_never_reads_does_not_keep_the_blob(state: State) -> None:
    async def work() -> None:
        await store_bytes(state, "bucket", "key", BIG)
        record = find(state, "key")
        assert record is not None
        stream = open_object(state, record)
        await delete_object(state, "bucket", "key")
        del stream

    run(work)
    wait_until(lambda: not files(state))


def test_receive_that_fails_halfway_leaves_nothing(state: State) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield BIG
        raise ConnectionResetError

    async def work() -> None:
        with pytest.raises(ConnectionResetError):
            await receive(state, pieces(), ["SHA256"])

    run(work)
    wait_until(lambda: not files(state))


def test_receive_that_is_cancelled_leaves_nothing(state: State) -> None:
    async def work() -> None:
        stuck = asyncio.Event()

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(BIG), 65536):
                yield BIG[start : start + 65536]
            stuck.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(receive(state, pieces(), ["CRC32"]))
        await stuck.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(work)
    wait_until(lambda: not files(state))


def test_what_a_crash_leaves_is_swept_at_the_next_start(tmp_path: Path) -> None:
    state = open_state(tmp_path / "data")

    async def work() -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield BIG

        await store_bytes(state, "bucket", "kept", BIG)
        await receive(state, pieces(), [])  # durable, but the crash comes before its record
        await state.blobs.write(Digests([]))

    run(work)
    assert len(files(state)) == 3
    close(state)
    again = open_state(tmp_path / "data")
    try:
        wait_until(lambda: len(files(again)) == 1)
        wait_until(
            lambda: not again.database.read(lambda connection: list(connection.scalars(select(loose_blobs.c.blob))))
        )
        asyncio.run(expect_content(again, "kept", BIG))
    finally:
        close(again)


async def expect_content(state: State, key: str, content: bytes) -> None:
    assert await content_of(state, key) == content


def test_store_file_links_the_file(state: State, tmp_path: Path) -> None:
    source = tmp_path / "model.tar.gz"
    source.write_bytes(BIG)

    async def work() -> None:
        record = await store_file(state, "bucket", "model", source, content_type="application/x-tar")
        assert record.etag == hashlib.md5(BIG).hexdigest()
        assert record.content_type == "application/x-tar"
        assert source.stat().st_nlink == 2
        source.unlink()
        assert await content_of(state, "model") == BIG

    run(work)


def test_materialize_links_large_objects_and_copies_when_asked(state: State, tmp_path: Path) -> None:
    async def work() -> None:
        big, small = await store_bytes(state, "bucket", "big", BIG), await store_bytes(state, "bucket", "small", b"few")
        await materialize(state, big, tmp_path / "linked")
        await materialize(state, big, tmp_path / "copied", copy=True)
        await materialize(state, small, tmp_path / "small")
        assert (tmp_path / "linked").read_bytes() == (tmp_path / "copied").read_bytes() == BIG
        assert (tmp_path / "linked").stat().st_ino == files(state)[0].stat().st_ino
        assert (tmp_path / "copied").stat().st_ino != files(state)[0].stat().st_ino
        assert (tmp_path / "small").read_bytes() == b"few"

    run(work)


def test_materialize_of_a_deleted_object_raises(state: State, tmp_path: Path) -> None:
    async def work() -> None:
        record = await store_bytes(state, "bucket", "big", BIG)
        await delete_object(state, "bucket", "big")
        with pytest.raises(FileNotFoundError):
            await materialize(state, record, tmp_path / "file")

    run(work)


def test_two_writers_of_one_key_leave_one_whole_object(state: State) -> None:
    contents = [bytes([number]) * 100_000 for number in range(20)]

    async def work() -> None:
        await asyncio.gather(*(store_bytes(state, "bucket", "key", content) for content in contents))
        assert await content_of(state, "key") in contents

    run(work)
    wait_until(lambda: len(files(state)) == 1)


def test_precondition_is_asked_within_the_transaction(state: State) -> None:
    class Exists(Exception):
        pass

    def must_be_absent(etag: str | None) -> None:
        if etag is not None:
            raise Exists

    async def write(content: bytes) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield content

        stored = await receive(state, pieces(), [])
        await write_object(state, stored, ObjectRecord("bucket", "key", 0, stored.md5.hex(), 0.0), must_be_absent)

    async def work() -> None:
        outcomes = await asyncio.gather(*(write(bytes(20_000)) for _ in range(10)), return_exceptions=True)
        assert sorted(isinstance(outcome, Exists) for outcome in outcomes) == [False] + [True] * 9

    run(work)
    wait_until(lambda: len(files(state)) == 1)


def test_every_file_has_exactly_one_name_in_the_records(state: State) -> None:
    async def work() -> None:
        for number in range(30):
            await store_bytes(state, "bucket", f"key-{number % 7}", BIG[: 9000 + number])
            if number % 3 == 0:
                await delete_object(state, "bucket", f"key-{number % 5}")

    run(work)
    state.blobs.close()
    with sqlite3.connect(state.config.directory / "coldframe.sqlite3") as connection:
        rows = connection.execute("SELECT segments FROM objects").fetchall()
        loose = {row[0] for row in connection.execute("SELECT blob FROM loose_blobs")}
    named = {blob for (segments,) in rows for blob, _ in json.loads(segments)}
    assert {path.name for path in files(state)} == named
    assert not named & loose


async def store_segments(state: State, key: str, contents: list[bytes]) -> ObjectRecord:
    """An object as the completion of a multipart upload makes it: of several blobs."""

    async def pieces(content: bytes) -> AsyncIterator[bytes]:
        yield content

    stored = [await receive(state, pieces(content), [], inline=False) for content in contents]
    segments = tuple(segment for one in stored for segment in one.segments)
    parts = tuple(Part(number, one.size, "") for number, one in enumerate(stored, start=1))
    record = ObjectRecord("bucket", key, sum(map(len, contents)), "e-3", 0.0, segments=segments, parts=parts)
    await state.database.write(lambda connection: commit_object(connection, record))
    return record


def test_materialize_makes_one_file_of_a_multipart_object_for_good(state: State, tmp_path: Path) -> None:
    async def work() -> None:
        record = await store_segments(state, "key", [BIG, b"middle", BIG])
        await asyncio.gather(*(materialize(state, record, tmp_path / f"file-{number}") for number in range(3)))
        for number in range(3):
            assert (tmp_path / f"file-{number}").read_bytes() == BIG + b"middle" + BIG
        assert len({(tmp_path / f"file-{number}").stat().st_ino for number in range(3)}) == 1
        now = find(state, "key")
        assert now is not None
        assert len(now.segments) == 1
        assert (now.parts, now.etag) == (record.parts, record.etag)
        assert await content_of(state, "key", len(BIG) - 1, 8) == BIG[-1:] + b"middle" + BIG[:1]

    run(work)
    wait_until(lambda: len(files(state)) == 1)


def test_range_over_many_segments(state: State) -> None:
    contents = [bytes([number]) * (number * 1000 + 1) for number in range(10)]
    whole = b"".join(contents)

    async def work() -> None:
        await store_segments(state, "key", contents)
        for start in range(0, len(whole), 777):
            for length in (0, 1, 1000, len(whole) - start):
                expected = whole[start : start + length]
                assert await content_of(state, "key", start, min(length, len(whole) - start)) == expected

    run(work)


def test_store_file_takes_the_file_as_it_is_while_others_read_the_old_one(state: State, tmp_path: Path) -> None:
    async def work() -> None:
        await store_bytes(state, "bucket", "key", BIG)
        old = find(state, "key")
        assert old is not None
        stream = open_object(state, old)
        source = tmp_path / "new"
        source.write_bytes(BIG[::-1])
        await store_file(state, "bucket", "key", source)
        assert b"".join([piece async for piece in stream.pieces()]) == BIG
        assert await content_of(state, "key") == BIG[::-1]

    run(work)
    wait_until(lambda: len(files(state)) == 1)


def test_store_file_of_a_few_bytes_needs_no_file(state: State, tmp_path: Path) -> None:
    source = tmp_path / "few"
    source.write_bytes(b"few")
    asyncio.run(store_file(state, "bucket", "few", source))
    asyncio.run(expect_content(state, "few", b"few"))
    assert not files(state)
