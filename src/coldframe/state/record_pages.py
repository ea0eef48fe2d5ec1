"""Pages of a list of records: filtered, sorted, and continued from the last record, at a cost that an index bounds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, select, tuple_

Place = tuple[Any, str]
"""Where a record stands in a list: the value that it is sorted by, and its name."""


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which records a page is to have, and in which order. The table's key is its column `name`."""

    sort_column: str
    descending: bool
    limit: int
    after: Place | None = None
    name_contains: str = ""
    at_least: dict[str, float] = field(default_factory=dict)
    """By column of times: not before this moment, in seconds since 1970 UTC."""
    at_most: dict[str, float] = field(default_factory=dict)
    """By column of times: not after this moment."""
    equals: dict[str, str] = field(default_factory=dict)


def read_page(connection: Connection, table: Table, query: PageQuery) -> tuple[Sequence[Row[Any]], Place | None]:
    """The page's rows, and the place to go on from; nothing when there is no more."""
    columns = table.c
    sort = columns[query.sort_column]
    order = [sort, columns.name] if query.sort_column != "name" else [columns.name]
    statement = select(table).where(*_conditions(table, query))
    if query.after is not None:
        statement = statement.where(_beyond(order, query.after, query.descending))
    statement = statement.order_by(*(column.desc() if query.descending else column for column in order))
    rows = connection.execute(statement.limit(query.limit + 1)).all()
    if len(rows) <= query.limit:
        return rows, None
    last = rows[query.limit - 1]
    return rows[: query.limit], (getattr(last, query.sort_column), last.name)


def _beyond(order: Sequence[ColumnElement[Any]], after: Place, descending: bool) -> ColumnElement[bool]:
    if len(order) == 1:
        return order[0] < after[1] if descending else order[0] > after[1]
    return tuple_(*order) < after if descending else tuple_(*order) > after


def _conditions(table: Table, query: PageQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.name_contains:
        conditions.append(table.c.name.icontains(query.name_contains, autoescape=True))
    conditions += [table.c[name] >= moment for name, moment in query.at_least.items()]
    conditions += [table.c[name] <= moment for name, moment in query.at_most.items()]
    conditions += [table.c[name] == value for name, value in query.equals.items()]
    return conditions
