"""Multipart uploads that are under way, and the parts that have come for them so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    and_,
    delete,
    insert,
    or_,
    select,
)

from coldframe.state.blobs import claim, release
from coldframe.state.checksums import DEFAULT_ALGORITHM
from coldframe.state.key_text import AFTER_EVERY_KEY, KeyText
from coldframe.state.schema import metadata

multipart_uploads = Table(
    "multipart_uploads",
    metadata,
    Column("upload_id", String(64), primary_key=True),
    Column("bucket", ForeignKey("buckets.name"), nullable=False),
    Column("key", KeyText, nullable=False),
    Column("initiated_at", Float, nullable=False),
    Column("storage_class", String(32), nullable=False),
    Column("checksum_algorithm", String(16), nullable=False),
    Column("checksum_type", String(16), nullable=False),
    Column("content_type", String, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("user_metadata", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Index(None, "bucket", "key", "upload_id"),
)

upload_parts = Table(
    "upload_parts",
    metadata,
    Column("upload_id", ForeignKey("multipart_uploads.upload_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("etag", String(48), nullable=False),
    Column("checksum", String(128), nullable=False),
    Column("last_modified", Float, nullable=False),
    Column("blob", String(40), nullable=False),
    sqlite_with_rowid=False,
)


class UploadMissing(LookupError):
    """The multipart upload does not exist, or not any more."""


@dataclass(frozen=True, slots=True)
class MultipartUploadRecord:
    """A multipart upload, with what its object is to be given."""

    upload_id: str
    """Begins with the time, so that uploads of one key sort by when they were begun."""
    bucket: str
    key: str
    initiated_at: float
    """Seconds since 1970 UTC."""
    storage_class: str = "STANDARD"
    checksum_algorithm: str = ""
    """What every part must come with; nothing where the uploader chose none, so that parts may come with any."""
    checksum_type: str = ""
    content_type: str = "binary/octet-stream"
    headers: Mapping[str, Any] = field(default_factory=dict)
    user_metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def kept_algorithm(self) -> str:
        """The checksum that is kept of each part, to make the whole object's from."""
        return self.checksum_algorithm or DEFAULT_ALGORITHM


class UploadPart(NamedTuple):
    """A part that has come."""

    upload_id: str
    number: int
    size: int
    etag: str
    """The MD5 in hexadecimal."""
    checksum: str
    """By the upload's kept algorithm, in base64."""
    last_modified: float
    blob: str


def add_upload(connection: Connection, record: MultipartUploadRecord) -> None:
    """Begin an upload. The caller has looked that its bucket exists."""
    values = {name: getattr(record, name) for name in MultipartUploadRecord.__slots__}
    connection.execute(insert(multipart_uploads), values)


def find_upload(connection: Connection, bucket: str, key: str, upload_id: str) -> MultipartUploadRecord | None:
    """The upload, if it is under way for this very key."""
    row = connection.execute(select(multipart_uploads).where(multipart_uploads.c.upload_id == upload_id)).first()
    record = MultipartUploadRecord(*row) if row is not None else None
    return record if record and record.bucket == bucket and record.key == key else None


def scan_uploads(
    connection: Connection, bucket: str, prefix: str, after: bytes, after_upload_id: str, limit: int
) -> list[MultipartUploadRecord]:
    """Uploads by key and then by age: those of keys after `after`, and those of that very key after the upload."""
    uploads = multipart_uploads.c
    start = prefix.encode()
    conditions: list[ColumnElement[bool]] = [uploads.bucket == bucket]
    if after < start:
        conditions.append(uploads.key >= start)
    elif after_upload_id:
        conditions.append(uploads.key >= after)
        conditions.append(or_(uploads.key > after, and_(uploads.key == after, uploads.upload_id > after_upload_id)))
    else:
        conditions.append(uploads.key > after)
    if prefix:
        conditions.append(uploads.key < start + AFTER_EVERY_KEY)
    query = select(multipart_uploads).where(*conditions).order_by(uploads.key, uploads.upload_id).limit(limit)
    return [MultipartUploadRecord(*row) for row in connection.execute(query)]


def put_part(connection: Connection, part: UploadPart) -> Sequence[str]:
    """Keep a part, in place of one of the same number. Returns blobs to be discarded. Raises UploadMissing."""
    upload = select(multipart_uploads.c.upload_id).where(multipart_uploads.c.upload_id == part.upload_id)
    if connection.execute(upload).first() is None:
        raise UploadMissing(part.upload_id)
    mine = (upload_parts.c.upload_id == part.upload_id, upload_parts.c.number == part.number)
    replaced = list(connection.scalars(select(upload_parts.c.blob).where(*mine)))
    if replaced:
        connection.execute(delete(upload_parts).where(*mine))
        release(connection, replaced)
    connection.execute(insert(upload_parts), part._asdict())
    claim(connection, [part.blob])
    return replaced


def list_parts(connection: Connection, upload_id: str, after_number: int = 0, limit: int = 10_000) -> list[UploadPart]:
    """The upload's parts after a number, by their numbers."""
    query = (
        select(upload_parts)
        .where(upload_parts.c.upload_id == upload_id, upload_parts.c.number > after_number)
        .order_by(upload_parts.c.number)
        .limit(limit)
    )
    return [UploadPart(*row) for row in connection.execute(query)]


def end_upload(connection: Connection, upload_id: str, *, keep: Sequence[str] = ()) -> Sequence[str]:
    """Forget the upload and its parts. Returns the blobs to be discarded: all of its parts' but those in `keep`."""
    kept = set(keep)
    mine = upload_parts.c.upload_id == upload_id
    loose = [blob for blob in connection.scalars(select(upload_parts.c.blob).where(mine)) if blob not in kept]
    release(connection, loose)
    connection.execute(delete(upload_parts).where(mine))
    connection.execute(delete(multipart_uploads).where(multipart_uploads.c.upload_id == upload_id))
    return loose


def end_uploads_of_bucket(connection: Connection, bucket: str) -> Sequence[str]:
    """Forget all uploads to a bucket that is about to go. Returns the blobs to be discarded."""
    query = select(multipart_uploads.c.upload_id).where(multipart_uploads.c.bucket == bucket)
    return [blob for upload_id in list(connection.scalars(query)) for blob in end_upload(connection, upload_id)]
