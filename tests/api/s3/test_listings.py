"""Listings through boto3: both versions, prefixes, delimiters, pages, encodings."""

from typing import Any

import pytest

KEYS = ["a", "a/1", "a/2/x", "a/2/y", "b", "b c", "c/é", "c/\uffff", "c/\U0001f600", "z+%"]


@pytest.fixture
def filled(s3: Any, bucket: str) -> str:
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def keys_of(page: dict[str, Any]) -> list[str]:
    return [entry["Key"] for entry in page.get("Contents", ())]


def prefixes_of(page: dict[str, Any]) -> list[str]:
    return [entry["Prefix"] for entry in page.get("CommonPrefixes", ())]


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
def test_list_objects_sorts_by_utf8(s3: Any, filled: str, operation: str) -> None:
    page = getattr(s3, operation)(Bucket=filled)
    assert keys_of(page) == sorted(KEYS, key=str.encode)
    assert page["IsTruncated"] is False
    first = page["Contents"][0]
    assert (first["Size"], first["StorageClass"]) == (1, "STANDARD")
    assert first["ETag"] == s3.head_object(Bucket=filled, Key="a")["ETag"]


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
def test_list_objects_with_prefix_and_delimiter(s3: Any, filled: str, operation: str) -> None:
    page = getattr(s3, operation)(Bucket=filled, Delimiter="/")
    assert keys_of(page) == ["a", "b", "b c", "z+%"]
    assert prefixes_of(page) == ["a/", "c/"]
    page = getattr(s3, operation)(Bucket=filled, Delimiter="/", Prefix="a/")
    assert (keys_of(page), prefixes_of(page)) == (["a/1"], ["a/2/"])
    page = getattr(s3, operation)(Bucket=filled, Delimiter=" ", Prefix="b")
    assert (keys_of(page), prefixes_of(page)) == (["b"], ["b "])
    page = getattr(s3, operation)(Bucket=filled, Prefix="nothing/")
    assert (keys_of(page), prefixes_of(page), page["IsTruncated"]) == ([], [], False)


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_list_objects_pages_with_delimiter(s3: Any, filled: str, operation: str, size: int) -> None:
    found: list[str] = []
    pages = s3.get_paginator(operation).paginate(Bucket=filled, Delimiter="/", PaginationConfig={"PageSize": size})
    for page in pages:
        names = keys_of(page) + prefixes_of(page)
        assert len(names) <= size
        found += names
    assert sorted(found) == ["a", "a/", "b", "b c", "c/", "z+%"]


def test_list_objects_v1_goes_on_behind_the_marker(s3: Any, filled: str) -> None:
    page = s3.list_objects(Bucket=filled, MaxKeys=2, Marker="a")
    assert keys_of(page) == ["a/1", "a/2/x"]
    assert page["IsTruncated"] is True
    assert "NextMarker" not in page
    assert page["Marker"] == "a"
    page = s3.list_objects(Bucket=filled, Delimiter="/", MaxKeys=2)
    assert page["NextMarker"] == "a/"


def test_list_objects_v2_tells_counts_and_tokens(s3: Any, filled: str, refused: Any) -> None:
    page = s3.list_objects_v2(Bucket=filled, MaxKeys=4, StartAfter="a/1")
    assert keys_of(page) == ["a/2/x", "a/2/y", "b", "b c"]
    assert (page["KeyCount"], page["MaxKeys"], page["StartAfter"]) == (4, 4, "a/1")
    following = s3.list_objects_v2(Bucket=filled, MaxKeys=4, ContinuationToken=page["NextContinuationToken"])
    assert keys_of(following)[0] == "c/é"
    assert following["ContinuationToken"] == page["NextContinuationToken"]
    refused("InvalidArgument", 400, s3.list_objects_v2, Bucket=filled, ContinuationToken="no token!")


def test_list_objects_v2_with_zero_keys(s3: Any, filled: str) -> None:
    page = s3.list_objects_v2(Bucket=filled, MaxKeys=0)
    assert (page["KeyCount"], page["IsTruncated"]) == (0, False)


def test_list_objects_with_negative_max_keys_is_refused(s3: Any, filled: str, refused: Any) -> None:
    refused("InvalidArgument", 400, s3.list_objects_v2, Bucket=filled, MaxKeys=-1)


def test_list_objects_tells_the_owner_when_asked(s3: Any, filled: str) -> None:
    assert "Owner" not in s3.list_objects_v2(Bucket=filled)["Contents"][0]
    assert "Owner" in s3.list_objects_v2(Bucket=filled, FetchOwner=True)["Contents"][0]
    assert "Owner" in s3.list_objects(Bucket=filled)["Contents"][0]


def test_list_objects_encodes_when_asked(s3: Any, filled: str) -> None:
    # boto3 asks for the encoding itself and takes it back, unless the caller asks for it.
    page = s3.list_objects_v2(Bucket=filled, EncodingType="url", Prefix="c/", StartAfter="c/")
    assert keys_of(page)[0] == "c/%C3%A9"
    page = s3.list_objects_v2(Bucket=filled, EncodingType="url", Prefix="b ", Delimiter=" c")
    assert page["Prefix"] == "b%20"
    assert keys_of(s3.list_objects_v2(Bucket=filled, EncodingType="url", Prefix="z"))[0] == "z%2B%25"
