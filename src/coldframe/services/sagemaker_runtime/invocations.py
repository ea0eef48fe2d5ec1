"""InvokeEndpoint: from the caller to the least busy instance and back, without touching database or disk."""

import contextlib
from collections.abc import Awaitable, Mapping
from typing import NoReturn

from coldframe.arns import Scope
from coldframe.calls import AllowedCall, Answer, Parameters
from coldframe.errors import ServiceUnavailable, ValidationError
from coldframe.services.operation import operation
from coldframe.services.sagemaker_runtime.errors import ModelError, PayloadTooLarge
from coldframe.state import endpoints
from coldframe.state.serving import ModelServer, ServingEndpoint, ServingVariant
from coldframe.state.state import State
from coldframe.workers.messages import ModelAnswer

LARGEST_BODY_BYTES = 6 * 1024 * 1024
CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
FORWARDED_HEADERS = (
    ("ContentType", "content-type"),
    ("Accept", "accept"),
    ("CustomAttributes", CUSTOM_ATTRIBUTES),
    ("InferenceId", "x-amzn-sagemaker-inference-id"),
)
"""What a model is told of a request, as AWS strips all other headers."""
NOT_IMPLEMENTED = (
    "TargetModel",
    "TargetContainerHostname",
    "EnableExplanations",
    "InferenceComponentName",
    "SessionId",
    "PrefixAwareId",
)
TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency metrics for "
    "each container in Amazon CloudWatch, resolve the issue, and try again."
)
TOO_LARGE = f"Response payload size ({{}} bytes) exceeded maximum allowed payload ({LARGEST_BODY_BYTES} bytes)."


def endpoint_arn(parameters: Parameters, scope: Scope) -> str:
    """The ARN of the endpoint that a call names."""
    return endpoints.endpoint_arn(parameters["EndpointName"], scope)


@operation("sagemaker-runtime", "InvokeEndpoint", action="sagemaker:InvokeEndpoint", resource=endpoint_arn)
async def invoke_endpoint(call: AllowedCall, state: State) -> Answer:
    """Ask an endpoint's model."""
    given = call.parameters
    body: bytes = given.get("Body", b"")
    if len(body) > LARGEST_BODY_BYTES:
        raise PayloadTooLarge(limit=LARGEST_BODY_BYTES)
    endpoint = state.serving.find(given["EndpointName"])
    if endpoint is None:
        raise ValidationError(message=f"Endpoint {given['EndpointName']} of account {call.scope.account_id} not found.")
    for name in NOT_IMPLEMENTED:
        if name in given:
            _refuse(name, endpoint)
    variant = _choose_variant(endpoint, given.get("TargetVariant"), state)
    headers = {header: given[name] for name, header in FORWARDED_HEADERS if name in given}
    server, coming = _send(endpoint, variant, headers, body)
    try:
        answer = await coming
    except TimeoutError:
        raise _model_error(call.scope, endpoint, server, 0, TIMED_OUT) from None
    except ConnectionError:
        raise _model_error(call.scope, endpoint, server, 0, "The instance ended before it answered") from None
    if not 200 <= answer.status < 300:
        raise _model_error(call.scope, endpoint, server, answer.status, answer.body.decode(errors="replace"))
    if len(answer.body) > LARGEST_BODY_BYTES:
        raise _model_error(call.scope, endpoint, server, answer.status, TOO_LARGE.format(len(answer.body)))
    return _answer(answer, variant.name)


def _send(
    endpoint: ServingEndpoint, variant: ServingVariant, headers: Mapping[str, str], body: bytes
) -> tuple[ModelServer, Awaitable[ModelAnswer]]:
    """Hand the request to the least busy instance; to another one if that is gone already, so that nothing is lost."""
    least_busy = variant.least_busy()
    try:
        if least_busy is not None:
            return least_busy, least_busy.invoke(headers, body)
    except ConnectionRefusedError:
        least_busy = None
    for server in sorted(variant.servers, key=lambda server: server.in_flight):
        with contextlib.suppress(ConnectionRefusedError):
            return server, server.invoke(headers, body)
    raise ServiceUnavailable(message=f"Endpoint {endpoint.name} has no instance that is well at the moment. Try again.")


def _answer(answer: ModelAnswer, variant_name: str) -> Answer:
    headers = answer.headers
    parameters: Parameters = {
        "Body": answer.body,
        "ContentType": headers["content-type"],
        "InvokedProductionVariant": variant_name,
    }
    if CUSTOM_ATTRIBUTES in headers:
        parameters["CustomAttributes"] = headers[CUSTOM_ATTRIBUTES]
    return Answer(parameters)


def _choose_variant(endpoint: ServingEndpoint, target: str | None, state: State) -> ServingVariant:
    """The variant that the caller names, or one by chance, in proportion to the weights."""
    variants = endpoint.variants
    if target is not None:
        for variant in variants:
            if variant.name == target:
                return variant
        raise ValidationError(message=f"Variant {target} of endpoint {endpoint.name} not found.")
    if len(variants) == 1:
        return variants[0]
    place = state.chance.fraction() * sum(variant.weight for variant in variants)
    for variant in variants:
        place -= variant.weight
        if place < 0:
            return variant
    return next(variant for variant in reversed(variants) if variant.weight > 0)  # place was rounded up to the sum


def _model_error(scope: Scope, endpoint: ServingEndpoint, server: ModelServer, status: int, message: str) -> ModelError:
    side = "client" if 400 <= status < 500 else "server"
    region = scope.region
    place = (
        f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
        f"#logEventViewer:group=/aws/sagemaker/Endpoints/{endpoint.name}"
    )
    return ModelError(
        message=f'Received {side} error ({status}) from primary with message "{message}". '
        f"See {place} in account {scope.account_id} for more information.",
        members={
            "OriginalStatusCode": status,
            "OriginalMessage": message,
            "LogStreamArn": server.log_stream_arn,
        },
    )


def _refuse(name: str, endpoint: ServingEndpoint) -> NoReturn:
    if name == "TargetModel":
        raise ValidationError(
            message=f"Endpoint {endpoint.name} is not a multi-model endpoint: TargetModel has no meaning."
        )
    raise ValidationError(message=f"{name} is not implemented.")
