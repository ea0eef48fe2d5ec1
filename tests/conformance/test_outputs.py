"""Every operation's output, written by our codecs, is read by botocore's client parsers as it was."""

from datetime import datetime
from random import Random
from typing import Any

import pytest
from botocore.handlers import parse_get_bucket_location
from botocore.model import OperationModel
from hypothesis import given, settings
from hypothesis import strategies as st

from coldframe.gateway.errors import EventStreamsNotSupported
from conformance.botocore_wire import CODECS, PROTOCOLS, operations_of, read_by_botocore
from conformance.shape_values import ShapeValues, output_of, without_empty
from conformance.test_inputs import PRUNED, STRINGENT, may_lose_empty, twin

REQUEST_ID = "7d2f5c5e-0000-4000-8000-1234567890ab"


def check_output(model: OperationModel, protocol: str, seed: int) -> str | None:
    """What is wrong with how an operation's output is written; None if nothing is."""
    service = model.service_model.service_name
    codec = CODECS.find(service, model.name, protocol)
    values = ShapeValues(Random(f"{seed} {model.name}"), protocol, fullness=min(1.0, seed % 11 / 8))
    meant = output_of(values, model)
    if model.has_event_stream_output:
        with pytest.raises(EventStreamsNotSupported):
            codec.serialize(meant, REQUEST_ID)
        return None
    answer = codec.serialize(meant, REQUEST_ID)
    read = read_by_botocore(answer, model, protocol)
    metadata = read.pop("ResponseMetadata")
    if model.output_shape is not None and metadata["RequestId"] != REQUEST_ID:
        return f"{model.name} has the wrong request id: {metadata}"
    if model.name == "GetBucketLocation" and service == "s3":
        read = dict(read)
        parse_get_bucket_location(read, _HttpResponse(answer.body))
    if "ContentType" not in meant:
        read.pop("ContentType", None)  # an answer with a body always has one
    read = {name: value.read() if hasattr(value, "read") else value for name, value in read.items()}
    expected = _as_read(meant, model, answer.status)
    if protocol in PRUNED or may_lose_empty(model, protocol) or _travels_outside(model):
        expected, read = without_empty(expected), without_empty(read)
    if read == expected:
        return None
    return f"{model.name} is read as\n    {read}\n  instead of\n    {expected}\n  from {answer.body!r} {answer.headers}"


class _HttpResponse:
    def __init__(self, content: Any) -> None:
        self.raw = self.content = content


def _travels_outside(model: OperationModel) -> bool:
    shape = model.output_shape
    return shape is not None and any("location" in member.serialization for member in shape.members.values())


def _as_read(meant: dict[str, Any], model: OperationModel, status: int) -> dict[str, Any]:
    """What is left of an output on its way: no body with HEAD, no length in a header that the server writes."""
    shape = model.output_shape
    if shape is None:
        return {}
    bodiless = model.http["method"] == "HEAD" or status == 204
    expected = {}
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        if location == "statusCode":
            expected[name] = status
        elif name in meant and not (location is None and bodiless):
            expected[name] = meant[name]
    if model.http["method"] != "HEAD":
        expected.pop("ContentLength", None)
    payload = shape.serialization.get("payload")
    if payload is not None and shape.members[payload].type_name in {"blob", "string"}:
        expected.setdefault(payload, b"" if shape.members[payload].type_name == "blob" else "")
    return expected


def check_service(service: str, protocol: str, seed: int) -> None:
    wrong = []
    for model in operations_of(service, protocol):
        if twin(model) is None:  # of S3's deprecated twins, one has two members that look alike on the wire
            told = check_output(model, protocol, seed)
            wrong += [told] if told is not None else []
    assert not wrong, f"{len(wrong)} operations, seed {seed}:\n" + "\n".join(wrong[:8])


@pytest.mark.parametrize(("service", "protocol"), PROTOCOLS)
@given(seed=st.integers(0, 10_000))
@settings(STRINGENT, max_examples=3)
def test_output_read_by_botocore_as_it_was(service: str, protocol: str, seed: int) -> None:
    check_service(service, protocol, seed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("service", "protocol"), PROTOCOLS)
@given(seed=st.integers(0, 10**9))
@settings(STRINGENT, max_examples=30)
def test_output_read_by_botocore_as_it_was_many_times(service: str, protocol: str, seed: int) -> None:
    check_service(service, protocol, seed)


def test_output_timestamp_as_seconds_or_datetime_is_the_same() -> None:
    codec = CODECS.find("sagemaker", "DescribeTrainingJob", "json")
    moment = datetime.fromisoformat("2026-02-03T04:05:06.789+00:00")
    by_datetime = codec.serialize({"CreationTime": moment}, REQUEST_ID)
    by_seconds = codec.serialize({"CreationTime": moment.timestamp()}, REQUEST_ID)
    assert by_datetime.body == by_seconds.body == b'{"CreationTime":1770091506.789}'


def test_output_with_a_member_unknown_to_the_model_is_a_fault() -> None:
    for service, operation, protocol in (
        ("sagemaker", "DescribeTrainingJob", "json"),
        ("s3", "GetObject", "rest-xml"),
        ("sts", "GetCallerIdentity", "query"),
        ("cloudwatch", "ListMetrics", "smithy-rpc-v2-cbor"),
    ):
        with pytest.raises(ValueError, match="no member Nonsense"):
            CODECS.find(service, operation, protocol).serialize({"Nonsense": 1}, REQUEST_ID)
