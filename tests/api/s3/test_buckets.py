"""Buckets through boto3: create, head, list, delete, location, settings."""

from typing import Any

import pytest
from botocore.exceptions import ClientError


def test_create_bucket_twice_in_us_east_1_is_no_error(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="kept", Body=b"x")
    assert s3.create_bucket(Bucket=bucket)["Location"] == f"/{bucket}"
    assert s3.head_object(Bucket=bucket, Key="kept")["ContentLength"] == 1


def test_create_bucket_twice_elsewhere_says_that_it_is_yours(s3: Any, unique_name: Any, refused: Any) -> None:
    there = {"Bucket": unique_name("b"), "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    s3.create_bucket(**there)
    assert s3.get_bucket_location(Bucket=there["Bucket"])["LocationConstraint"] == "eu-west-1"
    assert s3.head_bucket(Bucket=there["Bucket"])["BucketRegion"] == "eu-west-1"
    answer = refused("BucketAlreadyOwnedByYou", 409, s3.create_bucket, **there)
    assert answer["Error"]["BucketName"] == there["Bucket"]


def test_create_bucket_with_us_east_1_as_constraint_is_refused(s3: Any, unique_name: Any, refused: Any) -> None:
    there = {"LocationConstraint": "us-east-1"}
    name = unique_name("b")
    refused("InvalidLocationConstraint", 400, s3.create_bucket, Bucket=name, CreateBucketConfiguration=there)


def test_create_bucket_in_another_region_follows_that_regions_rules(own_server: Any, refused: Any) -> None:
    s3 = own_server("--region", "eu-west-1", COLDFRAME_PRELOAD_MODULES="").start().client("s3", region_name="eu-west-1")
    refused("IllegalLocationConstraintException", 400, s3.create_bucket, Bucket="unspecified")
    s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    elsewhere = {"LocationConstraint": "us-west-2"}
    refused(
        "IllegalLocationConstraintException",
        400,
        s3.create_bucket,
        Bucket="other",
        CreateBucketConfiguration=elsewhere,
    )
    assert [found["Name"] for found in s3.list_buckets()["Buckets"]] == ["mine"]


@pytest.mark.parametrize(
    "name", ["ab", "Upper", "under_score", "-first", "last-", "a..b", "192.168.0.1", "xn--a", "a-s3alias", "x" * 64]
)
def test_create_bucket_with_a_bad_name_is_refused(client: Any, name: str, refused: Any) -> None:
    s3 = client("s3")
    s3.meta.events.unregister("before-parameter-build.s3")  # boto3 would not send some of these
    refused("InvalidBucketName", 400, s3.create_bucket, Bucket=name)


def test_create_bucket_with_acl_or_object_lock_is_refused(s3: Any, unique_name: Any, refused: Any) -> None:
    name = unique_name("b")
    refused("InvalidBucketAclWithObjectOwnership", 400, s3.create_bucket, Bucket=name, ACL="public-read")
    refused("NotImplemented", 501, s3.create_bucket, Bucket=name, ObjectLockEnabledForBucket=True)


def test_head_bucket_that_does_not_exist_is_404(s3: Any, unique_name: Any, refused: Any) -> None:
    refused("404", 404, s3.head_bucket, Bucket=unique_name("absent"))


def test_get_bucket_location_of_us_east_1_is_nothing(s3: Any, bucket: str) -> None:
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None


def test_list_buckets_by_prefix_and_page(s3: Any, unique_name: Any) -> None:
    names = sorted(unique_name("page") for _ in range(5))
    for name in names:
        s3.create_bucket(Bucket=name)
    found: list[str] = []
    for page in s3.get_paginator("list_buckets").paginate(Prefix="page-", PaginationConfig={"PageSize": 2}):
        assert len(page["Buckets"]) <= 2
        found += [entry["Name"] for entry in page["Buckets"]]
    assert found == names
    assert {"ID"} <= set(s3.list_buckets()["Owner"])


def test_delete_bucket_that_is_not_empty_is_refused(s3: Any, bucket: str, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="key")
    refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="key")
    s3.create_multipart_upload(Bucket=bucket, Key="unfinished")
    s3.delete_bucket(Bucket=bucket)
    refused("NoSuchBucket", 404, s3.delete_bucket, Bucket=bucket)


