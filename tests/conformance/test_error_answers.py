"""Every service's errors, written by our codecs, are read by botocore's client parsers as they were."""

from random import Random
from typing import Any

import pytest
from botocore.model import OperationModel, StructureShape
from hypothesis import given, settings
from hypothesis import strategies as st

from coldframe.errors import AwsError
from conformance.botocore_wire import CODECS, PROTOCOLS, operations_of, read_by_botocore
from conformance.shape_values import ShapeValues, without_empty
from conformance.test_inputs import STRINGENT

REQUEST_ID = "7d2f5c5e-0000-4000-8000-1234567890ab"
MESSAGES = ['Could not find endpoint "e".', "<&>'\"\r\n\t\x00\x1b", "漢字 😀", "", "{braces} %s", "\ud800 half"]


def error_of(code: str, status: int, members: dict[str, Any], message: str) -> AwsError:
    """An error with such a code, status, members and message."""

    class Told(AwsError):
        """{message}"""

    Told.code, Told.status = code, status
    return Told(message=message, members=members)


def check_unmodelled(model: OperationModel, protocol: str, seed: int) -> str | None:
    """What is wrong with an error that the model does not know."""
    codec = CODECS.find(model.service_model.service_name, model.name, protocol)
    status = (400, 403, 404, 429, 500, 503)[seed % 6]
    answer = codec.serialize_error(error_of("ValidationTold", status, {}, 'Not <so> & "so"'), REQUEST_ID, "/a/b")
    read = read_by_botocore(answer, model, protocol)
    metadata = read["ResponseMetadata"]
    if model.http["method"] == "HEAD":
        return None if (answer.body, answer.status) == (b"", status) else f"{model.name} has a body: {answer}"
    told = read["Error"]["Code"], read["Error"]["Message"], metadata["RequestId"], metadata["HTTPStatusCode"]
    if told != ("ValidationTold", 'Not <so> & "so"', REQUEST_ID, status):
        return f"{model.name}: {read} from {answer}"
    return None


def check_modelled(model: OperationModel, protocol: str, shape: StructureShape, seed: int) -> str | None:
    """What is wrong with an error of the service's model, thrown by one of its operations."""
    values = ShapeValues(Random(f"{seed} {shape.name}"), protocol, fullness=1.0)
    members = values.of(shape)
    for name in ("message", "Message"):
        members.pop(name, None)
    code = shape.metadata.get("error", {}).get("code", shape.name)
    codec = CODECS.find(model.service_model.service_name, model.name, protocol)
    answer = codec.serialize_error(error_of(code, 400, members, "Told"), REQUEST_ID, "/a/b")
    told = read_by_botocore(answer, model, protocol)["Error"]
    if (told["Code"], told["Message"]) != (code, "Told"):
        return f"{shape.name}: {told} from {answer}"
    if answer.status != shape.metadata.get("error", {}).get("httpStatusCode", 400):
        return f"{shape.name}: status {answer.status}"
    read = read_by_botocore(answer, model, protocol, shape)
    read = {name: value for name, value in read.items() if name not in {"message", "Message"}}
    if protocol == "ec2" or without_empty(read) == without_empty(members):
        return None  # EC2's errors have a code and a message only
    return f"{shape.name} is read as {read} instead of {members} from {answer}"


@pytest.mark.parametrize(("service", "protocol"), PROTOCOLS)
@given(seed=st.integers(0, 10_000))
@settings(STRINGENT, max_examples=3)
def test_error_read_by_botocore_as_it_was(service: str, protocol: str, seed: int) -> None:
    operations = operations_of(service, protocol)
    wrong = [told for model in operations if (told := check_unmodelled(model, protocol, seed)) is not None]
    thrower = next(model for model in operations if model.http["method"] != "HEAD")
    for shape in thrower.service_model.error_shapes:
        told = check_modelled(thrower, protocol, shape, seed)
        wrong += [told] if told is not None else []
    assert not wrong, f"{len(wrong)} errors, seed {seed}:\n" + "\n".join(wrong[:8])


@pytest.mark.parametrize(("service", "protocol"), PROTOCOLS)
@pytest.mark.parametrize("message", MESSAGES)
def test_error_with_an_odd_message_can_be_read(service: str, protocol: str, message: str) -> None:
    model = next(model for model in operations_of(service, protocol) if model.http["method"] != "HEAD")
    codec = CODECS.find(service, model.name, protocol)
    answer = codec.serialize_error(error_of("Odd", 400, {}, message), REQUEST_ID, "/a\r\n/\x00b")
    read = read_by_botocore(answer, model, protocol)["Error"]
    assert read["Code"] == "Odd"
    if message.isprintable():
        assert (read["Message"] or "") == message


def test_s3_error_names_what_was_asked_for() -> None:
    codec = CODECS.find("s3", "GetObject", "rest-xml")
    answer = codec.serialize_error(error_of("NoSuchKey", 404, {"Key": "a<b"}, "Gone."), REQUEST_ID, "/bucket/a%3Cb")
    named = REQUEST_ID.encode()
    assert answer.body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b"<Error><Code>NoSuchKey</Code><Message>Gone.</Message><Key>a&lt;b</Key><Resource>/bucket/a%3Cb</Resource>"
        b"<RequestId>" + named + b"</RequestId><HostId>" + named + b"</HostId></Error>"
    )
    assert (b"x-amz-request-id", REQUEST_ID.encode()) in answer.headers
    assert codec.serialize_error(error_of("NotModified", 304, {}, ""), REQUEST_ID).body == b""


def test_json_error_of_a_service_that_once_spoke_query_names_its_old_code() -> None:
    for protocol in ("json", "smithy-rpc-v2-cbor"):
        codec = CODECS.find("cloudwatch", "GetDashboard", protocol)
        answer = codec.serialize_error(error_of("ResourceNotFound", 404, {}, "Gone."), REQUEST_ID)
        assert (b"x-amzn-query-error", b"ResourceNotFound;Sender") in answer.headers
