"""Every operation's input, written by botocore's client serializers, is routed and read back as it was."""

import asyncio
from random import Random
from typing import Any

import pytest
from botocore.model import OperationModel
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from coldframe.calls import BytesBody, Parameters, RoutedCall
from coldframe.errors import AwsError
from coldframe.gateway.rest_routes import candidate_of
from coldframe.gateway.s3_routes import NOT_ROUTED
from conformance.botocore_wire import PROTOCOLS, ROUTER, operations_of, request_of
from conformance.shape_values import ShapeValues, input_of, without_empty

PRUNED = {"query", "ec2", "rest-xml"}
"""Protocols that cannot tell something empty from nothing."""
STRINGENT = settings(
    deadline=None, derandomize=True, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck)
)


def twin(model: OperationModel) -> str | None:
    """The operation that replaced a deprecated one at the same method, path and query string."""
    if not model.deprecated or model.service_model.service_name != "s3":
        return None
    own = model.http["method"], model.http["requestUri"]
    for name in model.service_model.operation_names:
        other = model.service_model.operation_model(name)
        if name != model.name and (other.http["method"], other.http["requestUri"]) == own:
            return name
    return None


async def _read(routed: RoutedCall) -> Parameters:
    body: Any = routed.request.body
    if not routed.codec.streaming_input:
        body = await body.read(10**9)
    parameters = routed.codec.parse(routed, body)
    return {name: await _whole(value) for name, value in parameters.items()}


async def _whole(value: Any) -> Any:
    return await value.read(10**9) if isinstance(value, BytesBody) else value


def check_input(model: OperationModel, protocol: str, seed: int) -> str | None:
    """What is wrong with how an operation's input is read; None if nothing is."""
    random = Random(f"{seed} {model.name}")
    values = ShapeValues(random, protocol, fullness=min(1.0, seed % 11 / 8))
    sent = input_of(values, model)
    request = request_of(model, protocol, sent)
    try:
        routed = asyncio.run(ROUTER.route(request))
    except AwsError as error:
        return f"{model.name} is not routed: {error!r}, {request.method} {request.raw_path}?{request.query_string}"
    if routed.operation != (twin(model) or model.name):
        return f"{model.name} is routed to {routed.operation}"
    if routed.operation != model.name:
        return None
    if values.gave_up or (may_lose_empty(model, protocol) and without_empty(sent) != sent):
        # A required member may get lost on the wire for being empty; what can be read must still be right.
        routed.codec.validator.validate = lambda parameters: None
    try:
        read = asyncio.run(_read(routed))
    except AwsError as error:
        return f"{model.name} refuses {sent}: {error!r}"
    finally:
        routed.codec.validator.__dict__.pop("validate", None)
    expected: Any = sent
    if may_lose_empty(model, protocol):
        expected, read = without_empty(expected), without_empty(read)
    if "ContentLength" not in sent:
        read.pop("ContentLength", None)  # every request has the header, asked for or not
    expected, read = _comparable(expected, model), _comparable(read, model)
    return None if read == expected else f"{model.name} reads\n    {read}\n  instead of\n    {expected}"


def may_lose_empty(model: OperationModel, protocol: str) -> bool:
    """Whether something empty is nothing on the wire: so in some protocols, and outside the body in the others."""
    shape = model.input_shape
    return protocol in PRUNED or (
        shape is not None and any("location" in member.serialization for member in shape.members.values())
    )


def _comparable(parameters: dict[str, Any], model: OperationModel) -> dict[str, Any]:
    """An empty payload is the same as none."""
    payload = model.input_shape.serialization.get("payload") if model.input_shape is not None else None
    return {name: value for name, value in parameters.items() if not (name == payload and value in (b"", ""))}


def check_service(service: str, protocol: str, seed: int) -> None:
    wrong = [
        told
        for model in operations_of(service, protocol)
        if not (service == "s3" and model.name in NOT_ROUTED)
        if (told := check_input(model, protocol, seed)) is not None
    ]
    assert not wrong, f"{len(wrong)} operations, seed {seed}:\n" + "\n".join(wrong[:8])


@pytest.mark.parametrize(("service", "protocol"), PROTOCOLS)
@given(seed=st.integers(0, 10_000))
@settings(STRINGENT, max_examples=3)
def test_input_read_as_botocore_sent_it(service: str, protocol: str, seed: int) -> None:
    check_service(service, protocol, seed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("service", "protocol"), PROTOCOLS)
@given(seed=st.integers(0, 10**9))
@settings(STRINGENT, max_examples=30)
def test_input_read_as_botocore_sent_it_many_times(service: str, protocol: str, seed: int) -> None:
    check_service(service, protocol, seed)


def test_operations_not_routed_are_those_known() -> None:
    known = {model.name for model in operations_of("s3", "rest-xml")}
    assert known >= NOT_ROUTED
    assert all(candidate_of(model)[0] for model in operations_of("s3", "rest-xml"))
