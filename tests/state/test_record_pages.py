"""Pages of records: every record once, in order, whatever the page size; and at a bounded cost."""

import time
from pathlib import Path

import pytest

from coldframe.state.database import Database
from coldframe.state.migrations.migrate import bring_up_to_date
from coldframe.state.models import ModelRecord, create_model, list_models, models
from coldframe.state.record_pages import PageQuery, Place


@pytest.fixture
def database(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path / 'test.sqlite3'}")
    bring_up_to_date(database.engine)
    yield database
    database.close()


def names(database: Database, limit: int = 3, **query) -> list[str]:
    """All names, page after page."""
    found: list[str] = []
    after: Place | None = None
    while True:
        asked = PageQuery(**({"sort_column": "name", "descending": False} | query), limit=limit, after=after)
        page, after = database.read(lambda connection, asked=asked: list_models(connection, asked))
        assert len(page) <= limit
        found += [record.name for record in page]
        if after is None:
            return found


def add(database: Database, **created_at: float) -> None:
    for name, moment in created_at.items():
        database.submit(lambda c, n=name, m=moment: create_model(c, ModelRecord(n, m, {}))).result()


def test_pages_hold_each_record_once_in_order(database: Database) -> None:
    add(database, d=1, a=2, c=2, b=2, e=3)  # the same moment more often than a page is long
    for limit in (1, 2, 3, 5, 6):
        assert names(database, limit) == ["a", "b", "c", "d", "e"]
        assert names(database, limit, descending=True) == ["e", "d", "c", "b", "a"]
        assert names(database, limit, sort_column="created_at") == ["d", "a", "b", "c", "e"]
        assert names(database, limit, sort_column="created_at", descending=True) == ["e", "c", "b", "a", "d"]


def test_pages_go_on_where_they_were_when_records_come_and_go(database: Database) -> None:
    add(database, a=1, b=2, c=3, d=4)
    first = PageQuery(sort_column="name", descending=False, limit=2)
    page, place = database.read(lambda c: list_models(c, first))
    database.submit(lambda c: c.execute(models.delete().where(models.c.name == "b"))).result()
    add(database, aa=5)
    rest, place = database.read(lambda c: list_models(c, PageQuery("name", False, 9, after=place)))
    assert [record.name for record in page + rest] == ["a", "b", "c", "d"]
    assert place is None


def test_pages_are_filtered(database: Database) -> None:
    add(database, alpha=1, beta=2, gamma=3)
    assert names(database, name_contains="A") == ["alpha", "beta", "gamma"]
    assert names(database, name_contains="%") == []
    assert names(database, name_contains="et") == ["beta"]
    assert names(database, at_least={"created_at": 2.0}) == ["beta", "gamma"]
    assert names(database, at_most={"created_at": 2.0}) == ["alpha", "beta"]


def test_a_page_costs_the_same_however_many_records_there_are(database: Database) -> None:
    rows = [{"name": f"m{n:05}", "created_at": float(n), "definition": {"PrimaryContainer": {}}} for n in range(10_000)]
    database.submit(lambda c: c.execute(models.insert(), rows)).result()
    for sort in ("name", "created_at"):
        query = PageQuery(sort, True, 100, after=(5000.0, "m05000"))
        began = time.perf_counter()
        page, _ = database.read(lambda c, query=query: list_models(c, query))
        assert time.perf_counter() - began < 0.05
        assert [page[0].name, page[-1].name] == ["m04999", "m04900"]
        order = f"WHERE ({sort}, name) < (5000.0, 'm') ORDER BY {sort} DESC, name DESC"
        plan = database.read(
            lambda c, order=order: c.exec_driver_sql(f"EXPLAIN QUERY PLAN SELECT * FROM models {order}").all()
        )
        assert "USING" in str(plan)
        assert "TEMP B-TREE" not in str(plan)
