"""CloudWatch Logs' own errors."""

from coldframe.errors import AwsError


class ResourceNotFoundException(AwsError):
    """The specified {resource} does not exist."""


class ResourceAlreadyExistsException(AwsError):
    """The specified {resource} already exists"""


class InvalidParameterException(AwsError):
    """{message}"""
