"""Multipart uploads through boto3: parts, listings, completion, abortion, checksums."""

import base64
import hashlib
import io
import os
from typing import Any

import pytest
from awscrt import checksums
from boto3.s3.transfer import TransferConfig

MIB = 1024 * 1024
ONE, TWO, THREE = os.urandom(5 * MIB), os.urandom(5 * MIB + 3), os.urandom(100)


@pytest.fixture
def upload(s3: Any, bucket: str) -> dict[str, str]:
    """An upload under way, as the parameters that its operations share."""
    begun = s3.create_multipart_upload(Bucket=bucket, Key="k/ü", ContentType="a/b", Metadata={"m": "1"}, Tagging="t=1")
    return {"Bucket": bucket, "Key": "k/ü", "UploadId": begun["UploadId"]}


def put_parts(s3: Any, upload: dict[str, str], **parts: bytes) -> list[dict[str, Any]]:
    listed = []
    for number, content in parts.items():
        answer = s3.upload_part(PartNumber=int(number[1:]), Body=content, **upload)
        listed.append({"PartNumber": int(number[1:]), "ETag": answer["ETag"]})
    return listed


def test_complete_multipart_upload_makes_one_object(s3: Any, bucket: str, upload: dict[str, str]) -> None:
    parts = put_parts(s3, upload, p1=ONE, p7=TWO, p9=THREE)
    done = s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)
    md5s = b"".join(hashlib.md5(part).digest() for part in (ONE, TWO, THREE))
    assert done["ETag"] == f'"{hashlib.md5(md5s).hexdigest()}-3"'
    assert (done["Bucket"], done["Key"]) == (bucket, "k/ü")
    got = s3.get_object(Bucket=bucket, Key="k/ü")
    assert got["Body"].read() == ONE + TWO + THREE
    assert (got["ContentType"], got["Metadata"], got["TagCount"]) == ("a/b", {"m": "1"}, 1)
    ranged = s3.get_object(Bucket=bucket, Key="k/ü", Range=f"bytes={len(ONE) - 2}-{len(ONE) + len(TWO) + 1}")
    assert ranged["Body"].read() == ONE[-2:] + TWO + THREE[:2]
    second = s3.get_object(Bucket=bucket, Key="k/ü", PartNumber=2)
    assert second["Body"].read() == TWO
    assert second["PartsCount"] == 3
    assert second["ContentRange"] == f"bytes {len(ONE)}-{len(ONE) + len(TWO) - 1}/{len(ONE + TWO + THREE)}"
    told = s3.get_object_attributes(Bucket=bucket, Key="k/ü", ObjectAttributes=["ObjectParts"], MaxParts=2)
    assert told["ObjectParts"]["TotalPartsCount"] == 3
    assert [part["Size"] for part in told["ObjectParts"]["Parts"]] == [len(ONE), len(TWO)]
    assert told["ObjectParts"]["IsTruncated"] is True
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_complete_multipart_upload_twice_answers_the_same(s3: Any, upload: dict[str, str], refused: Any) -> None:
    parts = {"Parts": put_parts(s3, upload, p1=THREE)}
    first = s3.complete_multipart_upload(MultipartUpload=parts, **upload)
    again = s3.complete_multipart_upload(MultipartUpload=parts, **upload)
    assert first["ETag"] == again["ETag"]
    s3.put_object(Bucket=upload["Bucket"], Key=upload["Key"])
    refused("NoSuchUpload", 404, s3.complete_multipart_upload, MultipartUpload=parts, **upload)


def test_complete_multipart_upload_leaves_out_parts_that_are_not_listed(s3: Any, upload: dict[str, str]) -> None:
    parts = put_parts(s3, upload, p1=ONE, p2=TWO, p3=THREE)
    s3.complete_multipart_upload(MultipartUpload={"Parts": [parts[0], parts[2]]}, **upload)
    got = s3.get_object(Bucket=upload["Bucket"], Key=upload["Key"])
    assert got["Body"].read() == ONE + THREE


def test_upload_part_again_replaces_it(s3: Any, upload: dict[str, str], refused: Any) -> None:
    old = put_parts(s3, upload, p1=THREE)
    new = put_parts(s3, upload, p1=ONE)
    refused("InvalidPart", 400, s3.complete_multipart_upload, MultipartUpload={"Parts": old}, **upload)
    s3.complete_multipart_upload(MultipartUpload={"Parts": new}, **upload)
    assert s3.head_object(Bucket=upload["Bucket"], Key=upload["Key"])["ContentLength"] == len(ONE)


