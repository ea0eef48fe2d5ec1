"""REST-JSON: methods and paths name the operation; members travel in path, query, headers and a JSON body."""

from typing import Any

from botocore.model import OperationModel, StructureShape

from coldframe.calls import Parameters
from coldframe.errors import AwsError
from coldframe.gateway.errors import SerializationException
from coldframe.gateway.protocols.aws_json import error_members
from coldframe.gateway.protocols.codec import WireAnswer, further_headers, header_bytes
from coldframe.gateway.protocols.error_shapes import ErrorShapes, code_of, status_of
from coldframe.gateway.protocols.json_values import (
    compile_parser,
    compile_serializer,
    decode_json,
    encode_json,
    structure_parser,
    structure_serializer,
)
from coldframe.gateway.protocols.rest import RestCodec
from coldframe.gateway.protocols.rest_bindings import header_writer
from coldframe.gateway.protocols.scalars import WrongValue


class RestJsonCodec(RestCodec):
    """One operation in REST-JSON."""

    protocol = "rest-json"

    def __init__(self, model: OperationModel, errors: ErrorShapes) -> None:
        super().__init__(model, errors)
        bound_in, bound_out = self.input, self.output
        self._parse_body = None
        if model.input_shape is not None and bound_in.body:
            payload = bound_in.body.get(bound_in.payload or "")
            self._parse_body = (
                compile_parser(payload, {})
                if payload is not None
                else structure_parser(model.input_shape, _names(model.input_shape, set(bound_in.body)), {})
            )
        self._write_body = None
        if model.output_shape is not None and bound_out.body and not self.answers_with_events:
            payload = bound_out.body.get(bound_out.payload or "")
            self._write_body = (
                compile_serializer(payload, {})
                if payload is not None
                else structure_serializer(model.output_shape, _names(model.output_shape, set(bound_out.body)), {})
            )

    @property
    def document_content_type(self) -> bytes:
        """JSON's."""
        return b"application/json"

    def parse_document(self, body: bytes) -> Any:
        """The members in the JSON body."""
        if self._parse_body is None:
            return {}
        value = decode_json(body) if body else {}
        try:
            return self._parse_body(value)
        except WrongValue as error:
            raise SerializationException(message=error.explained()) from error
        except RecursionError as error:
            raise SerializationException(message="The request body is nested too deeply") from error

    def write_document(self, parameters: Parameters) -> bytes:
        """The members in a JSON body."""
        if self._write_body is None:
            return b""
        if self.output.payload is not None:
            return encode_json(self._write_body(parameters[self.output.payload]))
        body = self.output.body
        return encode_json(self._write_body({name: value for name, value in parameters.items() if name in body}))

    def unreadable(self, error: WrongValue, name: str, value: str) -> AwsError:  # noqa: ARG002
        """A header or query parameter of the wrong type."""
        return SerializationException(message=f"{error.message} (in {name})")

    def serialize_error(self, error: AwsError, request_id: str, resource: str = "") -> WireAnswer:  # noqa: ARG002
        """The error: its code in a header, the rest in JSON."""
        shape = self.errors.find(error)
        answer = rest_json_error(error, request_id, shape)
        if shape is not None:
            for name, member in shape.members.items():
                if member.serialization.get("location") == "header" and error.members.get(name) is not None:
                    text = header_writer(member)(error.members[name])
                    answer.headers.append((member.serialization["name"].lower().encode(), header_bytes(text)))
        if self.method == "HEAD":
            answer.body = b""
        return answer


def rest_json_error(error: AwsError, request_id: str, shape: StructureShape | None = None) -> WireAnswer:
    """An error in REST-JSON's shape."""
    headers = [
        (b"content-type", b"application/json"),
        (b"x-amzn-requestid", request_id.encode()),
        (b"x-amzn-errortype", code_of(error, shape).encode()),
        *further_headers(error.headers),
    ]
    return WireAnswer(status_of(error, shape), headers, encode_json(error_members(error, shape)))


def _names(shape: StructureShape, members: set[str]) -> dict[str, str]:
    return {name: shape.members[name].serialization.get("name", name) for name in shape.members if name in members}
