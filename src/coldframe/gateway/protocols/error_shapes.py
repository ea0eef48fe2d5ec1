"""The errors that a service's model knows: their codes, HTTP statuses and members."""

from botocore.model import ServiceModel, StructureShape

from coldframe.errors import AwsError


class ErrorShapes:
    """Finds an error's shape by its code on the wire, or by the shape's own name."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._shapes: dict[str, StructureShape] = {}
        self._known = False

    def find(self, error: AwsError) -> StructureShape | None:
        """The modelled shape of an error, or None for one that the model does not know."""
        if not self._known:
            for shape in self._model.error_shapes:
                assert isinstance(shape, StructureShape)  # noqa: S101 - every error is one
                self._shapes.setdefault(shape.name, shape)
                self._shapes.setdefault(shape.metadata.get("error", {}).get("code", shape.name), shape)
            self._known = True
        return self._shapes.get(error.code_on_the_wire())

    @property
    def service(self) -> ServiceModel:
        """The service that the errors are of."""
        return self._model


def status_of(error: AwsError, shape: StructureShape | None) -> int:
    """The HTTP status: the model's where it has one, as clients were built on it; else the error's own."""
    if shape is not None:
        status: int | None = shape.metadata.get("error", {}).get("httpStatusCode")
        if status is not None:
            return status
    return error.status


def is_sender_fault(error: AwsError, shape: StructureShape | None) -> bool:
    """Whether the client is to blame, as AWS tells in some protocols."""
    if shape is not None and "senderFault" in shape.metadata.get("error", {}):
        return bool(shape.metadata["error"]["senderFault"])
    return status_of(error, shape) < 500


def code_of(error: AwsError, shape: StructureShape | None) -> str:
    """The code on the wire: the model's where it has one that differs from the shape's name."""
    if shape is not None:
        code: str = shape.metadata.get("error", {}).get("code", shape.name)
        return code
    return error.code_on_the_wire()


def query_error_header(error: AwsError, shape: StructureShape | None) -> tuple[bytes, bytes]:
    """What tells clients of a service that once spoke the query protocol which code it had there."""
    fault = "Sender" if is_sender_fault(error, shape) else "Receiver"
    return b"x-amzn-query-error", f"{code_of(error, shape)};{fault}".encode()


def message_member(shape: StructureShape | None) -> str:
    """What the member of an error that holds its message is called: `message` or `Message`."""
    if shape is not None and "message" not in shape.members and "Message" in shape.members:
        return "Message"
    return "message"
