"""Errors that the gateway itself answers with: requests that cannot be routed, read, or taken as valid."""

from coldframe.errors import AwsError


class ServiceNotImplemented(AwsError):
    """Coldframe does not implement the service {service}. docs/compatibility.md lists those that it has."""

    code = "NotImplemented"
    status = 501


class UnroutedRequest(AwsError):
    """{method} {path} names no operation of {service}."""

    code = "UnknownOperationException"
    status = 404


class MethodNotAllowed(AwsError):
    """The specified method is not allowed against this resource."""

    status = 405


class InvalidURI(AwsError):
    """Couldn't parse the specified URI: {reason}."""


class InvalidAction(AwsError):
    """The action {operation} is not valid for {service}."""


class MissingAction(AwsError):
    """The request is missing an action or a required parameter."""


class SerializationException(AwsError):
    """{message}"""


class MalformedInput(AwsError):
    """{message}"""


class InvalidParameterValue(AwsError):
    """{message}"""


class MissingParameter(AwsError):
    """The request must contain the parameter {parameter}"""


class InvalidParameterException(AwsError):
    """{message}"""


class MalformedXML(AwsError):
    """The XML you provided was not well-formed or did not validate against our published schema."""


class MissingRequestBodyError(AwsError):
    """Request Body is empty"""


class InvalidArgument(AwsError):
    """{message}"""


class InvalidLocationConstraint(AwsError):
    """The specified location-constraint is not valid"""


class InvalidStorageClass(AwsError):
    """The storage class you specified is not valid"""


class InvalidRequest(AwsError):
    """{message}"""


class EventStreamsNotSupported(AwsError):
    """Coldframe does not answer {service}:{operation}: its answer is an event stream, which is not implemented."""

    code = "NotImplemented"
    status = 501