def test_every_operation_on_an_absent_bucket_says_so(s3: Any, unique_name: Any, refused: Any) -> None:
    name = unique_name("absent")
    for operation, parameters in [
        (s3.list_objects_v2, {}),
        (s3.list_objects, {}),
        (s3.get_object, {"Key": "k"}),
        (s3.put_object, {"Key": "k", "Body": b"x" * 100_000}),
        (s3.delete_object, {"Key": "k"}),
        (s3.delete_objects, {"Delete": {"Objects": [{"Key": "k"}]}}),
        (s3.create_multipart_upload, {"Key": "k"}),
        (s3.list_multipart_uploads, {}),
        (s3.get_bucket_tagging, {}),
        (s3.get_bucket_versioning, {}),
        (s3.get_bucket_acl, {}),
    ]:
        answer = refused("NoSuchBucket", 404, operation, Bucket=name, **parameters)
        assert answer["Error"]["BucketName"] == name


def test_expected_bucket_owner_is_checked(s3: Any, bucket: str, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ExpectedBucketOwner="000000000000")
    other = {"Bucket": bucket, "ExpectedBucketOwner": "111111111111"}
    refused("403", 403, s3.head_bucket, **other)
    refused("AccessDenied", 403, s3.get_object, Key="k", **other)
    refused("AccessDenied", 403, s3.put_object, Key="k", **other)
    refused("AccessDenied", 403, s3.list_objects_v2, **other)
    refused("AccessDenied", 403, s3.delete_object, Key="k", **other)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_bucket_tagging(s3: Any, bucket: str, refused: Any) -> None:
    refused("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=bucket)
    tags = [{"Key": "team", "Value": "dogs"}, {"Key": "empty", "Value": ""}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    twice = {"TagSet": [tags[0], tags[0]]}
    refused("InvalidTag", 400, s3.put_bucket_tagging, Bucket=bucket, Tagging=twice)
    s3.delete_bucket_tagging(Bucket=bucket)
    refused("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=bucket)


def test_bucket_encryption_is_kept_and_told_of_new_objects(s3: Any, bucket: str) -> None:
    usual = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert usual["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "my-key"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    kept = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert kept["ApplyServerSideEncryptionByDefault"] == rule["ApplyServerSideEncryptionByDefault"]
    assert s3.put_object(Bucket=bucket, Key="k")["ServerSideEncryption"] == "aws:kms"
    assert s3.head_object(Bucket=bucket, Key="k")["SSEKMSKeyId"] == "my-key"
    s3.delete_bucket_encryption(Bucket=bucket)
    assert s3.put_object(Bucket=bucket, Key="k")["ServerSideEncryption"] == "AES256"


def test_public_access_block_is_kept(s3: Any, bucket: str, refused: Any) -> None:
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    kept = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert [name for name, value in kept.items() if value] == ["BlockPublicAcls"]
    s3.delete_public_access_block(Bucket=bucket)
    refused("NoSuchPublicAccessBlockConfiguration", 404, s3.get_public_access_block, Bucket=bucket)


def test_versioning_is_off_and_cannot_be_enabled(s3: Any, bucket: str, refused: Any) -> None:
    answer = s3.get_bucket_versioning(Bucket=bucket)
    assert "Status" not in answer
    on = {"Status": "Enabled"}
    answer = refused("NotImplemented", 501, s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=on)
    assert "PutBucketVersioning" in answer["Error"]["Message"]


def test_acls_say_that_the_owner_has_it_all(s3: Any, bucket: str, refused: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", ACL="bucket-owner-full-control")
    for acl in (s3.get_bucket_acl(Bucket=bucket), s3.get_object_acl(Bucket=bucket, Key="k")):
        (grant,) = acl["Grants"]
        assert grant["Permission"] == "FULL_CONTROL"
        assert grant["Grantee"]["Type"] == "CanonicalUser"
        assert grant["Grantee"]["ID"] == acl["Owner"]["ID"]
    refused("AccessControlListNotSupported", 400, s3.put_object, Bucket=bucket, Key="k", ACL="public-read")
    with pytest.raises(ClientError, match="NotImplemented"):
        s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
