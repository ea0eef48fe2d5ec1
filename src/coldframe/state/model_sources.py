"""Where a model's files come from: an archive, an object or a prefix in S3, as a container's definition names it."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from sqlalchemy import Connection

from coldframe.state.objects import ObjectRecord, find_object, list_objects

PAGE = 1000
AMAZON_HOST = re.compile(r"(?:(?P<bucket>.+)\.)?s3[.-](?:dualstack\.)?(?:[a-z0-9-]+\.)?amazonaws\.com(?:\.cn)?$")


@dataclass(frozen=True, slots=True)
class ModelSource:
    """What becomes the content of a folder such as /opt/ml/model."""

    uri: str
    bucket: str
    key: str
    """The object's key, or the prefix, which then ends with a slash."""
    is_archive: bool
    """A tar archive that is unpacked; else the object or objects themselves."""

    @property
    def is_prefix(self) -> bool:
        """Whether `key` is a prefix."""
        return not self.key or self.key.endswith("/")


def model_source(container: dict[str, Any]) -> ModelSource | None:
    """Where a container's model data lies; nothing if it has none. ValueError, in a sentence for the client."""
    url = container.get("ModelDataUrl")
    data_source = container.get("ModelDataSource", {}).get("S3DataSource")
    if url and data_source:
        raise ValueError("Both ModelDataUrl and ModelDataSource cannot be specified for the same container.")
    if url:
        source = source_at(url, is_archive=True)
        if source.is_prefix:
            raise ValueError(f"Invalid ModelDataUrl {url}: it must name a .tar.gz object, not a prefix.")
        return source
    if not data_source:
        return None
    source = source_at(data_source["S3Uri"], is_archive=data_source["CompressionType"] == "Gzip")
    wants_prefix = data_source["S3DataType"] == "S3Prefix"
    if wants_prefix != source.is_prefix:
        rule = "S3Prefix must end with" if wants_prefix else "S3Object must not end with"
        raise ValueError(f"Invalid S3Uri {source.uri}: with the S3DataType {rule} a forward slash.")
    if wants_prefix and source.is_archive:
        raise ValueError("The CompressionType Gzip goes with the S3DataType S3Object only.")
    return source


def source_at(uri: str, *, is_archive: bool) -> ModelSource:
    """The place that an s3:// URI, or an https:// URL of S3, names. ValueError if it is neither."""
    scheme, _, rest = uri.partition("://")
    host, _, key = rest.partition("/")
    if scheme == "s3":
        bucket = host
    else:
        match = AMAZON_HOST.fullmatch(host)
        if match is None:
            raise ValueError(f"{uri} is not in Amazon S3: give s3://bucket/key.")
        key = unquote(key)
        bucket = match["bucket"] or ""
        if not bucket:
            bucket, _, key = key.partition("/")
    if not bucket:
        raise ValueError(f"{uri} names no bucket: give s3://bucket/key.")
    return ModelSource(uri, bucket, key, is_archive)


def source_objects(connection: Connection, source: ModelSource, limit: int | None = None) -> list[ObjectRecord]:
    """The objects that the source consists of, at most `limit`; none if there is nothing. No prefix markers."""
    if not source.is_prefix:
        record = find_object(connection, source.bucket, source.key)
        return [record] if record is not None else []
    found: list[ObjectRecord] = []
    after = ""
    while True:
        page = list_objects(connection, source.bucket, source.key, after, PAGE)
        found += [record for record in page if not record.key.endswith("/")]
        if len(page) < PAGE or (limit is not None and len(found) >= limit):
            return found[:limit]
        after = page[-1].key
