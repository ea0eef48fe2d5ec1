"""The AWS query protocol, and EC2's variant of it: a form names the action; the answer is XML."""

from botocore.model import OperationModel

from coldframe.calls import Answer, Body, Parameters, RoutedCall
from coldframe.errors import AwsError
from coldframe.gateway.errors import InvalidParameterValue, MalformedInput
from coldframe.gateway.protocols.codec import OperationCodec, WireAnswer, further_headers, parts_of
from coldframe.gateway.protocols.error_shapes import ErrorShapes, code_of, is_sender_fault, message_member, status_of
from coldframe.gateway.protocols.forms import FormParsers, decode_pairs, field_tree
from coldframe.gateway.protocols.scalars import WrongValue
from coldframe.gateway.protocols.xml_writing import DECLARATION, Writers, escape


class QueryCodec(OperationCodec):
    """One operation in the query protocol."""

    protocol = "query"
    unreadable: type[AwsError] = MalformedInput

    def __init__(self, model: OperationModel, errors: ErrorShapes) -> None:
        super().__init__(model, errors)
        self.namespace = _namespace(model)
        parsers = FormParsers(ec2=self.protocol == "ec2")
        self._parse = parsers.compile(model.input_shape) if model.input_shape else None
        output = model.output_shape
        self._wrapper: str = output.serialization.get("resultWrapper", "") if output else ""
        self._write = Writers().members(output, set(output.members)) if output else None

    def parse(self, routed: RoutedCall, body: bytes | Body) -> Parameters:
        """The operation's input, from its form, or from the query string of a GET."""
        assert isinstance(body, bytes)  # noqa: S101 - no operation of this protocol streams its input
        try:
            pairs = decode_pairs(routed.request.query_string) + decode_pairs(body.decode("utf-8"))
            parameters: Parameters = self._parse(field_tree(pairs)) if self._parse else {}
        except WrongValue as error:
            raise self.unreadable(message=error.explained()) from error
        except UnicodeDecodeError as error:
            raise self.unreadable(message="The request is not UTF-8") from error
        self.validator.validate(parameters)
        return parameters

    def serialize(self, answer: Parameters | Answer, request_id: str) -> WireAnswer:
        """The answer, with its members in an XML body."""
        parameters, status, headers = parts_of(answer)
        out: list[str] = []
        if self._write is not None:
            self._write(parameters, out)
        body = self.wrap("".join(out), request_id)
        return WireAnswer(status or self.status, xml_headers(request_id) + further_headers(headers), body)

    def wrap(self, members: str, request_id: str) -> bytes:
        """The document around the members of an answer."""
        result = f"<{self._wrapper}>{members}</{self._wrapper}>" if self._wrapper else members
        name = f"{self.operation}Response"
        told = f"<ResponseMetadata><RequestId>{escape(request_id)}</RequestId></ResponseMetadata>"
        return f'{DECLARATION}<{name} xmlns="{self.namespace}">{result}{told}</{name}>\n'.encode("utf-8", "replace")

    def serialize_error(self, error: AwsError, request_id: str, resource: str = "") -> WireAnswer:  # noqa: ARG002
        """The error, with its modelled members."""
        shape = self.errors.find(error)
        out: list[str] = []
        if shape is not None:
            names = set(shape.members) - {message_member(shape)}
            known = {name: value for name, value in error.members.items() if name in names}
            Writers().members(shape, names)(known, out)
        fault = "Sender" if is_sender_fault(error, shape) else "Receiver"
        body = self.error_document(fault, code_of(error, shape), error.message, "".join(out), request_id)
        return WireAnswer(status_of(error, shape), xml_headers(request_id) + further_headers(error.headers), body)

    def error_document(self, fault: str, code: str, message: str, members: str, request_id: str) -> bytes:
        """The document that tells of an error."""
        return query_error_document(fault, code, message, members, request_id, self.namespace)


class Ec2Codec(QueryCodec):
    """One operation in EC2's variant of the query protocol."""

    protocol = "ec2"
    unreadable = InvalidParameterValue

    def wrap(self, members: str, request_id: str) -> bytes:
        """The document around the members of an answer: they stand at its top, beside the request's id."""
        name = f"{self.operation}Response"
        told = f"<requestId>{escape(request_id)}</requestId>"
        return f'{DECLARATION}<{name} xmlns="{self.namespace}">{told}{members}</{name}>\n'.encode("utf-8", "replace")

    def error_document(self, fault: str, code: str, message: str, members: str, request_id: str) -> bytes:  # noqa: ARG002
        """The document that tells of an error."""
        return ec2_error_document(code, message, request_id)


def query_error_document(
    fault: str, code: str, message: str, members: str, request_id: str, namespace: str = ""
) -> bytes:
    """An error of the query protocol."""
    attribute = f' xmlns="{namespace}"' if namespace else ""
    return (
        f"{DECLARATION}<ErrorResponse{attribute}><Error><Type>{fault}</Type><Code>{escape(code)}</Code>"
        f"<Message>{escape(message)}</Message>{members}</Error><RequestId>{escape(request_id)}</RequestId>"
        "</ErrorResponse>\n"
    ).encode("utf-8", "replace")


def ec2_error_document(code: str, message: str, request_id: str) -> bytes:
    """An error of EC2's variant."""
    return (
        f"{DECLARATION}<Response><Errors><Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        f"</Error></Errors><RequestID>{escape(request_id)}</RequestID></Response>\n"
    ).encode("utf-8", "replace")


def xml_headers(request_id: str) -> list[tuple[bytes, bytes]]:
    """What every answer of the query protocols carries."""
    return [(b"content-type", b"text/xml;charset=UTF-8"), (b"x-amzn-requestid", request_id.encode())]


def _namespace(model: OperationModel) -> str:
    metadata = model.service_model.metadata
    given: str = metadata.get("xmlNamespace") or ""
    if given:
        return given
    return f"http://{metadata['endpointPrefix']}.amazonaws.com/doc/{metadata['apiVersion']}/"
