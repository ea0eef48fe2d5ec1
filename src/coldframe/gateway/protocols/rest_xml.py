"""REST-XML: as REST-JSON, with XML in the body. S3 speaks it with oddities of its own: s3_xml.py."""

from typing import Any

from botocore.model import OperationModel

from coldframe.calls import Parameters
from coldframe.errors import AwsError
from coldframe.gateway.errors import MalformedInput, MalformedXML
from coldframe.gateway.protocols.codec import WireAnswer, further_headers
from coldframe.gateway.protocols.error_shapes import ErrorShapes, code_of, is_sender_fault, message_member, status_of
from coldframe.gateway.protocols.query import query_error_document
from coldframe.gateway.protocols.rest import RestCodec
from coldframe.gateway.protocols.scalars import WrongValue
from coldframe.gateway.protocols.xml_reading import compile_element_parser, decode_xml, local_name, structure_parser
from coldframe.gateway.protocols.xml_writing import DECLARATION, Writers


class RestXmlCodec(RestCodec):
    """One operation in REST-XML."""

    protocol = "rest-xml"
    always_milliseconds = False

    def __init__(self, model: OperationModel, errors: ErrorShapes) -> None:
        super().__init__(model, errors)
        bound = self.input
        self._root_in = ""
        self._parse_body = None
        if model.input_shape is not None and bound.body:
            payload = bound.body.get(bound.payload or "")
            if payload is None:
                self._root_in = model.input_shape.serialization.get("name", "")
                self._parse_body = structure_parser(model.input_shape, set(bound.body), {})
            elif payload.type_name not in {"blob", "string"}:
                self._root_in = payload.serialization.get("name", "")
                self._parse_body = compile_element_parser(payload, {})
        self._prepare_output(model)

    def _prepare_output(self, model: OperationModel) -> None:
        shape, bound = model.output_shape, self.output
        writers = Writers(always_milliseconds=self.always_milliseconds)
        self._write_payload = self._write_members = None
        self.root_out = shape.name if shape else ""
        if shape is None or not bound.body or self.answers_with_events:
            return
        payload = bound.body.get(bound.payload or "")
        if payload is None:
            self._write_members = writers.members(shape, set(bound.body))
            self.root_out = shape.serialization.get("name", shape.name)
        elif payload.type_name not in {"blob", "string"}:
            self._write_payload = writers.compile(payload)
            self.root_out = payload.serialization.get("name", payload.name)

    @property
    def document_content_type(self) -> bytes:
        """XML's."""
        return b"application/xml"

    @property
    def namespace(self) -> str:
        """The xmlns attribute of an answer's root, with a space before it."""
        return ""

    def parse_document(self, body: bytes) -> Any:
        """The members in the XML body."""
        if self._parse_body is None or not body.strip():
            return {}
        try:
            root = decode_xml(body)
            if self._root_in and local_name(root.tag) != self._root_in:
                raise WrongValue(f"The root element is not {self._root_in}")
            return self._parse_body(root)
        except WrongValue as error:
            raise MalformedXML() from error

    def write_document(self, parameters: Parameters) -> bytes:
        """The members in an XML body."""
        out = [DECLARATION]
        if self._write_payload is not None:
            self._write_payload(parameters[self.output.payload or ""], self.root_out, out)
            # A payload's own element takes the service's namespace, unless its shape names one.
            if self.namespace and out[1] == f"<{self.root_out}>":
                out[1] = f"<{self.root_out}{self.namespace}>"
        elif self._write_members is not None:
            out.append(f"<{self.root_out}{self.namespace}>")
            self._write_members(parameters, out)
            out.append(f"</{self.root_out}>")
        return "".join(out).encode("utf-8", "replace")

    def unreadable(self, error: WrongValue, name: str, value: str) -> AwsError | None:  # noqa: ARG002
        """A header or query parameter of the wrong type."""
        return MalformedInput(message=f"{error.message} (in {name})")

    def serialize_error(self, error: AwsError, request_id: str, resource: str = "") -> WireAnswer:  # noqa: ARG002
        """The error, as the query protocol has it."""
        shape = self.errors.find(error)
        out: list[str] = []
        if shape is not None:
            names = set(shape.members) - {message_member(shape)}
            known = {name: value for name, value in error.members.items() if name in names}
            Writers().members(shape, names)(known, out)
        fault = "Sender" if is_sender_fault(error, shape) else "Receiver"
        body = query_error_document(fault, code_of(error, shape), error.message, "".join(out), request_id)
        headers = [(b"content-type", b"text/xml"), *self.request_id_headers(request_id)]
        status = status_of(error, shape)
        return WireAnswer(status, headers + further_headers(error.headers), b"" if self.method == "HEAD" else body)