def test_complete_multipart_upload_with_bad_parts_is_refused(s3: Any, upload: dict[str, str], refused: Any) -> None:
    def complete(code: str, *parts: dict[str, Any]) -> dict[str, Any]:
        listed = {"Parts": list(parts)}
        return refused(code, 400, s3.complete_multipart_upload, MultipartUpload=listed, **upload)

    one, two, three = put_parts(s3, upload, p1=ONE, p2=THREE, p3=THREE)
    answer = complete("EntityTooSmall", one, two, three)
    assert (answer["Error"]["ProposedSize"], answer["Error"]["PartNumber"]) == ("100", "2")
    complete("InvalidPartOrder", two, one)
    complete("InvalidPartOrder", one, one)
    complete("InvalidPart", one, {"PartNumber": 4, "ETag": three["ETag"]})
    complete("InvalidPart", {"PartNumber": 1, "ETag": three["ETag"]})
    complete("MalformedXML")
    s3.complete_multipart_upload(MultipartUpload={"Parts": [one, two]}, **upload)


def test_upload_part_of_no_upload_is_refused(s3: Any, upload: dict[str, str], refused: Any) -> None:
    refused("NoSuchUpload", 404, s3.upload_part, PartNumber=1, Body=ONE, **{**upload, "UploadId": "none"})
    refused("NoSuchUpload", 404, s3.upload_part, PartNumber=1, Body=b"", **{**upload, "Key": "other"})
    refused("InvalidArgument", 400, s3.upload_part, PartNumber=0, Body=b"", **upload)
    refused("InvalidArgument", 400, s3.upload_part, PartNumber=10_001, Body=b"", **upload)


def test_abort_multipart_upload_forgets_it(s3: Any, upload: dict[str, str], refused: Any) -> None:
    parts = put_parts(s3, upload, p1=ONE)
    s3.abort_multipart_upload(**upload)
    refused("NoSuchUpload", 404, s3.abort_multipart_upload, **upload)
    refused("NoSuchUpload", 404, s3.list_parts, **upload)
    refused("NoSuchUpload", 404, s3.complete_multipart_upload, MultipartUpload={"Parts": parts}, **upload)
    refused("NoSuchKey", 404, s3.get_object, Bucket=upload["Bucket"], Key=upload["Key"])


def test_list_parts_by_page(s3: Any, upload: dict[str, str]) -> None:
    put_parts(s3, upload, p3=b"3", p1=b"1", p20=b"22")
    page = s3.list_parts(MaxParts=2, **upload)
    assert [part["PartNumber"] for part in page["Parts"]] == [1, 3]
    assert (page["IsTruncated"], page["NextPartNumberMarker"]) == (True, 3)
    page = s3.list_parts(PartNumberMarker=3, **upload)
    assert [(part["PartNumber"], part["Size"]) for part in page["Parts"]] == [(20, 2)]
    assert page["Parts"][0]["ETag"] == f'"{hashlib.md5(b"22").hexdigest()}"'
    assert page["IsTruncated"] is False


def test_list_multipart_uploads_by_key_and_age(s3: Any, bucket: str) -> None:
    keys = ("b", "a", "dir/1", "b", "b", "dir/2")
    begun = [(key, s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]) for key in keys]
    expected = sorted(begun, key=lambda one: (one[0], begun.index(one)))
    for size in (1, 2, 4, 10):
        found = []
        pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
        for page in pages:
            assert len(page["Uploads"]) <= size
            found += [(one["Key"], one["UploadId"]) for one in page["Uploads"]]
        assert found == expected
    page = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/", Prefix="")
    assert [one["Prefix"] for one in page["CommonPrefixes"]] == ["dir/"]
    assert [one["Key"] for one in page["Uploads"]] == ["a", "b", "b", "b"]


def test_upload_part_copy_takes_whole_objects_and_ranges(
    s3: Any, bucket: str, upload: dict[str, str], refused: Any
) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=ONE)
    source = {"Bucket": bucket, "Key": "source"}
    whole = s3.upload_part_copy(PartNumber=1, CopySource=source, **upload)["CopyPartResult"]
    ranged = s3.upload_part_copy(PartNumber=2, CopySource=source, CopySourceRange="bytes=10-19", **upload)
    for bad in ("bytes=0-99999999", "bytes=5-", "0-5", "bytes=9-2"):
        refused(
            "InvalidArgument",
            400,
            s3.upload_part_copy,
            PartNumber=3,
            CopySource=source,
            CopySourceRange=bad,
            **upload,
        )
    s3.delete_object(**source)
    parts = [
        {"PartNumber": 1, "ETag": whole["ETag"]},
        {"PartNumber": 2, "ETag": ranged["CopyPartResult"]["ETag"]},
    ]
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)
    assert s3.get_object(Bucket=bucket, Key=upload["Key"])["Body"].read() == ONE + ONE[10:20]


