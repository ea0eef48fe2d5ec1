"""SageMaker Runtime's own errors."""

from coldframe.errors import AwsError


class ModelError(AwsError):
    """{message}"""

    status = 424


class PayloadTooLarge(AwsError):
    """HTTP content length exceeded {limit} bytes."""

    code = "413"  # what AWS's front end answers: the status in the code's place
    status = 413
