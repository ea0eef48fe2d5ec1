"""Requests as botocore's own serializers write them, and answers as its own parsers read them."""

import io
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import HeadersDict, create_request_object, prepare_request_dict
from botocore.model import OperationModel, ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from coldframe.calls import BytesBody, Request
from coldframe.gateway.codecs import Codecs
from coldframe.gateway.models import Models
from coldframe.gateway.protocols.codec import WireAnswer
from coldframe.gateway.routing import Router

SERVICES = (
    "s3",
    "sagemaker",
    "sagemaker-runtime",
    "logs",
    "sts",
    "iam",
    "lambda",
    "cloudwatch",
    "application-autoscaling",
    "ec2",
    "cloudtrail",
)
MODELS = Models()
ROUTER = Router(MODELS)
CODECS = Codecs(MODELS)
PROTOCOLS = [(service, protocol) for service in SERVICES for protocol in MODELS.protocols(service)]


@cache
def model_of(service: str, protocol: str) -> ServiceModel:
    """A service's model, as a client has it that speaks one of its protocols."""
    model = MODELS.service(service)
    if model.metadata["protocol"] == protocol:
        return model
    description = MODELS._loader.load_service_model(service, "service-2")
    other = dict(description, metadata=dict(description["metadata"], protocol=protocol))
    return ServiceModel(other, service)


def operations_of(service: str, protocol: str) -> list[OperationModel]:
    """All operations of a service."""
    model = model_of(service, protocol)
    return [model.operation_model(name) for name in model.operation_names]


def request_of(model: OperationModel, protocol: str, parameters: dict[str, Any]) -> Request:
    """The request that botocore sends for an operation, signed as far as routing looks."""
    serialized = create_serializer(protocol, include_validation=False).serialize_to_request(parameters, model)
    prepare_request_dict(serialized, endpoint_url="http://127.0.0.1:4599", context={})
    prepared = create_request_object(serialized).prepare()
    parts = urlsplit(prepared.url)
    body = prepared.body or b""
    content = body.encode() if isinstance(body, str) else bytes(body)
    headers = {name.lower(): _text(value) for name, value in prepared.headers.items()}
    metadata = model.service_model.metadata
    scope = metadata.get("signingName") or metadata["endpointPrefix"]
    headers["host"] = parts.netloc
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/{scope}/aws4_request, Signature=0"
    return Request(
        method=prepared.method,
        raw_path=parts.path,
        query_string=parts.query,
        headers=headers,
        body=BytesBody(content),
        client="127.0.0.1",
        scheme="http",
        request_id="the-request",
        received_at=0.0,
    )


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def read_by_botocore(answer: WireAnswer, model: OperationModel, protocol: str, shape: Any = None) -> dict[str, Any]:
    """What botocore's parser makes of an answer."""
    assert isinstance(answer.body, bytes)
    headers = HeadersDict()
    for name, value in answer.headers:
        headers[name.decode()] = value.decode("latin-1")
    response: dict[str, Any] = {
        "headers": headers,
        "status_code": answer.status,
        "body": answer.body,
        "context": {"operation_name": model.name},
    }
    if answer.status < 300 and model.has_streaming_output:
        response["body"] = io.BytesIO(answer.body)
    return create_parser(protocol).parse(response, shape if shape is not None else model.output_shape)
