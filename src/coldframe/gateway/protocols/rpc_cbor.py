"""Smithy RPC v2 with CBOR: every call a POST to /service/NAME/operation/NAME, with a CBOR body."""

from typing import Any

import cbor2
from botocore.model import OperationModel, StructureShape

from coldframe.calls import Answer, Body, Parameters, RoutedCall
from coldframe.errors import AwsError
from coldframe.gateway.errors import SerializationException
from coldframe.gateway.protocols.cbor_values import compile_parser, compile_serializer, decode_cbor, serialize_string
from coldframe.gateway.protocols.codec import OperationCodec, WireAnswer, further_headers, parts_of
from coldframe.gateway.protocols.error_shapes import (
    ErrorShapes,
    code_of,
    message_member,
    query_error_header,
    status_of,
)
from coldframe.gateway.protocols.scalars import WrongValue


class RpcCborCodec(OperationCodec):
    """One operation in CBOR."""

    protocol = "smithy-rpc-v2-cbor"

    def __init__(self, model: OperationModel, errors: ErrorShapes) -> None:
        super().__init__(model, errors)
        self._is_query_compatible = "awsQueryCompatible" in model.service_model.metadata
        self._parse = compile_parser(model.input_shape, {}) if model.input_shape else None
        self._serialize = compile_serializer(model.output_shape, {}) if model.output_shape else None

    def parse(self, _routed: RoutedCall, body: bytes | Body) -> Parameters:
        """The operation's input, from its CBOR body."""
        assert isinstance(body, bytes)  # noqa: S101 - no operation of this protocol streams its input
        value = decode_cbor(body) if body else {}
        try:
            parameters: Parameters = self._parse(value) if self._parse else {}
        except WrongValue as error:
            raise SerializationException(message=error.explained()) from error
        self.validator.validate(parameters)
        return parameters

    def serialize(self, answer: Parameters | Answer, request_id: str) -> WireAnswer:
        """The answer, with its members in a CBOR body."""
        self.refuse_events()
        parameters, status, headers = parts_of(answer)
        body = cbor2.dumps(self._serialize(parameters)) if self._serialize else b""
        return WireAnswer(status or self.status, _headers(request_id) + further_headers(headers), body)

    def serialize_error(self, error: AwsError, request_id: str, resource: str = "") -> WireAnswer:  # noqa: ARG002
        """The error: `__type` says which."""
        shape = self.errors.find(error)
        headers = _headers(request_id) + further_headers(error.headers)
        if self._is_query_compatible:
            headers.append(query_error_header(error, shape))
        return WireAnswer(status_of(error, shape), headers, cbor2.dumps(_error_members(error, shape)))


def cbor_error(error: AwsError, request_id: str) -> WireAnswer:
    """An error of a request whose operation is not known."""
    return WireAnswer(error.status, _headers(request_id), cbor2.dumps(_error_members(error, None)))


def _error_members(error: AwsError, shape: StructureShape | None) -> dict[str, Any]:
    members = {message_member(shape): serialize_string(error.message)} | error.members
    if shape is None:
        return {"__type": code_of(error, shape)} | members
    known = {name: value for name, value in members.items() if name in shape.members}
    serialized: dict[str, Any] = compile_serializer(shape, {})(known)
    return {"__type": shape.name, message_member(shape): serialize_string(error.message)} | serialized


def _headers(request_id: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", b"application/cbor"),
        (b"smithy-protocol", b"rpc-v2-cbor"),
        (b"x-amzn-requestid", request_id.encode()),
    ]
