"""SageMaker's own errors."""

from coldframe.errors import AwsError


class ResourceInUse(AwsError):
    """{message}"""


class ResourceNotFound(AwsError):
    """{message}"""


class ResourceLimitExceeded(AwsError):
    """{message}"""


class ConflictException(AwsError):
    """{message}"""
