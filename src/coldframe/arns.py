"""Amazon Resource Names: made in one place, so that they look alike everywhere."""

from dataclasses import dataclass

PARTITION = "aws"


@dataclass(frozen=True, slots=True)
class Scope:
    """The account and region that a call belongs to."""

    account_id: str
    region: str

    def arn(self, service: str, resource: str) -> str:
        """An ARN in this account and region; `resource` is its last part, such as `training-job/name`."""
        return f"arn:{PARTITION}:{service}:{self.region}:{self.account_id}:{resource}"

    def root_arn(self) -> str:
        """The account's root user."""
        return f"arn:{PARTITION}:iam::{self.account_id}:root"


def bucket_arn(bucket: str) -> str:
    """A bucket's ARN; it carries neither region nor account."""
    return f"arn:{PARTITION}:s3:::{bucket}"


def object_arn(bucket: str, key: str) -> str:
    """An object's ARN."""
    return f"arn:{PARTITION}:s3:::{bucket}/{key}"
