"""Copies through boto3: what a copy takes over, what it is given, and when it is refused."""

import datetime as dt
import hashlib
import os
from typing import Any

import pytest

BIG = os.urandom(1024 * 1024)


@pytest.fixture
def source(s3: Any, bucket: str) -> dict[str, str]:
    s3.put_object(
        Bucket=bucket,
        Key="from/ä+ %",
        Body=BIG,
        ContentType="a/b",
        CacheControl="no-cache",
        Metadata={"m": "1"},
        Tagging="t=1",
        StorageClass="STANDARD_IA",
    )
    return {"Bucket": bucket, "Key": "from/ä+ %"}


def test_copy_object_takes_over_metadata_and_tags(s3: Any, bucket: str, source: dict[str, str]) -> None:
    result = s3.copy_object(Bucket=bucket, Key="to", CopySource=source)["CopyObjectResult"]
    assert result["ETag"] == f'"{hashlib.md5(BIG).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="to")
    assert got["Body"].read() == BIG
    assert (got["ContentType"], got["CacheControl"], got["Metadata"], got["TagCount"]) == (
        "a/b",
        "no-cache",
        {"m": "1"},
        1,
    )
    assert "StorageClass" not in got  # a copy is of the usual class, unless it asks for another


def test_copy_object_outlives_its_source(s3: Any, bucket: str, source: dict[str, str]) -> None:
    s3.copy_object(Bucket=bucket, Key="to", CopySource=source)
    s3.delete_object(**source)
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == BIG


def test_copy_object_replaces_metadata_and_tags(s3: Any, bucket: str, source: dict[str, str]) -> None:
    s3.copy_object(
        Bucket=bucket,
        Key="to",
        CopySource=source,
        MetadataDirective="REPLACE",
        TaggingDirective="REPLACE",
        ContentType="c/d",
        Metadata={"n": "2"},
        Tagging="u=2&v=3",
    )
    head = s3.head_object(Bucket=bucket, Key="to")
    assert (head["ContentType"], head["Metadata"]) == ("c/d", {"n": "2"})
    assert "CacheControl" not in head
    assert len(s3.get_object_tagging(Bucket=bucket, Key="to")["TagSet"]) == 2


def test_copy_object_onto_itself_must_change_something(
    s3: Any, bucket: str, source: dict[str, str], refused: Any
) -> None:
    refused("InvalidRequest", 400, s3.copy_object, CopySource=source, **source)
    s3.copy_object(CopySource=source, MetadataDirective="REPLACE", Metadata={"new": "1"}, **source)
    got = s3.get_object(**source)
    assert (got["Body"].read(), got["Metadata"]) == (BIG, {"new": "1"})


def test_copy_object_conditions(s3: Any, bucket: str, source: dict[str, str], refused: Any) -> None:
    head = s3.head_object(**source)
    hour = dt.timedelta(hours=1)
    copy = {"Bucket": bucket, "Key": "to", "CopySource": source}
    for good in (
        {"CopySourceIfMatch": head["ETag"]},
        {"CopySourceIfNoneMatch": '"other"'},
        {"CopySourceIfModifiedSince": head["LastModified"] - hour},
        {"CopySourceIfUnmodifiedSince": head["LastModified"] + hour},
    ):
        s3.copy_object(**copy, **good)
    for bad in (
        {"CopySourceIfMatch": '"other"'},
        {"CopySourceIfNoneMatch": head["ETag"]},
        {"CopySourceIfModifiedSince": head["LastModified"] + hour},
        {"CopySourceIfUnmodifiedSince": head["LastModified"] - hour},
    ):
        refused("PreconditionFailed", 412, s3.copy_object, **copy, **bad)


def test_copy_object_from_nowhere(s3: Any, bucket: str, refused: Any) -> None:
    copy = {"Bucket": bucket, "Key": "to"}
    refused("NoSuchKey", 404, s3.copy_object, CopySource=f"{bucket}/absent", **copy)
    refused("NoSuchBucket", 404, s3.copy_object, CopySource="absent-bucket/key", **copy)
    refused("InvalidArgument", 400, s3.copy_object, CopySource="only-a-bucket", **copy)
    refused("AccessDenied", 403, s3.copy_object, CopySource=f"{bucket}/x", ExpectedBucketOwner="1" * 12, **copy)


def test_copy_object_computes_another_checksum_when_asked(s3: Any, bucket: str, source: dict[str, str]) -> None:
    result = s3.copy_object(Bucket=bucket, Key="to", CopySource=source, ChecksumAlgorithm="SHA256")
    assert result["CopyObjectResult"]["ChecksumSHA256"]
    told = s3.head_object(Bucket=bucket, Key="to", ChecksumMode="ENABLED")
    assert told["ChecksumSHA256"] == result["CopyObjectResult"]["ChecksumSHA256"]


def test_copy_object_of_a_small_object(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="small", Body=b"few")
    s3.copy_object(Bucket=bucket, Key="to", CopySource=f"/{bucket}/small")
    assert s3.get_object(Bucket=bucket, Key="to")["Body"].read() == b"few"


def test_copy_object_if_none_match(s3: Any, bucket: str, source: dict[str, str], refused: Any) -> None:
    copy = {"Bucket": bucket, "Key": "to", "CopySource": source, "IfNoneMatch": "*"}
    s3.copy_object(**copy)
    refused("PreconditionFailed", 412, s3.copy_object, **copy)
