"""URLs of signature version 2 open what they were made for, and nothing else."""

import time

import pytest
from botocore.auth import HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as ClientCredentials

from coldframe.calls import Request
from coldframe.errors import AwsError
from coldframe.identity.claims import timestamp_of
from identity.signed_requests import KEY, SECRET, request_of, verifier_at, verify, with_changes


def presigned(method: str, target: str, expires: int = 60) -> Request:
    url = f"http://localhost:4599{target}"
    client_request = AWSRequest(method=method, url=url, auth_path=target.partition("?")[0])
    HmacV1QueryAuth(ClientCredentials(KEY, SECRET), expires=expires).add_auth(client_request)
    return request_of(method, client_request.url.removeprefix("http://localhost:4599"), {"host": "localhost:4599"})


def now_verifier(after: float = 0.0):
    verifier, clock = verifier_at(timestamp_of(time.time()))
    clock.time += after
    return verifier


@pytest.mark.parametrize(
    "target", ["/b/k", "/b/some/k%20ey.txt", "/b/k?versionId=3", "/b?prefix=a&list-type=2", "/b?acl"]
)
def test_older_presigned_url(target: str) -> None:
    assert verify(now_verifier(), presigned("GET", target)).principal.kind == "root"


@pytest.mark.parametrize(
    "added",
    ["acl", "%61cl", "tagging", "encryption", "attributes", "publicAccessBlock", "uploads", "versionId=1", "unknown=1"],
)
def test_older_presigned_url_cannot_be_turned_into_another(added: str) -> None:
    request = presigned("GET", "/b/k")
    for query in (f"{added}&{request.query_string}", f"{request.query_string}&{added}"):
        with pytest.raises(AwsError, match="does not match"):
            verify(now_verifier(), with_changes(request, query_string=query))


@pytest.mark.parametrize("changes", [{"method": "PUT"}, {"raw_path": "/b/other"}, {"raw_path": "/other/k"}])
def test_older_presigned_url_of_another_request(changes: dict[str, str]) -> None:
    with pytest.raises(AwsError, match="does not match"):
        verify(now_verifier(), with_changes(presigned("GET", "/b/k"), **changes))


def test_older_presigned_url_refuses_added_amz_header() -> None:
    request = presigned("PUT", "/b/k")
    with pytest.raises(AwsError, match="does not match"):
        verify(now_verifier(), with_changes(request, headers={**request.headers, "x-amz-copy-source": "b/other"}))


def test_older_presigned_url_expires() -> None:
    with pytest.raises(AwsError, match="expired"):
        verify(now_verifier(after=62), presigned("GET", "/b/k"))


def test_older_presigned_url_is_for_s3_only() -> None:
    assert verify(now_verifier(), presigned("GET", "/"), "sts").principal.kind == "anonymous"
