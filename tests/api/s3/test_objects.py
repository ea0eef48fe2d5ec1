"""Objects through boto3: put, get, head, delete, ranges, conditions, attributes, keys of every kind."""

import datetime as dt
import hashlib
import os
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from botocore.config import Config

from waiting import wait_until

UTC = dt.UTC
SOME = bytes(range(256)) * 40
BIG = os.urandom(2 * 1024 * 1024 + 1)


@pytest.mark.parametrize("content", [b"", b"x", SOME, BIG], ids=["empty", "inline", "small", "big"])
def test_put_object_then_get_gives_the_same_bytes(s3: Any, bucket: str, content: bytes) -> None:
    put = s3.put_object(Bucket=bucket, Key="key", Body=content)
    got = s3.get_object(Bucket=bucket, Key="key")
    assert got["Body"].read() == content
    assert put["ETag"] == got["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
    assert got["ContentLength"] == len(content)
    assert got["ContentType"] == "binary/octet-stream"
    assert got["AcceptRanges"] == "bytes"
    assert got["ServerSideEncryption"] == "AES256"
    assert abs(got["LastModified"] - dt.datetime.now(UTC)) < dt.timedelta(minutes=1)


@pytest.mark.parametrize(
    "key",
    [
        "../../x",
        "/leading",
        "trailing/",
        "a//b",
        "./.",
        "..",
        "a/../b",
        "with space + plus & amp=?#%25.txt",
        "ключ/鍵/🔑",
        "e\u0301 is not \u00e9",
        "'\"<>|\\^`{}~",
        "control\x01\x1f\x7f",
        "ü" * 512,
    ],
)
def test_put_object_keeps_the_key_exactly(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == key.encode()
    s3.delete_object(Bucket=bucket, Key=key)
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["copy"]


def test_put_object_with_too_long_a_key_is_refused(s3: Any, bucket: str, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k" * 1024)
    refused("KeyTooLongError", 400, s3.put_object, Bucket=bucket, Key="k" * 1025)
    refused("KeyTooLongError", 400, s3.put_object, Bucket=bucket, Key="ü" * 513)
    refused("KeyTooLongError", 400, s3.get_object, Bucket=bucket, Key="k" * 1025)


def test_put_object_keeps_headers_and_metadata(s3: Any, bucket: str) -> None:
    expires = dt.datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    given = {
        "CacheControl": "max-age=5",
        "ContentDisposition": 'attachment; filename="a.txt"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "ContentType": "text/plain; charset=utf-8",
        "Metadata": {"breed": "poodle", "empty": "", "spaced": "a  b"},
        "WebsiteRedirectLocation": "/elsewhere",
        "StorageClass": "STANDARD_IA",
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "my-key",
        "BucketKeyEnabled": True,
    }
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"x", Expires=expires, **given)
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"], put["BucketKeyEnabled"]) == ("aws:kms", "my-key", True)
    for answer in (s3.get_object(Bucket=bucket, Key="k"), s3.head_object(Bucket=bucket, Key="k")):
        assert {name: answer[name] for name in given} == given
        assert answer["Expires"] == expires
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == "STANDARD_IA"


def test_put_object_with_too_much_metadata_is_refused(s3: Any, bucket: str, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Metadata={"m": "v" * 2047})
    refused("MetadataTooLarge", 400, s3.put_object, Bucket=bucket, Key="k", Metadata={"m": "v" * 2048})


def test_put_object_with_what_is_not_implemented_says_so(s3: Any, bucket: str, refused: Any) -> None:
    put = {"Bucket": bucket, "Key": "k", "Body": b"x"}
    refused("NotImplemented", 501, s3.put_object, SSECustomerKey=b"k" * 32, SSECustomerAlgorithm="AES256", **put)
    refused("NotImplemented", 501, s3.put_object, ObjectLockLegalHoldStatus="ON", **put)
    refused("InvalidArgument", 400, s3.put_object, SSEKMSKeyId="k", ServerSideEncryption="AES256", **put)
    refused("InvalidStorageClass", 400, s3.put_object, StorageClass="COLD", **put)


@pytest.mark.parametrize(
    ("header", "expected", "content_range"),
    [
        ("bytes=0-0", SOME[:1], f"bytes 0-0/{len(SOME)}"),
        ("bytes=10-19", SOME[10:20], f"bytes 10-19/{len(SOME)}"),
        ("bytes=10000-", SOME[10000:], f"bytes 10000-{len(SOME) - 1}/{len(SOME)}"),
        ("bytes=-7", SOME[-7:], f"bytes {len(SOME) - 7}-{len(SOME) - 1}/{len(SOME)}"),
        ("bytes=-99999", SOME, f"bytes 0-{len(SOME) - 1}/{len(SOME)}"),
        ("bytes=5-99999", SOME[5:], f"bytes 5-{len(SOME) - 1}/{len(SOME)}"),
    ],
)
def test_get_object_with_range(s3: Any, bucket: str, header: str, expected: bytes, content_range: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=SOME)
    got = s3.get_object(Bucket=bucket, Key="k", Range=header)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["Body"].read() == expected
    assert got["ContentRange"] == content_range
    head = s3.head_object(Bucket=bucket, Key="k", Range=header)
    assert (head["ContentLength"], head["ContentRange"]) == (len(expected), content_range)


@pytest.mark.parametrize("header", ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5", "bytes=-", "x"])
def test_get_object_with_a_range_that_means_nothing_gives_all(s3: Any, bucket: str, header: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=SOME)
    got = s3.get_object(Bucket=bucket, Key="k", Range=header)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert got["Body"].read() == SOME


@pytest.mark.parametrize("header", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
def test_get_object_with_a_range_behind_the_end_is_416(s3: Any, bucket: str, header: str, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=SOME)
    answer = refused("InvalidRange", 416, s3.get_object, Bucket=bucket, Key="k", Range=header)
    assert answer["Error"]["ActualObjectSize"] == str(len(SOME))
    s3.put_object(Bucket=bucket, Key="empty")
    refused("InvalidRange", 416, s3.get_object, Bucket=bucket, Key="empty", Range="bytes=0-")


def test_get_object_with_response_overrides(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="a/b")
    got = s3.get_object(
        Bucket=bucket,
        Key="k",
        ResponseContentType="c/d",
        ResponseContentDisposition="inline",
        ResponseCacheControl="no-store",
        ResponseContentLanguage="fr",
        ResponseContentEncoding="identity",
    )
    told = [got[name] for name in ("ContentType", "ContentDisposition", "CacheControl", "ContentLanguage")]
    assert told == ["c/d", "inline", "no-store", "fr"]
    assert s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "a/b"


def test_get_object_that_does_not_exist(s3: Any, bucket: str, refused: Any) -> None:
    answer = refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="absent")
    assert answer["Error"]["Key"] == "absent"
    refused("404", 404, s3.head_object, Bucket=bucket, Key="absent")
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=bucket, Key="absent")


def test_get_object_of_a_version(s3: Any, bucket: str, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"x"
    refused("NoSuchVersion", 404, s3.get_object, Bucket=bucket, Key="k", VersionId="abc")


def test_get_object_conditions(s3: Any, bucket: str, refused: Any) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    now = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    before, after = now - dt.timedelta(hours=1), now + dt.timedelta(hours=1)
    this = {"Bucket": bucket, "Key": "k"}
    for operation in (s3.get_object, s3.head_object):
        failed = "PreconditionFailed" if operation == s3.get_object else "412"
        for good in (
            {"IfMatch": etag},
            {"IfMatch": etag.strip('"')},
            {"IfMatch": "*"},
            {"IfNoneMatch": '"other"'},
            {"IfModifiedSince": before},
            {"IfUnmodifiedSince": after},
            {"IfUnmodifiedSince": now},
            {"IfMatch": etag, "IfUnmodifiedSince": before},
            {"IfNoneMatch": '"other"', "IfModifiedSince": after},
        ):
            assert operation(**this, **good)["ETag"] == etag
        for unmodified in ({"IfNoneMatch": etag}, {"IfModifiedSince": now}, {"IfNoneMatch": "*"}):
            answer = refused("304", 304, operation, **this, **unmodified)
            assert answer["ResponseMetadata"]["HTTPHeaders"]["etag"] == etag
        for wrong in ({"IfMatch": '"other"'}, {"IfUnmodifiedSince": before}):
            refused(failed, 412, operation, **this, **wrong)


def test_put_object_if_none_match(s3: Any, bucket: str, refused: Any) -> None:
    this = {"Bucket": bucket, "Key": "k"}
    s3.put_object(Body=b"first", IfNoneMatch="*", **this)
    answer = refused("PreconditionFailed", 412, s3.put_object, Body=b"second", IfNoneMatch="*", **this)
    assert answer["Error"]["Condition"] == "If-None-Match"
    refused("PreconditionFailed", 412, s3.put_object, Body=BIG, IfNoneMatch="*", **this)
    refused("NotImplemented", 501, s3.put_object, Body=b"second", IfNoneMatch='"etag"', **this)
    assert s3.get_object(**this)["Body"].read() == b"first"


def test_put_object_if_match(s3: Any, bucket: str, refused: Any) -> None:
    this = {"Bucket": bucket, "Key": "k"}
    refused("NoSuchKey", 404, s3.put_object, Body=b"x", IfMatch='"e"', **this)
    etag = s3.put_object(Body=b"first", **this)["ETag"]
    new = s3.put_object(Body=b"second", IfMatch=etag, **this)["ETag"]
    refused("PreconditionFailed", 412, s3.put_object, Body=b"third", IfMatch=etag, **this)
    assert s3.head_object(**this)["ETag"] == new


def test_delete_object_is_no_error_twice(s3: Any, bucket: str, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for _ in range(2):
        assert s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204
    refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="k")


def test_delete_objects_tells_of_each_unless_quiet(s3: Any, bucket: str) -> None:
    for key in "abc":
        s3.put_object(Bucket=bucket, Key=key)
    keys = [{"Key": "a"}, {"Key": "absent"}, {"Key": "x" * 1025}, {"Key": "b", "VersionId": "v"}]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys})
    assert [entry["Key"] for entry in answer["Deleted"]] == ["a", "absent"]
    assert [entry["Code"] for entry in answer["Errors"]] == ["KeyTooLongError", "NoSuchVersion"]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b"}], "Quiet": True})
    assert "Deleted" not in answer
    assert "Errors" not in answer
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["c"]


def test_delete_objects_takes_a_thousand(s3: Any, bucket: str, refused: Any) -> None:
    keys = [{"Key": f"k{number}"} for number in range(1001)]
    assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": keys[:1000]})["Deleted"]) == 1000
    refused("MalformedXML", 400, s3.delete_objects, Bucket=bucket, Delete={"Objects": keys})


def test_object_tagging(s3: Any, bucket: str, refused: Any) -> None:
    this = {"Bucket": bucket, "Key": "k"}
    s3.put_object(Body=b"x", Tagging="a=1&b=two%20words&empty=", **this)
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "two words"}, {"Key": "empty", "Value": ""}]
    assert s3.get_object_tagging(**this)["TagSet"] == tags
    assert s3.get_object(**this)["TagCount"] == 3
    s3.put_object_tagging(Tagging={"TagSet": tags[:1]}, **this)
    assert s3.get_object_tagging(**this)["TagSet"] == tags[:1]
    many = [{"Key": str(number), "Value": "v"} for number in range(11)]
    refused("BadRequest", 400, s3.put_object_tagging, Tagging={"TagSet": many}, **this)
    refused("InvalidTag", 400, s3.put_object_tagging, Tagging={"TagSet": [{"Key": "aws:x", "Value": ""}]}, **this)
    refused("InvalidArgument", 400, s3.put_object, Tagging="a=1&a=2", **this)
    s3.delete_object_tagging(**this)
    assert s3.get_object_tagging(**this)["TagSet"] == []
    assert "TagCount" not in s3.get_object(**this)
    refused("NoSuchKey", 404, s3.get_object_tagging, Bucket=bucket, Key="absent")


