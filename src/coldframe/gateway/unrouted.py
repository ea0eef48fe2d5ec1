"""Answers a request of which no operation is known (yet), in the shape of the protocol that it looks most like."""

from coldframe.calls import Request
from coldframe.errors import AwsError
from coldframe.gateway.protocols.codec import WireAnswer
from coldframe.gateway.protocols.json_values import encode_json
from coldframe.gateway.protocols.query import ec2_error_document, query_error_document, xml_headers
from coldframe.gateway.protocols.rest_json import rest_json_error
from coldframe.gateway.protocols.rpc_cbor import cbor_error
from coldframe.gateway.protocols.s3_xml import s3_error
from coldframe.gateway.service_names import FORM_CONTENT_TYPE, read_host, signing_name_of

_XML_SERVICES = {"sts", "iam", "monitoring", "cloudfront", "route53"}
"""Services whose requests do not always look like those of services that answer in XML, though they are."""


def unrouted_error(request: Request, error: AwsError) -> WireAnswer:
    """The answer to a request that has no codec (yet). It is never HTML."""
    headers = request.headers
    content_type = headers.get("content-type", "")
    named = signing_name_of(request) or read_host(headers.get("host", "")).signing_name
    if "smithy-protocol" in headers or content_type.startswith("application/cbor"):
        answer = cbor_error(error, request.request_id)
    elif "x-amz-target" in headers or content_type.startswith("application/x-amz-json"):
        answer = _json_error(error, request.request_id, content_type)
    elif named == "ec2":
        body = ec2_error_document(error.code_on_the_wire(), error.message, request.request_id)
        answer = WireAnswer(error.status, xml_headers(request.request_id), body)
    elif named in _XML_SERVICES or content_type.startswith(FORM_CONTENT_TYPE):
        body = query_error_document("Sender", error.code_on_the_wire(), error.message, "", request.request_id)
        answer = WireAnswer(error.status, xml_headers(request.request_id), body)
    elif named in {"s3", "s3express"} or (named is None and not content_type.startswith("application/json")):
        answer = s3_error(error, request.request_id, request.raw_path)
    else:
        answer = rest_json_error(error, request.request_id)
    if request.method == "HEAD":
        answer.body = b""
    return answer


def _json_error(error: AwsError, request_id: str, content_type: str) -> WireAnswer:
    version = b"application/x-amz-json-1.0" if content_type.endswith("1.0") else b"application/x-amz-json-1.1"
    headers = [(b"content-type", version), (b"x-amzn-requestid", request_id.encode())]
    return WireAnswer(
        error.status, headers, encode_json({"__type": error.code_on_the_wire(), "message": error.message})
    )
