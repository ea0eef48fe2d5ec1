"""Every operation that Coldframe carries out, in one table."""

from coldframe.services.operation import Operation, operations_of
from coldframe.services.sts import caller_identity

CATALOG: dict[tuple[str, str], Operation] = operations_of(
    caller_identity,
)
"""By botocore's service name and operation name."""

SERVICES: tuple[str, ...] = ("s3", "sagemaker", "sagemaker-runtime", "logs", "sts")
"""botocore's names of the services that are served; any other is answered with a clear error."""
