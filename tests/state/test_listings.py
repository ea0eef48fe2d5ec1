"""Listings beside an obvious model of them, which sorts everything and looks at all of it each time."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from coldframe.app import build_state
from coldframe.config import Config
from coldframe.state.buckets import BucketRecord, add_bucket
from coldframe.state.listings import Page, list_page
from coldframe.state.objects import ListedObject, ObjectRecord, list_objects, put_record, scan_listing
from coldframe.state.state import State

# Few letters, so that keys share beginnings; and letters that UTF-8 sorts in another order than UTF-16 does.
KEYS = st.text(alphabet="ab/-é￿\U0001f600\x00\x7f", min_size=1, max_size=6)
_numbers = itertools.count()


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    state = build_state(Config(data_directory=tmp_path_factory.mktemp("listings")))
    yield state
    state.blobs.close()
    state.database.close()


def fill(state: State, keys: list[str]) -> str:
    bucket = f"bucket-{next(_numbers)}"

    def work(connection: Connection) -> None:
        add_bucket(connection, BucketRecord(bucket, "us-east-1", 0.0))
        for key in keys:
            put_record(connection, ObjectRecord(bucket, key, 1, "e", 0.0, content=b"x"), replaces=False)

    state.database.submit(work).result()
    return bucket


def page_of(state: State, bucket: str, prefix: str, delimiter: str, after: bytes, limit: int) -> Page[ListedObject]:
    return state.database.read(
        lambda connection: list_page(
            lambda behind, count: scan_listing(connection, bucket, prefix, behind, count),
            prefix,
            delimiter,
            after,
            limit,
        )
    )


def model(keys: list[str], prefix: str, delimiter: str, after: str = "") -> list[tuple[str, bool]]:
    """All that a listing has, in its order: (key or common prefix, whether it is a common prefix)."""
    names: dict[tuple[str, bool], None] = {}
    for key in sorted(keys, key=str.encode):
        if key.startswith(prefix) and key.encode() > after.encode():
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            names[(key, False) if end < 0 else (key[: end + len(delimiter)], True)] = None
    return list(names)


def names_on(page: Page[ListedObject]) -> list[tuple[str, bool]]:
    names = [(entry.key, False) for entry in page.entries] + [(name, True) for name in page.common_prefixes]
    return sorted(names, key=lambda name: name[0].encode())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.lists(KEYS, unique=True, max_size=25),
    prefix=st.one_of(st.just(""), st.text(alphabet="ab/é", max_size=2)),
    delimiter=st.sampled_from(["", "/", "/", "a/", "é", "b"]),
    limit=st.integers(1, 8),
)
@example(keys=["a/1", "a/2", "a/3", "a0"], prefix="", delimiter="/", limit=1)
@example(keys=["a/", "a/b"], prefix="a/", delimiter="/", limit=1)
def test_list_page_by_page_gives_what_the_model_gives(
    state: State, keys: list[str], prefix: str, delimiter: str, limit: int
) -> None:
    bucket = fill(state, keys)
    expected = model(keys, prefix, delimiter)
    found: list[tuple[str, bool]] = []
    after = b""
    while True:
        page = page_of(state, bucket, prefix, delimiter, after, limit)
        names = names_on(page)
        found += names
        assert page.truncated == (len(found) < len(expected))
        if not page.truncated:
            break
        assert len(names) == limit
        after = page.next_after
    assert found == expected


@settings(max_examples=100, deadline=None)
@given(keys=st.lists(KEYS, unique=True, max_size=25), after=KEYS)
def test_list_after_any_key_gives_the_keys_behind_it(state: State, keys: list[str], after: str) -> None:
    bucket = fill(state, keys)
    page = page_of(state, bucket, "", "", after.encode(), 1000)
    assert names_on(page) == model(keys, "", "", after)
    records = state.database.read(lambda connection: list_objects(connection, bucket, "", after))
    assert [record.key for record in records] == [name for name, _ in model(keys, "", "", after)]


def test_list_with_delimiter_asks_little_of_a_prefix_with_many_keys(state: State) -> None:
    bucket = fill(state, [f"{folder:03}/{number:05}" for folder in range(20) for number in range(500)])
    rows = 0

    def scan(connection: Connection, behind: bytes, count: int) -> list[ListedObject]:
        nonlocal rows
        found = scan_listing(connection, bucket, "", behind, count)
        rows += len(found)
        return found

    page = state.database.read(
        lambda connection: list_page(lambda behind, count: scan(connection, behind, count), "", "/", b"", 10)
    )
    assert page.common_prefixes == [f"{folder:03}/" for folder in range(10)]
    assert page.truncated
    assert rows < 300


def test_list_reads_index_ranges_only(state: State) -> None:
    bucket = fill(state, ["a", "b"])

    def plan(connection: Connection) -> list[str]:
        query = "EXPLAIN QUERY PLAN SELECT key FROM objects WHERE bucket = ? AND key > ? AND key < ? ORDER BY key"
        return [row[-1] for row in connection.exec_driver_sql(query, (bucket, b"a", b"b"))]

    (step,) = state.database.read(plan)
    assert step.startswith("SEARCH objects USING PRIMARY KEY")
