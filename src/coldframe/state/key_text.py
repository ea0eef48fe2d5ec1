"""Object keys in the database: kept as UTF-8 bytes, so that every database sorts them as S3 does."""

from typing import Any

from sqlalchemy import Dialect, LargeBinary
from sqlalchemy.types import TypeDecorator

AFTER_EVERY_KEY = b"\xff"
"""No UTF-8 text holds this byte: a prefix with it appended sorts after all keys that begin with the prefix."""


class KeyText(TypeDecorator[str | bytes]):
    """Text that is compared byte by byte.

    SQLite's BLOB and PostgreSQL's bytea both compare as memcmp does, whatever the collation of the database, and both
    take the NUL character, which PostgreSQL's text does not. Bytes given as a value pass through, as bounds of a range.
    """

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | bytes | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Text to bytes."""
        return value.encode() if isinstance(value, str) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Bytes to text."""
        return None if value is None else bytes(value).decode()
