"""Brings a database's schema to today's."""

from sqlalchemy import Engine

from coldframe.state.schema import metadata


def bring_up_to_date(engine: Engine) -> None:
    """Make the tables that are missing."""
    metadata.create_all(engine)