def test_copy_object_of_a_multipart_object_has_an_md5(s3: Any, bucket: str, upload: dict[str, str]) -> None:
    parts = put_parts(s3, upload, p1=ONE, p2=THREE)
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)
    source = {"Bucket": bucket, "Key": upload["Key"]}
    result = s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)["CopyObjectResult"]
    assert result["ETag"] == f'"{hashlib.md5(ONE + THREE).hexdigest()}"'
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == ONE + THREE


def test_composite_checksum_is_of_the_parts_checksums(s3: Any, bucket: str, refused: Any) -> None:
    begun = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")
    assert begun["ChecksumType"] == "COMPOSITE"
    upload = {"Bucket": bucket, "Key": "k", "UploadId": begun["UploadId"]}
    parts = []
    for number, content in enumerate((ONE, THREE), start=1):
        answer = s3.upload_part(PartNumber=number, Body=content, ChecksumAlgorithm="SHA256", **upload)
        assert answer["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(content).digest()).decode()
        parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": answer["ChecksumSHA256"]})
    refused("InvalidRequest", 400, s3.upload_part, PartNumber=3, Body=b"x", ChecksumAlgorithm="CRC32", **upload)
    done = s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)
    whole = hashlib.sha256(hashlib.sha256(ONE).digest() + hashlib.sha256(THREE).digest()).digest()
    assert done["ChecksumSHA256"] == base64.b64encode(whole).decode() + "-2"
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["ChecksumSHA256"] == done["ChecksumSHA256"]
    assert got["Body"].read() == ONE + THREE
    part = s3.get_object(Bucket=bucket, Key="k", PartNumber=2, ChecksumMode="ENABLED")
    assert part["Body"].read() == THREE


@pytest.mark.parametrize(
    ("algorithm", "function", "size"),
    [("CRC32", checksums.crc32, 4), ("CRC32C", checksums.crc32c, 4), ("CRC64NVME", checksums.crc64nvme, 8)],
)
def test_full_object_checksum_is_of_all_bytes(
    s3: Any, bucket: str, algorithm: str, function: Any, size: int, refused: Any
) -> None:
    begun = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm=algorithm, ChecksumType="FULL_OBJECT")
    upload = {"Bucket": bucket, "Key": "k", "UploadId": begun["UploadId"]}
    parts = []
    for number, content in enumerate((ONE, TWO, THREE), start=1):
        answer = s3.upload_part(PartNumber=number, Body=content, ChecksumAlgorithm=algorithm, **upload)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    whole = base64.b64encode(function(ONE + TWO + THREE).to_bytes(size, "big")).decode()
    wrong = base64.b64encode(function(ONE).to_bytes(size, "big")).decode()
    complete = {"MultipartUpload": {"Parts": parts}, "ChecksumType": "FULL_OBJECT", **upload}
    refused("BadDigest", 400, s3.complete_multipart_upload, **complete, **{f"Checksum{algorithm}": wrong})
    refused("InvalidRequest", 400, s3.complete_multipart_upload, **complete, MpuObjectSize=5)
    done = s3.complete_multipart_upload(**complete, **{f"Checksum{algorithm}": whole})
    assert done[f"Checksum{algorithm}"] == whole
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumType"] == "FULL_OBJECT"


def test_create_multipart_upload_with_an_impossible_checksum_type(s3: Any, bucket: str, refused: Any) -> None:
    create = {"Bucket": bucket, "Key": "k"}
    for algorithm, kind in (("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")):
        refused(
            "InvalidRequest",
            400,
            s3.create_multipart_upload,
            ChecksumAlgorithm=algorithm,
            ChecksumType=kind,
            **create,
        )


def test_upload_fileobj_and_download_fileobj(s3: Any, bucket: str) -> None:
    content = os.urandom(17 * MIB + 5)
    transfer = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)
    s3.upload_fileobj(io.BytesIO(content), bucket, "big", Config=transfer)
    assert s3.head_object(Bucket=bucket, Key="big")["ETag"].endswith('-4"')
    target = io.BytesIO()
    s3.download_fileobj(bucket, "big", target, Config=transfer)
    assert target.getvalue() == content
    s3.copy({"Bucket": bucket, "Key": "big"}, bucket, "copied", Config=transfer)
    assert s3.get_object(Bucket=bucket, Key="copied")["Body"].read() == content
