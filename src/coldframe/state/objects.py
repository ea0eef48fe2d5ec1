"""Objects: a row for each (bucket, key), with the bytes of the small ones and the names of the blobs of the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from coldframe.state.key_text import AFTER_EVERY_KEY, KeyText
from coldframe.state.schema import metadata
from coldframe.state.statements import Statement

objects = Table(
    "objects",
    metadata,
    Column("bucket", ForeignKey("buckets.name"), primary_key=True),
    Column("key", KeyText, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("etag", String(48), nullable=False),
    Column("last_modified", Float, nullable=False),
    Column("storage_class", String(32), nullable=False),
    Column("checksum_algorithm", String(16), nullable=False),
    Column("checksum", String(128), nullable=False),
    Column("checksum_type", String(16), nullable=False),
    Column("content_type", String, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("user_metadata", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("upload_id", String(64), nullable=False),
    Column("segments", JSON, nullable=False),
    Column("parts", JSON, nullable=False),
    # Last, so that a listing never reads the pages that a row's content spills into.
    Column("content", LargeBinary, nullable=True),
    sqlite_with_rowid=False,
)


class Segment(NamedTuple):
    """A run of an object's bytes: the whole of one blob."""

    blob: str
    size: int


class Part(NamedTuple):
    """What is kept of a part after its upload was completed."""

    number: int
    size: int
    checksum: str


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """One object, as its row says. Its bytes are `content`, or those of its segments one after the other."""

    bucket: str
    key: str
    size: int
    """Bytes."""
    etag: str
    """Without quotes: the MD5 in hexadecimal, or for a completed multipart upload the MD5 of MD5s and "-N"."""
    last_modified: float
    """Seconds since 1970 UTC."""
    storage_class: str = "STANDARD"
    checksum_algorithm: str = ""
    """AWS's name, such as CRC32C."""
    checksum: str = ""
    """In base64; a composite one ends with "-N"."""
    checksum_type: str = ""
    """FULL_OBJECT or COMPOSITE."""
    content_type: str = "binary/octet-stream"
    headers: Mapping[str, Any] = field(default_factory=dict)
    """Further headers to be given back, by the name of the parameter, such as CacheControl and SSEKMSKeyId."""
    user_metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    upload_id: str = ""
    """The multipart upload that made the object, or nothing."""
    segments: tuple[Segment, ...] = ()
    parts: tuple[Part, ...] = ()
    content: bytes | None = None
    """The bytes of a small object."""

    @property
    def blobs(self) -> list[str]:
        """The blobs that this record names."""
        return [segment.blob for segment in self.segments]

    @property
    def arn(self) -> str:
        """The object's ARN."""
        return f"arn:aws:s3:::{self.bucket}/{self.key}"

    @property
    def uri(self) -> str:
        """How SageMaker names it."""
        return f"s3://{self.bucket}/{self.key}"


class ListedObject(NamedTuple):
    """What a listing says of an object."""

    key: str
    size: int
    etag: str
    last_modified: float
    storage_class: str
    checksum_algorithm: str
    checksum_type: str


_SEGMENTS, _PARTS = (ObjectRecord.__slots__.index(name) for name in ("segments", "parts"))
_MINE = (objects.c.bucket == bindparam("in_bucket"), objects.c.key == bindparam("at_key"))
_FIND = Statement(select(objects).where(*_MINE))
_INSERT = Statement(insert(objects))
_REMOVE = Statement(delete(objects).where(*_MINE))
_RANGE = (
    objects.c.bucket == bindparam("in_bucket"),
    objects.c.key >= bindparam("low"),
    objects.c.key < bindparam("high"),
)
_PAGE = select(objects).where(*_RANGE).order_by(objects.c.key).limit(bindparam("count", type_=Integer))
_SCAN = Statement(_PAGE.with_only_columns(*(objects.c[name] for name in ListedObject._fields)))
_REPLACE = Statement(
    update(objects).where(*_MINE).values({name: bindparam(name) for name in ObjectRecord.__slots__[2:]})
)


def find_object(connection: Connection, bucket: str, key: str) -> ObjectRecord | None:
    """The object, with its bytes if it is small enough to be in its row; one index look-up."""
    row = _FIND.first(connection, {"in_bucket": bucket, "at_key": key})
    return _record(row) if row is not None else None


def list_objects(
    connection: Connection, bucket: str, prefix: str = "", after_key: str = "", limit: int = 1000
) -> list[ObjectRecord]:
    """Objects whose key begins with `prefix` and sorts after `after_key`, by the bytes of their keys.

    To go through all: call again with the last key that came, until fewer than `limit` come.
    """
    return [_record(row) for row in connection.execute(_PAGE, _range(bucket, prefix, after_key.encode(), limit))]


def scan_listing(connection: Connection, bucket: str, prefix: str, after: bytes, limit: int) -> list[ListedObject]:
    """The same, as much of each object as a listing needs; `after` may be any bytes.

    A listing with a delimiter may scan a thousand times for one page.
    """
    return [ListedObject(*row) for row in _SCAN.all(connection, _range(bucket, prefix, after, limit))]


def _range(bucket: str, prefix: str, after: bytes, limit: int) -> dict[str, Any]:
    """An index range: keys that begin with `prefix` and sort after the bytes `after`."""
    start = prefix.encode()
    # The first bytes that sort after others are those with a zero behind them. The prefix itself may be a key.
    low = max(start, after + b"\x00") if after else start
    return {"in_bucket": bucket, "low": low, "high": start + AFTER_EVERY_KEY, "count": limit}


def bucket_has_objects(connection: Connection, bucket: str) -> bool:
    """Whether there is any object in the bucket."""
    return connection.execute(select(objects.c.key).where(objects.c.bucket == bucket).limit(1)).first() is not None


def put_record(connection: Connection, record: ObjectRecord, *, replaces: bool) -> None:
    """Write the object's row, in place of the one that is there if `replaces`."""
    values = {name: getattr(record, name) for name in ObjectRecord.__slots__}
    if replaces:
        _REPLACE.run(connection, values | {"in_bucket": record.bucket, "at_key": record.key})
    else:
        _INSERT.run(connection, values)


def remove_record(connection: Connection, bucket: str, key: str) -> None:
    """Forget the object's row."""
    _REMOVE.run(connection, {"in_bucket": bucket, "at_key": key})


def set_object_tags(connection: Connection, bucket: str, key: str, tags: Mapping[str, str]) -> bool:
    """Replace all tags of the object; whether there is such an object."""
    mine = (objects.c.bucket == bucket, objects.c.key == key)
    return connection.execute(update(objects).where(*mine).values(tags=dict(tags))).rowcount > 0


def _record(row: Sequence[Any]) -> ObjectRecord:
    values = list(row)
    values[_SEGMENTS] = tuple(Segment(*segment) for segment in values[_SEGMENTS])
    values[_PARTS] = tuple(Part(*part) for part in values[_PARTS])
    return ObjectRecord(*values)
