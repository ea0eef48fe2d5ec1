"""Brings a database's schema to today's, quickly where there is nothing to do."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, inspect, select

from coldframe.data_directory import CannotStart
from coldframe.state import tables

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0001"
"""The newest step in versions/; a test compares the two. Known here so that Alembic need not be imported to start."""

_revisions = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


class DatabaseTooNew(CannotStart):
    """The database was written by a newer Coldframe (schema {found}, this one knows up to {head}): use that one."""


class DatabaseNotOurs(CannotStart):
    """The database holds tables ({tables}, ...) but no record of their schema: it is not Coldframe's."""


def bring_up_to_date(engine: Engine) -> None:
    """Make all tables in an empty database; take an older one forward, step by step; refuse a newer one.

    All in one transaction: a server that is killed in the middle finds the database as it was.
    """
    with engine.connect() as connection, connection.begin():
        existing = inspect(connection).get_table_names()
        if not existing:
            _make_all(connection)
            return
        if _revisions.name not in existing:
            raise DatabaseNotOurs(f"{DatabaseNotOurs.__doc__}".format(tables=", ".join(existing[:3])))
        found = connection.execute(select(_revisions.c.version_num)).scalar_one_or_none() or ""
        if found == HEAD:
            return
        if found > HEAD:
            raise DatabaseTooNew(f"{DatabaseTooNew.__doc__}".format(found=found, head=HEAD))
    _take_forward(engine)


def _make_all(connection: Connection) -> None:
    tables.metadata.create_all(connection)
    _revisions.create(connection)
    connection.execute(_revisions.insert().values(version_num=HEAD))


def _take_forward(engine: Engine) -> None:
    from alembic import command  # noqa: PLC0415 - takes half a second, and is seldom needed

    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # A step may replace a table by a new one of the same name, and what refers to it must not mind.
            # SQLite heeds this outside of a transaction only, so it must go past SQLAlchemy, which would begin one.
            connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")
        with connection.begin():
            command.upgrade(alembic_settings(connection), "head")


def alembic_settings(connection: Connection) -> "Config":
    """What Alembic must know to work on this connection, within its transaction."""
    from alembic.config import Config  # noqa: PLC0415 - see above

    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent))
    settings.attributes["connection"] = connection
    return settings
