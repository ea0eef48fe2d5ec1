"""Whatever is sent, the gateway's codecs answer with parameters or with an AwsError, and never with anything else."""

import asyncio
import json
from random import Random
from typing import Any

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coldframe.calls import Body, BytesBody, Request
from coldframe.errors import AwsError
from coldframe.gateway.s3_routes import NOT_ROUTED
from coldframe.gateway.unrouted import unrouted_error
from conformance.botocore_wire import PROTOCOLS, ROUTER, operations_of, request_of
from conformance.plain_requests import request
from conformance.shape_values import ShapeValues, input_of
from conformance.test_inputs import STRINGENT

OFTEN = settings(deadline=None, max_examples=150, derandomize=True, suppress_health_check=list(HealthCheck))


def survive(sent: Request) -> None:
    """Take a request through routing and parsing, and any refusal through its serializer."""
    routed = None
    try:
        routed = asyncio.run(ROUTER.route(sent))
        body: Any = sent.body
        routed.codec.parse(routed, body if routed.codec.streaming_input else body.content)
    except AwsError as error:
        if routed is None:
            answer = unrouted_error(sent, error)
        else:
            answer = routed.codec.serialize_error(error, sent.request_id, sent.raw_path)
        assert 400 <= answer.status <= 501
        assert isinstance(answer.body, bytes)
        assert not any(byte in name + value for name, value in answer.headers for byte in (b"\r", b"\n", b"\0"))


def mutated(sent: Request, random: Random) -> Request:
    """The request with something broken in it."""
    body: Body = sent.body
    content = bytearray(body.content if isinstance(body, BytesBody) else b"")
    headers = dict(sent.headers)
    path, query = sent.raw_path, sent.query_string
    kind = random.randrange(8)
    if kind == 0 and content:
        for _ in range(random.randint(1, 4)):
            content[random.randrange(len(content))] = random.randrange(256)
    elif kind == 1:
        del content[random.randint(0, len(content)) :]
    elif kind == 2:
        at = random.randint(0, len(content))
        content[at:at] = random.randbytes(random.randint(1, 9))
    elif kind == 3 and headers:
        name = random.choice(list(headers))
        if name != "authorization":
            headers[name] = "".join(chr(random.randrange(256)) for _ in range(random.randint(0, 12)))
    elif kind == 4:
        query = query.replace("=", random.choice(["=%FF", "=\x00", "==", "=999999999999999999999", "", "&"]))
    elif kind == 5:
        path = path.replace("/", random.choice(["//", "/%00", "/%FF", "/../", "/%2F", "/+"]), random.randint(1, 3))
    elif kind == 6:
        query = "".join(chr(random.randrange(33, 127)) for _ in range(random.randint(0, 20)))
    else:
        content = bytearray(swapped(bytes(content), random))
    return Request(
        sent.method, path, query, headers, BytesBody(bytes(content)), sent.client, "http", sent.request_id, 0.0
    )


ODD_VALUES: list[Any] = [None, True, -1, 2**70, 1.5, float("inf"), "", "\x00", [], {}, [[]], {"": {}}, "x" * 3000]


def swapped(content: bytes, random: Random) -> bytes:
    """A JSON or CBOR document with one value in it replaced by another of any type."""
    for loads, dumps in ((json.loads, lambda value: json.dumps(value).encode()), (cbor2.loads, cbor2.dumps)):
        try:
            document = loads(content)
        except Exception:
            continue
        return dumps(_swap(document, random))
    for old in (b">", b"<", b"=", b"&", b"."):
        if old in content and random.random() < 0.4:
            return content.replace(old, random.choice([b"", b"<x>", b"&amp;", b"]]>", b"%zz"]), 1)
    return random.randbytes(20)


def _swap(value: Any, random: Random) -> Any:
    if random.random() < 0.2 or not value or not isinstance(value, (dict, list)):
        return random.choice(ODD_VALUES)
    if isinstance(value, dict):
        name = random.choice(list(value))
        return {**value, name: _swap(value[name], random)}
    at = random.randrange(len(value))
    return [*value[:at], _swap(value[at], random), *value[at + 1 :]]


