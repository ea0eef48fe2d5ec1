"""What REST-JSON and REST-XML share: members that travel in the path, query string, headers or status."""

from abc import abstractmethod
from http import HTTPStatus
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from coldframe.calls import Answer, Body, Parameters, RoutedCall, Streamed
from coldframe.errors import AwsError
from coldframe.gateway.protocols.codec import OperationCodec, WireAnswer, further_headers, header_bytes, parts_of
from coldframe.gateway.protocols.error_shapes import ErrorShapes
from coldframe.gateway.protocols.forms import decode_pairs
from coldframe.gateway.protocols.nested_values import unknown_member
from coldframe.gateway.protocols.rest_bindings import (
    FromText,
    InputBindings,
    OutputBindings,
)
from coldframe.gateway.protocols.scalars import WrongValue
from coldframe.gateway.protocols.xml_reading import text_parser

BODILESS = {int(HTTPStatus.NO_CONTENT), int(HTTPStatus.NOT_MODIFIED)}
"""Statuses of answers that have no body in HTTP."""


class RestCodec(OperationCodec):
    """One operation of a REST protocol."""

    blob_content_type = b"application/octet-stream"
    text_content_type = b"text/plain;charset=UTF-8"

    def __init__(self, model: OperationModel, errors: ErrorShapes) -> None:
        super().__init__(model, errors)
        self.input = InputBindings(model.input_shape)
        self.output = OutputBindings(model.output_shape, self.method)
        self._input_shape: StructureShape | None = model.input_shape
        self._output_name = model.output_shape.name if model.output_shape else self.operation
        self._required = set(model.input_shape.required_members) if model.input_shape else set()
        self._payload = self.input.body.get(self.input.payload or "")
        if self._payload is not None and self._payload.type_name == "blob":
            self.streaming_input = bool(self._payload.serialization.get("streaming"))
            self.body_limit_bytes = None if self.streaming_input else self._payload.metadata.get("max")

    @abstractmethod
    def parse_document(self, body: bytes) -> Any:
        """The value of the payload member, or the members in the body. Raises AwsError."""

    @abstractmethod
    def write_document(self, parameters: Parameters) -> bytes:
        """The body that holds the payload member, or the members that go into the body."""

    @abstractmethod
    def unreadable(self, error: WrongValue, name: str, value: str) -> AwsError | None:
        """What to answer to a header or query parameter that cannot be read; None to act as if it were not there."""

    @property
    @abstractmethod
    def document_content_type(self) -> bytes:
        """The Content-Type of a document of this protocol."""

    def request_id_headers(self, request_id: str) -> list[tuple[bytes, bytes]]:
        """The headers that name the request."""
        return [(b"x-amzn-requestid", request_id.encode())]

    def parse(self, routed: RoutedCall, body: bytes | Body) -> Parameters:
        """The operation's input, from every part of the request."""
        bindings = self.input
        values = routed.path_values
        parameters: Parameters = {}
        for label, member, from_text in bindings.path:
            parameters[member] = self._read(from_text, label, values[label])
        self._read_headers(routed.request.headers, parameters)
        if routed.request.query_string and (bindings.query or bindings.query_map):
            self._read_query(routed.request.query_string, parameters)
        if self._payload is not None:
            self._read_payload(self._payload, body, parameters)
        elif bindings.body and isinstance(body, bytes):
            parameters.update(self.parse_document(body))
        self.validator.validate(parameters)
        return parameters

    def _read(self, from_text: FromText, name: str, text: str) -> Any:
        """A simple value; None if it is to be passed over."""
        try:
            return from_text(text)
        except WrongValue as error:
            refusal = self.unreadable(error, name, text)
            if refusal is not None:
                raise refusal from error
            return None

    def _read_headers(self, headers: dict[str, str], parameters: Parameters) -> None:
        bound = self.input.headers
        if bound:
            for name, text in headers.items():
                binding = bound.get(name)
                if binding is not None:
                    value = self._read(binding[1], name, text)
                    if value is not None:
                        parameters[binding[0]] = value
        for prefix, member in self.input.header_maps:
            found = {name[len(prefix) :]: text for name, text in headers.items() if name.startswith(prefix)}
            if found:
                parameters[member] = found

    def _read_query(self, query_string: str, parameters: Parameters) -> None:
        bound = self.input.query
        others: dict[str, Any] = {}
        try:
            pairs = decode_pairs(query_string)
        except WrongValue as error:
            raise (self.unreadable(error, "query string", "") or error) from error
        for name, text in pairs:
            binding = bound.get(name)
            if binding is None:
                others.setdefault(name, []).append(text)
                continue
            member, shape = binding
            if isinstance(shape, ListShape):
                element = self._read(text_parser(shape.member), name, text)
                parameters.setdefault(member, []).append(element)
            else:
                value = self._read(text_parser(shape), name, text)
                if value is not None:
                    parameters[member] = value
        if self.input.query_map and others:
            parameters[self.input.query_map] = _map_of(others, self._input_shape, self.input.query_map)

    def _read_payload(self, shape: Shape, body: bytes | Body, parameters: Parameters) -> None:
        name = self.input.payload or ""
        if not isinstance(body, bytes):
            parameters[name] = body
        elif not body and name not in self._required:
            return
        elif shape.type_name == "blob":
            parameters[name] = body
        elif shape.type_name == "string":
            try:
                parameters[name] = body.decode("utf-8")
            except UnicodeDecodeError as error:
                refusal = self.unreadable(WrongValue("The request body is not UTF-8"), name, "")
                if refusal is not None:
                    raise refusal from error
        elif body:
            parameters[name] = self.parse_document(body)

    def serialize(self, answer: Parameters | Answer, request_id: str) -> WireAnswer:
        """The answer, with its members where the model wants them."""
        self.refuse_events()
        parameters, status, further = parts_of(answer)
        bindings = self.output
        headers = self.request_id_headers(request_id)
        for name, value in parameters.items():
            if value is None:
                continue
            header = bindings.headers.get(name)
            if header is not None:
                headers.append((header[0], header_bytes(header[1](value))))
            elif name in bindings.header_maps:
                prefix = bindings.header_maps[name]
                headers += [((prefix + key).lower().encode(), header_bytes(text)) for key, text in value.items()]
            elif name == bindings.status:
                status = status or value
            elif name not in bindings.body and name not in bindings.dropped:
                raise unknown_member(self._output_name, name)
        if further:
            headers += further_headers(further)
        return self._with_body(parameters, status or self.status, headers)

    def _with_body(self, parameters: Parameters, status: int, headers: list[tuple[bytes, bytes]]) -> WireAnswer:
        if self.method == "HEAD" or status in BODILESS or not self.output.body:
            return WireAnswer(status, headers, b"")
        payload = self.output.payload
        content_type = self.document_content_type
        body: bytes | Streamed
        if payload is None:
            body = self.write_document(parameters)
        else:
            shape = self.output.body[payload]
            value = parameters.get(payload)
            if shape.type_name == "blob":
                body = value.encode() if isinstance(value, str) else value if value is not None else b""
                content_type = self.blob_content_type
            elif shape.type_name == "string":
                body = (value or "").encode("utf-8", "replace")
                content_type = self.text_content_type
            else:
                body = self.write_document(parameters) if value is not None else b""
        if not any(name == b"content-type" for name, _ in headers):
            headers.append((b"content-type", content_type))
        return WireAnswer(status, headers, body)


def _map_of(found: dict[str, list[str]], shape: StructureShape | None, member: str) -> dict[str, Any]:
    """What a map member takes of a query string: all that no other member took."""
    kind = shape.members[member] if shape is not None else None
    if isinstance(kind, MapShape) and isinstance(kind.value, ListShape):
        return dict(found)
    return {name: texts[-1] for name, texts in found.items()}