def test_get_object_attributes_gives_what_is_asked_for(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ChecksumAlgorithm="SHA256")
    this = {"Bucket": bucket, "Key": "k"}
    every = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    told = s3.get_object_attributes(ObjectAttributes=every, **this)
    assert (told["ETag"], told["ObjectSize"], told["StorageClass"]) == (hashlib.md5(b"x").hexdigest(), 1, "STANDARD")
    assert told["Checksum"]["ChecksumSHA256"]
    assert "ObjectParts" not in told
    assert set(s3.get_object_attributes(ObjectAttributes=["ObjectSize"], **this)) >= {"ObjectSize", "LastModified"}
    assert "ETag" not in s3.get_object_attributes(ObjectAttributes=["ObjectSize"], **this)


def test_get_object_by_part_number_of_an_object_in_one_piece(s3: Any, bucket: str, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=SOME)
    got = s3.get_object(Bucket=bucket, Key="k", PartNumber=1)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["Body"].read() == SOME
    assert "PartsCount" not in got
    refused("InvalidPartNumber", 416, s3.get_object, Bucket=bucket, Key="k", PartNumber=2)
    refused("InvalidRequest", 400, s3.get_object, Bucket=bucket, Key="k", PartNumber=1, Range="bytes=0-1")


@pytest.mark.parametrize("version", [None, "s3", "s3v4"])
@pytest.mark.parametrize("style", ["path", "virtual"])
def test_presigned_urls_put_and_get(server: Any, client: Any, bucket: str, version: str | None, style: str) -> None:
    # Without a version, boto3 signs URLs in us-east-1 in S3's older way.
    addressing = {"addressing_style": style}
    config = Config(signature_version=version, s3=addressing) if version else Config(s3=addressing)
    s3 = client("s3", config=config)
    for content in (b"few", BIG):
        this = {"Bucket": bucket, "Key": "a b/é"}
        url = s3.generate_presigned_url("put_object", Params={**this, "ContentType": "text/plain"})
        url, host = local(server, url)
        put = requests.put(url, data=content, headers={"Content-Type": "text/plain", "Host": host}, timeout=30)
        assert put.status_code == 200, put.text
        url = s3.generate_presigned_url("get_object", Params={**this, "ResponseContentType": "x/y"})
        url, host = local(server, url)
        got = requests.get(url, headers={"Host": host}, timeout=30)
        assert got.content == content
        assert got.headers["Content-Type"] == "x/y"
        for wrong in (
            url.replace("Signature=", "Signature=0"),
            url.replace("x%2Fy", "x%2Fz"),
            url.replace("Expires=", "Expires=1"),
        ):
            assert requests.get(wrong, headers={"Host": host}, timeout=30).status_code == 403


