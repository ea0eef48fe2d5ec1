"""Errors that a client may see: a class each, whose docstring is its message."""

from typing import Any, ClassVar


class AwsError(Exception):
    """An error that is answered to the client in its protocol's own shape.

    A subclass's docstring is its message, with fields in braces that the raiser fills:
    `raise EndpointNotFound(name="breeds")`. `members` are further members of the answered structure, for modelled
    errors that have some (S3's BucketName, ModelError's OriginalStatusCode).
    """

    code: ClassVar[str] = ""
    """The error code on the wire; the class's own name where it is empty."""
    status: ClassVar[int] = 400
    """The HTTP status."""
    headers: ClassVar[dict[str, str]] = {}
    """Response headers that always go with it."""

    def __init__(self, *, members: dict[str, Any] | None = None, **fields: Any) -> None:
        self.members = members or {}
        self.fields = fields
        self.message = message_of(type(self)).format(**fields)
        super().__init__(self.message)

    @classmethod
    def code_on_the_wire(cls) -> str:
        """The code that the client sees."""
        return cls.code or cls.__name__


def message_of(error: type[AwsError]) -> str:
    """The first paragraph of the class's docstring, on one line."""
    paragraph = (error.__doc__ or "").strip().split("\n\n")[0]
    return " ".join(paragraph.split())


class ValidationException(AwsError):
    """{message}"""


class ValidationError(AwsError):
    """{message}"""


class AccessDeniedException(AwsError):
    """User: {principal} is not authorized to perform: {action} on resource: {resource} because {reason}."""

    status = 403


class InternalFailure(AwsError):
    """The request failed because of a fault in Coldframe; its log has the cause under request id {request_id}."""

    status = 500


class ServiceUnavailable(AwsError):
    """{message}"""

    status = 503


class RequestBodyIncomplete(AwsError):
    """You did not provide the number of bytes specified by the Content-Length HTTP header"""

    code = "IncompleteBody"


class RequestBodyTooLarge(AwsError):
    """The request body is longer than the {limit} bytes that this operation takes."""

    code = "RequestEntityTooLargeException"
    status = 413


class UnknownOperation(AwsError):
    """{service} has no operation {operation}: AWS's own model of the service does not list it."""

    code = "UnknownOperationException"
    status = 404


class OperationNotImplemented(AwsError):
    """Coldframe does not implement {service}:{operation}. docs/compatibility.md lists the operations that it has."""

    code = "NotImplemented"
    status = 501
