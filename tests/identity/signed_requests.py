"""Requests as a client would sign them, and a verifier to show them to."""

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as ClientCredentials
from botocore.crt.auth import CrtS3SigV4Auth, CrtS3SigV4QueryAuth, CrtSigV4Auth, CrtSigV4QueryAuth

from coldframe.arns import Scope
from coldframe.calls import Body, BytesBody, Principal, RawBody, Request, RoutedCall, SignedCall
from coldframe.identity.claims import seconds_of
from coldframe.identity.credentials import Credential
from coldframe.identity.verification import Verifier

KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SIGNERS: dict[tuple[str, bool], Any] = {
    ("python", False): (SigV4Auth, S3SigV4Auth),
    ("python", True): (SigV4QueryAuth, S3SigV4QueryAuth),
    ("crt", False): (CrtSigV4Auth, CrtS3SigV4Auth),
    ("crt", True): (CrtSigV4QueryAuth, CrtS3SigV4QueryAuth),
}
"""botocore's two implementations, which have no code in common; each for headers and URLs, for all and for S3."""
PRINCIPAL = Principal("arn:aws:iam::123456789012:root", "123456789012", "root", "123456789012", KEY)


class FixedClock:
    """Tells one time until it is given another."""

    def __init__(self, now: float) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class Keys:
    """Credentials in a dictionary."""

    def __init__(self, *credentials: Credential) -> None:
        self.by_id = {credential.access_key_id: credential for credential in credentials}

    def find(self, access_key_id: str) -> Credential | None:
        return self.by_id.get(access_key_id)


def verifier_at(
    timestamp: str, *credentials: Credential, region: str = "us-east-1", secret: str = SECRET
) -> tuple[Verifier, FixedClock]:
    """A verifier whose clock stands at a timestamp of the form 20130524T000000Z."""
    clock = FixedClock(seconds_of(timestamp))
    keys = Keys(*(credentials or (Credential(KEY, secret, PRINCIPAL),)))
    return Verifier(keys, Scope("123456789012", region), clock, body_bytes=1 << 20), clock


def request_of(
    method: str, target: str, headers: Mapping[str, str], content: bytes = b"", body: Body | None = None
) -> Request:
    """A request as the server makes it from what came over the wire."""
    path, _, query = target.partition("?")
    return Request(
        method=method,
        raw_path=path,
        query_string=query,
        headers={name.lower(): str(value).strip(" \t") for name, value in headers.items()},
        body=body or BytesBody(content),
        client="127.0.0.1",
        scheme="http",
        request_id="request",
        received_at=0.0,
    )


def routed(request: Request, service: str = "s3") -> RoutedCall:
    return RoutedCall(request=request, service=service, operation="Any", path_values={}, codec=None)


def verify(verifier: Verifier, request: Request, service: str = "s3") -> SignedCall:
    return asyncio.run(verifier.verify(routed(request, service)))


def content_of(body: Body) -> bytes:
    async def read() -> bytes:
        return b"".join([piece async for piece in body])

    return asyncio.run(read())


def signed_by_botocore(
    method: str,
    url: str,
    *,
    service: str = "s3",
    region: str = "us-east-1",
    content: bytes = b"",
    headers: Mapping[str, str] | None = None,
    token: str | None = None,
    expires: int | None = None,
    signing_name: str | None = None,
    implementation: str = "python",
) -> Request:
    """A request signed now by botocore: in its header, or in its URL if `expires` is given."""
    client_request = AWSRequest(method=method, url=url, data=content, headers=dict(headers or {}))
    credentials = ClientCredentials(KEY, SECRET, token)
    in_url = expires is not None
    signer = SIGNERS[implementation, in_url][service == "s3"](
        credentials, signing_name or service, region, **({"expires": expires} if in_url else {})
    )
    signer.add_auth(client_request)
    parts = urlsplit(client_request.url)
    wire = {name: str(value) for name, value in client_request.headers.items()}
    wire.setdefault("host", parts.netloc)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return request_of(method, target, wire, content)


def with_changes(request: Request, **changes: Any) -> Request:
    return dataclasses.replace(request, **changes)


def pieces_body(content: bytes, sizes: list[int], length: int | None = None) -> RawBody:
    """A body that arrives in pieces of these sizes, over and over."""
    pieces: list[bytes] = []
    position = turn = 0
    while position < len(content):
        size = max(1, sizes[turn % len(sizes)])
        pieces.append(content[position : position + size])
        position += size
        turn += 1
    pieces = pieces or [b""]
    messages = iter(
        {"type": "http.request", "body": piece, "more_body": number < len(pieces) - 1}
        for number, piece in enumerate(pieces)
    )

    async def receive() -> Mapping[str, Any]:
        return next(messages)

    return RawBody(receive, length)