def local(server: Any, url: str) -> tuple[str, str]:
    """The URL by the server's address, and the host by which it was signed: names of buckets need not resolve here."""
    parts = urlsplit(url)
    return server.url + url.partition(parts.netloc)[2], parts.netloc


def test_presigned_url_that_is_too_old_is_refused(s3: Any, client: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for version in ("s3", "s3v4"):
        signer = client("s3", config=Config(signature_version=version))
        url = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=2)
        assert requests.get(url, timeout=30).status_code == 200
        wait_until(lambda url=url: requests.get(url, timeout=30).status_code == 403)


def test_overwrite_while_reading_gives_the_old_or_the_new_whole(s3: Any, bucket: str) -> None:
    contents = [bytes([number]) * 3_000_000 for number in range(4)]
    s3.put_object(Bucket=bucket, Key="k", Body=contents[0])
    for number in range(1, 4):
        body = s3.get_object(Bucket=bucket, Key="k")["Body"]
        first = body.read(1000)
        s3.put_object(Bucket=bucket, Key="k", Body=contents[number])
        assert first + body.read() == contents[number - 1]
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == contents[3]


def test_deleted_objects_leave_no_files(own_server: Any) -> None:
    server = own_server(COLDFRAME_PRELOAD_MODULES="").start()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="bucket")
    for number in range(3):
        s3.put_object(Bucket="bucket", Key=f"k{number % 2}", Body=BIG)
    blobs = server.data_directory / "blobs"

    def files() -> list[Any]:
        return [path for path in blobs.rglob("*") if path.is_file()]

    wait_until(lambda: len(files()) == 2)
    s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "k0"}, {"Key": "k1"}]})
    wait_until(lambda: not files())
