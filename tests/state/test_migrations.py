"""Databases of every age are brought to today's schema, in one piece or not at all."""

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, inspect, text

from coldframe.state.database import Database
from coldframe.state.migrations.migrate import (
    HEAD,
    DatabaseNotOurs,
    DatabaseTooNew,
    alembic_settings,
    bring_up_to_date,
)
from coldframe.state.tables import metadata


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'records.sqlite3'}")
    yield database
    database.close()


def revision_of(engine: Engine) -> str:
    with engine.connect() as connection:
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()


def test_head_is_the_last_step():
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        steps = ScriptDirectory.from_config(alembic_settings(connection))
    assert steps.get_heads() == [HEAD]
    for step in steps.walk_revisions():
        assert len(step.revision) == len(HEAD), "revisions are compared as text: all must be equally long"
        assert (step.doc or "").strip()
        assert not hasattr(step.module, "downgrade"), "the schema only moves forward"


def test_steps_make_the_same_schema_as_the_code_declares(database):
    with database.engine.connect() as connection, connection.begin():
        command.upgrade(alembic_settings(connection), "head")
    with database.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata)
        made = {table: _shape(connection, table) for table in metadata.tables}
    assert not differences, "the tables changed: draft a step (docs/architecture/state.md)"
    declared = create_engine("sqlite://")
    with declared.connect() as connection:
        metadata.create_all(connection)
        assert made == {table: _shape(connection, table) for table in metadata.tables}


def _shape(connection, table):
    found = inspect(connection)
    columns = [
        (column["name"], str(column["type"]), column["nullable"], column["default"])
        for column in found.get_columns(table)
    ]
    uniques = sorted(tuple(unique["column_names"]) for unique in found.get_unique_constraints(table))
    indexes = sorted(
        (index["name"], tuple(index["column_names"]), bool(index["unique"])) for index in found.get_indexes(table)
    )
    definition = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = :name"), {"name": table}).scalar()
    options = definition.rpartition(")")[2].strip()
    return columns, found.get_pk_constraint(table)["constrained_columns"], uniques, indexes, options


def test_empty_database_gets_all_tables_and_remembers_its_schema(database):
    bring_up_to_date(database.engine)
    assert set(inspect(database.engine).get_table_names()) == {*metadata.tables, "alembic_version"}
    assert revision_of(database.engine) == HEAD


def test_database_of_today_is_left_alone(database):
    bring_up_to_date(database.engine)
    changes = []
    event.listen(database.engine, "before_cursor_execute", lambda *call: changes.append(call[2]))
    bring_up_to_date(database.engine)
    assert not [change for change in changes if not change.startswith(("SELECT", "PRAGMA", "BEGIN"))]


def test_database_of_a_newer_coldframe_is_refused_and_left_alone(database):
    bring_up_to_date(database.engine)
    with database.engine.connect() as connection, connection.begin():
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTooNew, match="9999"):
        bring_up_to_date(database.engine)
    assert revision_of(database.engine) == "9999"


def test_database_of_another_program_is_refused_and_left_alone(database):
    with database.engine.connect() as connection, connection.begin():
        connection.execute(text("CREATE TABLE recipes (name TEXT)"))
    with pytest.raises(DatabaseNotOurs, match="recipes"):
        bring_up_to_date(database.engine)
    assert inspect(database.engine).get_table_names() == ["recipes"]


def test_making_all_tables_that_fails_in_the_middle_leaves_nothing(database):
    def fail_at_the_last(_connection, _cursor, statement, *_rest):
        if "INSERT INTO alembic_version" in statement:
            raise RuntimeError("the power went out")

    event.listen(database.engine, "before_cursor_execute", fail_at_the_last)
    with pytest.raises(RuntimeError, match="power"):
        bring_up_to_date(database.engine)
    event.remove(database.engine, "before_cursor_execute", fail_at_the_last)
    assert inspect(database.engine).get_table_names() == []
    bring_up_to_date(database.engine)
    assert revision_of(database.engine) == HEAD


def test_older_database_is_taken_forward(database):
    with database.engine.connect() as connection, connection.begin():
        command.stamp(alembic_settings(connection), "base")  # only the table of the revision, and that one is empty
    bring_up_to_date(database.engine)
    assert revision_of(database.engine) == HEAD
    assert set(inspect(database.engine).get_table_names()) == {*metadata.tables, "alembic_version"}
