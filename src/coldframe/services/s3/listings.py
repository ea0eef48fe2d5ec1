"""Lists objects: ListObjects, ListObjectsV2."""

import base64
import binascii
from typing import Any
from urllib.parse import quote

from coldframe.calls import AllowedCall, Parameters
from coldframe.services.operation import operation
from coldframe.services.s3 import errors
from coldframe.services.s3.addressing import bucket_of, existing_bucket, owner, quoted, text_bytes, whole_seconds
from coldframe.state.listings import Page, list_page
from coldframe.state.objects import ListedObject, scan_listing
from coldframe.state.state import State

KEYS_ON_A_PAGE = 1000


@operation("s3", "ListObjects", action="s3:ListBucket", resource=bucket_of)
async def list_objects(call: AllowedCall, state: State) -> Parameters:
    """List a bucket's objects, a page at a time, each page beginning behind a marker."""
    parameters = call.parameters
    existing_bucket(call, state)
    marker = parameters.get("Marker") or ""
    page = await _page(parameters, state, text_bytes(marker))
    told = _told(parameters, page, owner(state))
    told["Marker"] = encoded(parameters, marker)
    # Without a delimiter the client goes on behind the last key that it was told.
    if page.truncated and parameters.get("Delimiter"):
        told["NextMarker"] = encoded(parameters, page.last)
    return told


@operation("s3", "ListObjectsV2", action="s3:ListBucket", resource=bucket_of)
async def list_objects_v2(call: AllowedCall, state: State) -> Parameters:
    """List a bucket's objects, a page at a time, each page beginning where the last one's token says."""
    parameters = call.parameters
    existing_bucket(call, state)
    token, start_after = parameters.get("ContinuationToken"), parameters.get("StartAfter")
    after = read_token(token) if token is not None else text_bytes(start_after or "")
    page = await _page(parameters, state, after)
    told = _told(parameters, page, owner(state) if parameters.get("FetchOwner") else None)
    told["KeyCount"] = len(page.entries) + len(page.common_prefixes)
    if token is not None:
        told["ContinuationToken"] = token
    if start_after is not None:
        told["StartAfter"] = encoded(parameters, start_after)
    if page.truncated:
        told["NextContinuationToken"] = make_token(page.next_after)
    return told


def page_size(parameters: Parameters, name: str) -> int:
    """How many entries a page may have, as asked for and as S3 allows."""
    size: int = parameters.get(name, KEYS_ON_A_PAGE)
    if size < 0:
        raise errors.InvalidArgument(
            message=f"Argument {name} must be an integer between 0 and 2147483647",
            members={"ArgumentName": name, "ArgumentValue": str(size)},
        )
    return min(size, KEYS_ON_A_PAGE)


def encoded(parameters: Parameters, text: str | None) -> str | None:
    """Text as the answer tells it: percent-encoded if the caller asked for that, since XML cannot hold every key."""
    return quote(text, safe="/") if text and parameters.get("EncodingType") == "url" else text


def make_token(after: bytes) -> str:
    """Where the next page begins, as text that clients hand back."""
    return base64.urlsafe_b64encode(after).decode()


def read_token(token: str) -> bytes:
    """What make_token made a token of."""
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise errors.InvalidArgument(
            message="The continuation token provided is incorrect",
            members={"ArgumentName": "continuation-token", "ArgumentValue": token},
        ) from None


async def _page(parameters: Parameters, state: State, after: bytes) -> Page[ListedObject]:
    bucket, prefix = parameters["Bucket"], parameters.get("Prefix") or ""
    delimiter = parameters.get("Delimiter") or ""
    text_bytes(prefix + delimiter)
    limit = page_size(parameters, "MaxKeys")
    return await state.database.read_in_thread(
        lambda connection: list_page(
            lambda behind, count: scan_listing(connection, bucket, prefix, behind, count),
            prefix,
            delimiter,
            after,
            limit,
        )
    )


def _told(parameters: Parameters, page: Page[ListedObject], owner_of_all: dict[str, Any] | None) -> Parameters:
    return {
        "Name": parameters["Bucket"],
        "Prefix": encoded(parameters, parameters.get("Prefix") or ""),
        "Delimiter": encoded(parameters, parameters.get("Delimiter")),
        "MaxKeys": page_size(parameters, "MaxKeys"),
        "EncodingType": parameters.get("EncodingType"),
        "IsTruncated": page.truncated,
        "Contents": [_entry(parameters, entry, owner_of_all) for entry in page.entries],
        "CommonPrefixes": [{"Prefix": encoded(parameters, prefix)} for prefix in page.common_prefixes],
    }


def _entry(parameters: Parameters, entry: ListedObject, owner_of_all: dict[str, Any] | None) -> Parameters:
    told: Parameters = {
        "Key": encoded(parameters, entry.key),
        "LastModified": whole_seconds(entry.last_modified),
        "ETag": quoted(entry.etag),
        "Size": entry.size,
        "StorageClass": entry.storage_class,
    }
    if entry.checksum_algorithm:
        told["ChecksumAlgorithm"] = [entry.checksum_algorithm]
        told["ChecksumType"] = entry.checksum_type
    if owner_of_all is not None:
        told["Owner"] = owner_of_all
    return told
