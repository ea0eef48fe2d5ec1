"""What the S3 tests share: a client, and a bucket of the test's own."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from servers import ServerProcess


@pytest.fixture(scope="session")
def s3(server: ServerProcess) -> Any:
    """A boto3 client of the shared server."""
    return server.client("s3")


@pytest.fixture
def bucket(s3: Any, unique_name: Callable[[str], str]) -> str:
    """A new, empty bucket."""
    name = unique_name("bucket")
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def refused() -> Callable[..., dict[str, Any]]:
    """Calls something that must be refused: gives the whole error answer, its code and status checked."""

    def call(code: str, status: int, operation: Callable[..., Any], **parameters: Any) -> dict[str, Any]:
        with pytest.raises(ClientError) as caught:
            operation(**parameters)
        answer: dict[str, Any] = caught.value.response
        told = (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"])
        assert told == (code, status), answer["Error"]
        return answer

    return call
