"""Digests that clients send along, in headers and behind the bytes: right ones are kept, wrong ones refused."""

import base64
import hashlib
import os
from typing import Any

import pytest
from botocore.config import Config

BIG = os.urandom(300_000)
ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "XXHASH64", "XXHASH3", "XXHASH128"]
HASHES = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256, "SHA512": hashlib.sha512, "MD5": hashlib.md5}


@pytest.mark.parametrize("content", [b"few", BIG], ids=["few", "many"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_put_object_with_a_checksum_that_boto3_computes(s3: Any, bucket: str, algorithm: str, content: bytes) -> None:
    member = f"Checksum{algorithm}"
    put = s3.put_object(Bucket=bucket, Key="k", Body=content, ChecksumAlgorithm=algorithm)
    assert put["ChecksumType"] == "FULL_OBJECT"
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")  # boto3 checks what it reads
    assert got["Body"].read() == content
    assert got[member] == put[member]
    if algorithm in HASHES:
        assert put[member] == base64.b64encode(HASHES[algorithm](content).digest()).decode()
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["ChecksumAlgorithm"] == [algorithm]


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC64NVME", "SHA256"])
@pytest.mark.parametrize("content", [b"few", BIG], ids=["few", "many"])
def test_put_object_with_a_wrong_checksum_is_refused(
    s3: Any, bucket: str, algorithm: str, content: bytes, refused: Any
) -> None:
    wrong = s3.put_object(Bucket=bucket, Key="other", Body=b"x", ChecksumAlgorithm=algorithm)[f"Checksum{algorithm}"]
    put = {"Bucket": bucket, "Key": "k", "Body": content}
    refused("BadDigest", 400, s3.put_object, **{f"Checksum{algorithm}": wrong}, **put)
    refused("InvalidRequest", 400, s3.put_object, **{f"Checksum{algorithm}": "AAAA"}, **put)
    refused("InvalidRequest", 400, s3.put_object, **{f"Checksum{algorithm}": "not base64!"}, **put)
    refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="k")


def test_put_object_with_two_checksums_is_refused(s3: Any, bucket: str, refused: Any) -> None:
    two = {"ChecksumCRC32": "AAAAAA==", "ChecksumSHA256": base64.b64encode(bytes(32)).decode()}
    refused("InvalidRequest", 400, s3.put_object, Bucket=bucket, Key="k", Body=b"x", **two)


def test_put_object_with_content_md5(s3: Any, bucket: str, refused: Any) -> None:
    put = {"Bucket": bucket, "Key": "k", "Body": b"x"}
    s3.put_object(ContentMD5=base64.b64encode(hashlib.md5(b"x").digest()).decode(), **put)
    answer = refused(
        "BadDigest", 400, s3.put_object, ContentMD5=base64.b64encode(hashlib.md5(b"y").digest()).decode(), **put
    )
    assert answer["Error"]["Message"] == "The Content-MD5 you specified did not match what we received."
    for malformed in ("x", "AAAA", ""):
        refused("InvalidDigest", 400, s3.put_object, ContentMD5=malformed, **put)


def test_put_object_without_a_checksum_gets_the_usual_one(client: Any, bucket: str) -> None:
    plain = client("s3", config=Config(request_checksum_calculation="when_required"))
    assert plain.put_object(Bucket=bucket, Key="k", Body=b"x")["ChecksumCRC64NVME"]


def test_get_object_with_a_range_tells_no_checksum(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=BIG)
    told = s3.get_object(Bucket=bucket, Key="k", Range="bytes=0-9", ChecksumMode="ENABLED")
    assert not [name for name in told if name.startswith("Checksum")]
    told = s3.get_object(Bucket=bucket, Key="k", Range="bytes=0-", ChecksumMode="ENABLED")
    assert told["ChecksumCRC32"]


def test_checksums_are_told_only_when_asked_for(s3: Any, client: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=BIG)
    assert "ChecksumCRC32" not in s3.head_object(Bucket=bucket, Key="k")
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC32"]
    plain = client("s3", config=Config(response_checksum_validation="when_required"))
    assert "ChecksumCRC32" not in plain.get_object(Bucket=bucket, Key="k")


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_put_object_with_a_checksum_behind_the_bytes(s3: Any, bucket: str, algorithm: str, tmp_path: Any) -> None:
    # A stream that can be read only once makes boto3 send the checksum as a trailer.
    path = tmp_path / "content"
    path.write_bytes(BIG)
    with path.open("rb") as file:
        put = s3.put_object(Bucket=bucket, Key="k", Body=file, ChecksumAlgorithm=algorithm)
    assert put[f"Checksum{algorithm}"]
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == BIG
    assert "ContentEncoding" not in got
