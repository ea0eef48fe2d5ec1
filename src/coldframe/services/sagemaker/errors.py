"""SageMaker's own errors."""

from coldframe.errors import AwsError


class ResourceInUse(AwsError):
    """{message}"""  # noqa: D400, D403, D415 - the message is AWS's own, and differs by resource


class ResourceNotFound(AwsError):
    """{message}"""  # noqa: D400, D403, D415


class ResourceLimitExceeded(AwsError):
    """{message}"""  # noqa: D400, D403, D415


class ConflictException(AwsError):
    """{message}"""  # noqa: D400, D403, D415
