"""Plain requests, as a client of no particular make would send them, and what the gateway makes of them."""

import asyncio
from typing import Any

from coldframe.calls import BytesBody, Parameters, Request, RoutedCall
from conformance.botocore_wire import ROUTER


def request(
    method: str,
    path: str,
    query: str = "",
    *,
    scope: str | None = "s3",
    body: bytes = b"",
    **headers: str,
) -> Request:
    """A request with these headers, underscores in their names standing for hyphens; signed for a service's scope."""
    named = {"host": "127.0.0.1:4599"} | {name.replace("_", "-"): value for name, value in headers.items()}
    if scope is not None:
        named["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/{scope}/aws4_request, SignedHeaders=host, Signature=0"
        )
    return Request(method, path, query, named, BytesBody(body), "127.0.0.1", "http", "the-request", 0.0)


def route(sent: Request) -> RoutedCall:
    """Route a request."""
    return asyncio.run(ROUTER.route(sent))


def parse(sent: Request) -> Parameters:
    """Route a request and read its parameters; a streamed body is left as it is."""
    routed = route(sent)
    body: Any = routed.request.body
    return routed.codec.parse(routed, body if routed.codec.streaming_input else body.content)


def parse_json(service: str, operation: str, body: bytes) -> Parameters:
    """Read a call in AWS JSON."""
    prefixes = {"sagemaker": "SageMaker", "logs": "Logs_20140328"}
    return parse(request("POST", "/", scope=service, body=body, x_amz_target=f"{prefixes[service]}.{operation}"))
