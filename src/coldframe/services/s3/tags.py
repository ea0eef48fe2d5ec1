"""Tags of buckets and objects: what S3 allows, and the two forms in which they come."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from coldframe.services.s3 import errors

OBJECT_TAGS = 10
BUCKET_TAGS = 50
KEY_CHARACTERS = 128
VALUE_CHARACTERS = 256


def tags_of_header(header: str | None) -> dict[str, str]:
    """Tags as they stand in x-amz-tagging: a query string."""
    if not header:
        return {}
    try:
        pairs = parse_qsl(header, keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError:
        pairs = []
    if not pairs or len(dict(pairs)) != len(pairs):
        raise errors.InvalidArgument(
            message="The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without "
            "tag name duplicates.",
            members={"ArgumentName": "x-amz-tagging", "ArgumentValue": header},
        )
    return _checked(pairs, OBJECT_TAGS, "Object tags cannot be greater than 10")


def tags_of_set(tag_set: Iterable[Mapping[str, Any]], limit: int) -> dict[str, str]:
    """Tags as they stand in a Tagging document."""
    pairs = [(tag["Key"], tag["Value"]) for tag in tag_set]
    if len(dict(pairs)) != len(pairs):
        raise errors.InvalidTag(message="Cannot provide multiple Tags with the same key")
    what = "Object" if limit == OBJECT_TAGS else "Bucket"
    return _checked(pairs, limit, f"{what} tags cannot be greater than {limit}")


def as_tag_set(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as they stand in an answer."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _checked(pairs: list[tuple[str, str]], limit: int, too_many: str) -> dict[str, str]:
    if len(pairs) > limit:
        raise errors.BadRequest(message=too_many)
    for key, value in pairs:
        if not key or len(key) > KEY_CHARACTERS:
            raise errors.InvalidTag(message="The TagKey you have provided is invalid", members={"TagKey": key})
        if key.lower().startswith("aws:"):
            raise errors.InvalidTag(message="System tags cannot be added/updated by requester")
        if len(value) > VALUE_CHARACTERS:
            raise errors.InvalidTag(
                message="The TagValue you have provided is invalid", members={"TagKey": key, "TagValue": value}
            )
    return dict(pairs)
