"""GetCallerIdentity through boto3, and through a presigned URL."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from servers import ServerProcess


def test_get_caller_identity_as_root(client: Callable[..., Any], server: ServerProcess) -> None:
    identity = client("sts").get_caller_identity()
    assert identity["Account"] == "000000000000"
    assert identity["UserId"] == "000000000000"
    assert identity["Arn"] == "arn:aws:iam::000000000000:root"


def test_get_caller_identity_presigned(client: Callable[..., Any]) -> None:
    url = client("sts").generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    answer = requests.get(url, timeout=10)
    assert answer.status_code == 200
    assert "arn:aws:iam::000000000000:root" in answer.text
    changed = requests.get(url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"), timeout=10)
    assert changed.status_code == 403
    assert "<Code>SignatureDoesNotMatch</Code>" in changed.text


def test_get_caller_identity_unsigned(server: ServerProcess) -> None:
    form = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
    answer = requests.post(server.url, data=form, timeout=10)
    assert answer.status_code == 403
    assert "<Code>MissingAuthenticationToken</Code>" in answer.text


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"aws_access_key_id": "AKIAAAAAAAAAAAAAAAAA"}, "InvalidClientTokenId"),
        ({"aws_secret_access_key": "wrong"}, "SignatureDoesNotMatch"),
        ({"aws_session_token": "made-up"}, "InvalidClientTokenId"),
        ({"region_name": "eu-west-1"}, "SignatureDoesNotMatch"),
    ],
)
def test_get_caller_identity_refused(client: Callable[..., Any], settings: dict[str, str], code: str) -> None:
    with pytest.raises(ClientError) as raised:
        client("sts", **settings).get_caller_identity()
    assert raised.value.response["Error"]["Code"] == code
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert raised.value.response["ResponseMetadata"]["RequestId"]


def test_get_caller_identity_in_another_account_and_region(own_server: Callable[..., ServerProcess]) -> None:
    server = own_server("--account-id", "123456789012", "--region", "eu-central-1").start()
    identity = server.client("sts", region_name="eu-central-1").get_caller_identity()
    assert identity["Arn"] == "arn:aws:iam::123456789012:root"


def test_root_key_outlives_a_restart(own_server: Callable[..., ServerProcess]) -> None:
    server = own_server().start()
    before = server.credentials
    assert len(before.access_key_id) == 20
    assert before.access_key_id.startswith("AKIA")
    assert len(before.secret_access_key) == 40
    assert (server.data_directory / "root-credentials.json").stat().st_mode & 0o777 == 0o600
    server.restart()
    assert server.credentials == before
    assert server.client("sts").get_caller_identity()["Account"] == "000000000000"
