"""AWS JSON 1.0 and 1.1: every call a POST to /, named by X-Amz-Target, with a JSON body."""

from botocore.model import OperationModel, StructureShape

from coldframe.calls import Answer, Body, Parameters, RoutedCall
from coldframe.errors import AwsError
from coldframe.gateway.errors import SerializationException
from coldframe.gateway.protocols.codec import OperationCodec, WireAnswer, further_headers, parts_of
from coldframe.gateway.protocols.error_shapes import ErrorShapes, code_of, message_member, query_error_header, status_of
from coldframe.gateway.protocols.json_values import (
    compile_parser,
    compile_serializer,
    decode_json,
    encode_json,
    structure_serializer,
)
from coldframe.gateway.protocols.nested_values import Convert
from coldframe.gateway.protocols.scalars import WrongValue


class JsonCodec(OperationCodec):
    """One operation in AWS JSON."""

    protocol = "json"

    def __init__(self, model: OperationModel, errors: ErrorShapes) -> None:
        super().__init__(model, errors)
        metadata = model.service_model.metadata
        self._content_type = f"application/x-amz-json-{metadata.get('jsonVersion', '1.0')}".encode()
        self._is_query_compatible = "awsQueryCompatible" in metadata
        self._parse = compile_parser(model.input_shape, {}) if model.input_shape else None
        self._serialize = _output_serializer(model)

    def parse(self, _routed: RoutedCall, body: bytes | Body) -> Parameters:
        """The operation's input, from its JSON body."""
        assert isinstance(body, bytes)  # noqa: S101 - no operation of this protocol streams its input
        value = decode_json(body) if body else {}
        if self._parse is None:
            if type(value) is not dict:
                raise SerializationException(message="Unexpected field type")
            return {}
        try:
            parameters: Parameters = self._parse(value)
        except WrongValue as error:
            raise SerializationException(message=error.explained()) from error
        except RecursionError as error:
            raise SerializationException(message="The request body is nested too deeply") from error
        self.validator.validate(parameters)
        return parameters

    def serialize(self, answer: Parameters | Answer, request_id: str) -> WireAnswer:
        """The answer, with its members in a JSON body."""
        self.refuse_events()
        parameters, status, headers = parts_of(answer)
        body = encode_json(self._serialize(parameters)) if self._serialize else b""
        return WireAnswer(status or self.status, self._headers(request_id) + further_headers(headers), body)

    def serialize_error(self, error: AwsError, request_id: str, resource: str = "") -> WireAnswer:  # noqa: ARG002
        """The error: `__type` says which."""
        shape = self.errors.find(error)
        headers = self._headers(request_id) + further_headers(error.headers)
        kind = code_of(error, shape)
        if self._is_query_compatible:
            headers.append(query_error_header(error, shape))
            kind = shape.name if shape else kind
        members = {"__type": kind} | error_members(error, shape)
        return WireAnswer(status_of(error, shape), headers, encode_json(members))

    def _headers(self, request_id: str) -> list[tuple[bytes, bytes]]:
        return [(b"content-type", self._content_type), (b"x-amzn-requestid", request_id.encode())]


def _output_serializer(model: OperationModel) -> Convert | None:
    return compile_serializer(model.output_shape, {}) if model.output_shape else None


def error_members(error: AwsError, shape: StructureShape | None) -> dict[str, object]:
    """An error's message and members as JSON has them."""
    members = {message_member(shape): error.message} | error.members
    if shape is None:
        return members
    names = {
        name: member.serialization.get("name", name)
        for name, member in shape.members.items()
        if "location" not in member.serialization
    }
    serialize = structure_serializer(shape, names, {})
    known = {name: value for name, value in members.items() if name in names}
    # A modelled error without a message member still tells its message, as AWS does.
    serialized: dict[str, object] = serialize(known)
    return {message_member(shape): error.message} | serialized
