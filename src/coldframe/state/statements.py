"""Statements on the hot path: compiled once by SQLAlchemy, then given straight to the driver.

For one row SQLAlchemy takes several times as long to carry a statement out as the database does. These take the text
that it compiled and its conversions of values and columns, and leave out the rest.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ClauseElement, Connection, Dialect, Select
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

Convert = Callable[[Any], Any]


class Statement:
    """A statement whose parameters are bound by name, each to one value."""

    __slots__ = ("_compiled", "_element")

    def __init__(self, element: ClauseElement) -> None:
        """Take the statement; it is compiled when the first connection carries it out."""
        self._element = element
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """Carry it out for what it does."""
        self._execute(connection, values).close()

    def first(self, connection: Connection, values: Mapping[str, Any]) -> list[Any] | None:
        """Its first row, if there is any."""
        cursor = self._execute(connection, values)
        row = cursor.fetchone()
        cursor.close()
        return None if row is None else self._compiled[connection.dialect.name].columns(row)

    def all(self, connection: Connection, values: Mapping[str, Any]) -> list[list[Any]]:
        """All its rows."""
        cursor = self._execute(connection, values)
        rows = cursor.fetchall()
        cursor.close()
        columns = self._compiled[connection.dialect.name].columns
        return [columns(row) for row in rows]

    def _execute(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        dialect = connection.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _Compiled(self._element, dialect)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(compiled.text, compiled.arguments(values))
        except BaseException:
            cursor.close()
            raise
        return cursor


class _Compiled:
    """A statement as a driver takes it."""

    __slots__ = ("_constants", "_names", "_of_columns", "_of_parameters", "text")

    def __init__(self, element: ClauseElement, dialect: Dialect) -> None:
        compiled = element.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)  # noqa: S101 - what a statement on rows is compiled to
        self.text = compiled.string
        self._names = compiled.positiontup
        self._of_parameters: dict[str, Convert] = {}
        self._constants: dict[str, Any] = {}
        for parameter, name in compiled.bind_names.items():
            if parameter.value is not None:
                self._constants[name] = parameter.value  # a number that stands in the statement itself
            convert = _implementation(parameter.type, dialect).bind_processor(dialect)
            if convert is not None:
                self._of_parameters[name] = convert
        self._of_columns: list[tuple[int, Convert]] = []
        if isinstance(element, Select):
            for place, column in enumerate(element.selected_columns):
                convert = _implementation(column.type, dialect).result_processor(dialect, None)
                if convert is not None:
                    self._of_columns.append((place, convert))

    def arguments(self, values: Mapping[str, Any]) -> Sequence[Any] | Mapping[str, Any]:
        """The values as the driver wants them: in order, or by name."""
        converted = {**self._constants, **values}
        for name, convert in self._of_parameters.items():
            converted[name] = convert(converted[name])
        return converted if self._names is None else [converted[name] for name in self._names]

    def columns(self, row: Sequence[Any]) -> list[Any]:
        """A row's values as the table declares them."""
        values = list(row)
        for place, convert in self._of_columns:
            values[place] = convert(values[place])
        return values


def _implementation(kind: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    return kind.dialect_impl(dialect)