def check_service(service: str, protocol: str, seed: int) -> None:
    for model in operations_of(service, protocol):
        if service == "s3" and model.name in NOT_ROUTED:
            continue
        random = Random(f"{seed} {model.name}")
        sent = request_of(model, protocol, input_of(ShapeValues(random, protocol, fullness=0.4), model))
        survive(mutated(sent, random))


@pytest.mark.parametrize(("service", "protocol"), PROTOCOLS)
@given(seed=st.integers(0, 10_000))
@settings(STRINGENT, max_examples=3)
def test_mutated_request_is_read_or_refused(service: str, protocol: str, seed: int) -> None:
    check_service(service, protocol, seed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("service", "protocol"), PROTOCOLS)
@given(seed=st.integers(0, 10**9))
@settings(STRINGENT, max_examples=30)
def test_mutated_request_is_read_or_refused_many_times(service: str, protocol: str, seed: int) -> None:
    check_service(service, protocol, seed)


CBOR_PATH = "/service/GraniteServiceVersion20100801/operation/PutMetricData"
SHAPES = [
    ("POST", "/", "", "sagemaker", {"x_amz_target": "SageMaker.CreateTrainingJob"}),
    ("POST", "/", "", "logs", {"x_amz_target": "Logs_20140328.PutLogEvents"}),
    ("POST", "/", "", "sts", {}),
    ("POST", "/", "", "ec2", {}),
    ("POST", CBOR_PATH, "", "monitoring", {"smithy_protocol": "rpc-v2-cbor"}),
    ("POST", "/2015-03-31/functions", "", "lambda", {}),
    ("POST", "/b", "delete", "s3", {}),
    ("PUT", "/b", "lifecycle", "s3", {}),
    ("PUT", "/b", "policy", "s3", {}),
]


@given(shape=st.sampled_from(SHAPES), body=st.binary(max_size=200))
@OFTEN
def test_any_body_is_read_or_refused(shape: Any, body: bytes) -> None:
    method, path, query, scope, headers = shape
    survive(request(method, path, query, scope=scope, body=body, **headers))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(value=json_values, name=st.sampled_from(["TrainingJobName", "Tags", "HyperParameters", "ResourceConfig"]))
@OFTEN
def test_any_json_is_read_or_refused(value: Any, name: str) -> None:
    body = json.dumps({name: value}).encode()
    survive(request("POST", "/", scope="sagemaker", body=body, x_amz_target="SageMaker.CreateTrainingJob"))


@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS", "BREW"]),
    path=st.text(st.sampled_from("/ab%2F0.+?*~\x00\xff"), max_size=30).map(lambda path: "/" + path),
    query=st.text(st.sampled_from("ab=&%2F;+-uploadIdtagging\xff"), max_size=30),
    scope=st.sampled_from(["s3", "sagemaker", "lambda", "sts", "ec2", "monitoring", "", None, "s3/s3", "x" * 99]),
    headers=st.dictionaries(
        st.sampled_from(["x_amz_target", "smithy_protocol", "content_type", "host", "x_amz_account_id", "range"]),
        st.text(st.characters(codec="latin-1"), max_size=20),
    ),
)
@OFTEN
def test_any_request_line_and_headers_are_routed_or_refused(
    method: str, path: str, query: str, scope: str | None, headers: dict[str, str]
) -> None:
    survive(request(method, path, query, scope=scope, **headers))


@given(authorization=st.text(max_size=60), query=st.text(max_size=60))
@OFTEN
def test_any_authorization_is_routed_or_refused(authorization: str, query: str) -> None:
    survive(request("GET", "/b", query, scope=None, authorization=authorization))
    survive(request("GET", "/b", f"X-Amz-Credential={query}", scope=None))
    survive(request("POST", "/", scope=None, authorization=f"AWS4-HMAC-SHA256 Credential={authorization}"))
